//! Moves to and from routers without an agent.

use super::*;

#[test]
fn an_external_member_is_seen_both_ways_round() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.yields(5_000).having_heard(KEEPALIVED, 250, 5_000),
        N1.takes_over(9_000, Reason::NoResponse).having_heard(KEEPALIVED, 250, 8_700),
        N1.stops(20_020).having_heard(KEEPALIVED, 250, 20_000),
    ];
    let moves = joined(&transitions);
    assert_eq!(
        summary(&moves),
        [
            ("n1", "keepalived", Cause::Preempting),
            ("keepalived", "n1", Cause::NoResponse),
            ("n1", "keepalived", Cause::PriorityZero),
        ]
    );
    assert_eq!(moves[0].evidence, Evidence::ExternalHeard);
    assert_eq!((moves[0].bound_at, moves[0].announced_at, moves[0].gap_ms), (None, None, None));
    assert_eq!(moves[1].gap_ms, Some(300.0));
}

#[test]
fn an_external_owner_that_returns_is_named_as_such() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard(KEEPALIVED, 255, 700),
        N1.yields(5_000).having_heard(KEEPALIVED, 255, 5_000),
    ];
    assert_eq!(
        summary(&joined(&transitions)),
        [("keepalived", "n1", Cause::NoResponse), ("n1", "keepalived", Cause::OwnerStarted)]
    );
}

#[test]
fn an_external_member_that_took_over_unseen_is_known_once_it_loses_again() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.takes_over(60_000, Reason::Preempting).having_heard(KEEPALIVED, 100, 59_990).in_boot(2),
    ];
    let moves = joined(&transitions);
    assert_eq!(
        summary(&moves),
        [("n1", "keepalived", Cause::NoResponse), ("keepalived", "n1", Cause::Preempting)]
    );
    assert_eq!(moves[0].transition, moves[1].transition);
    assert_ne!(moves[0].evidence, moves[1].evidence, "each move has its own key");
}

#[test]
fn a_losing_advertisement_of_an_external_member_is_no_move() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.stops(20_000).having_heard(KEEPALIVED, 100, 5_000),
        N2.takes_over(20_010, Reason::PriorityZero).having_heard("192.0.2.1", 0, 19_990),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::PriorityZero)]);
}

#[test]
fn a_router_that_is_no_member_is_named_by_its_address() {
    let transitions = [N1.takes_over(1_000, Reason::Preempting).having_heard(STRANGER, 10, 990)];
    assert_eq!(summary(&joined(&transitions)), [(STRANGER, "n1", Cause::Preempting)]);
}
