//! Who held before, and whether anything moved.

use super::*;

#[test]
fn a_first_election_is_no_failover() {
    assert_eq!(joined(&a_death()[..1]), []);
}

#[test]
fn the_dead_holder_need_not_report_for_its_name_to_be_known() {
    let moves = joined(&a_death()[1..]);
    assert_eq!(summary(&moves), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn the_restart_of_a_holder_without_a_successor_is_no_failover() {
    let restarts = [
        N1.stops(5_000).having_heard_nothing(),
        N1.moves(5_000, State::Active, State::Fault, Reason::InterfaceDown).having_heard_nothing(),
    ];
    for stop in restarts {
        let transitions = [
            N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
            stop,
            N1.takes_over(9_000, Reason::NoResponse).having_heard_nothing().in_boot(2),
        ];
        assert_eq!(joined(&transitions), []);
    }
    let killed = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.takes_over(9_000, Reason::NoResponse).having_heard_nothing().in_boot(2),
    ];
    assert_eq!(joined(&killed), []);
}

#[test]
fn an_advertisement_from_before_its_own_reign_names_no_predecessor() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
        N2.moves(20_000, State::Active, State::Fault, Reason::InterfaceDown).having_heard(
            "192.0.2.1",
            240,
            10_000,
        ),
        N2.takes_over(25_000, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn a_holder_that_dies_right_after_it_was_yielded_to_is_still_the_predecessor() {
    let transitions = [
        N2.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.yields(20_001).having_heard("192.0.2.1", 240, 20_000),
        N2.takes_over(20_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 20_000),
    ];
    assert_eq!(
        summary(&joined(&transitions)),
        [("n2", "n1", Cause::Preempting), ("n1", "n2", Cause::NoResponse)],
        "its own report of the takeover is lost with it, or comes later"
    );
}

#[test]
fn an_owner_that_heard_nobody_takes_over_from_the_holder_of_that_time() {
    let transitions = [
        N2.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.takes_over(9_000, Reason::OwnerStarted).having_heard_nothing(),
        N2.yields(9_003).having_heard("192.0.2.1", 255, 9_002),
    ];
    let moves = joined(&transitions);
    assert_eq!(summary(&moves), [("n2", "n1", Cause::OwnerStarted)]);
    assert_eq!(moves[0].last_advertisement_at, None);
    assert_eq!((moves[0].gap_ms, moves[0].gap_method), (Some(0.0), GapMethod::ReleaseToAnnouncement));
    let alone = joined(&transitions[..2]);
    assert_eq!((alone[0].gap_ms, alone[0].gap_method), (None, GapMethod::Unknown));
}

#[test]
fn a_successor_of_a_successor_that_nobody_heard_is_placed_by_wall_clock() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.stops(5_000).having_heard_nothing(),
        N2.takes_over(5_100, Reason::PriorityZero).having_heard("192.0.2.1", 0, 5_000),
        N2.stops(50_000).having_heard_nothing(),
        N1.takes_over(90_000, Reason::NoResponse).having_heard_nothing().in_boot(2),
    ];
    let moves = joined(&transitions);
    assert_eq!(summary(&moves), [("n1", "n2", Cause::PriorityZero), ("n2", "n1", Cause::NoResponse)]);
    assert_eq!((moves[1].gap_ms, moves[1].gap_method), (Some(40_000.0), GapMethod::ReleaseToAnnouncement));
}

#[test]
fn an_advertisement_of_long_ago_gives_way_to_a_holder_since() {
    let transitions = [
        N3.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.takes_over(400_000, Reason::NoResponse).having_heard("192.0.2.3", 100, 399_000),
        N2.takes_over(900_000, Reason::NoResponse).having_heard("192.0.2.3", 100, 300_000),
    ];
    assert_eq!(
        summary(&joined(&transitions)),
        [("n3", "n1", Cause::NoResponse), ("n1", "n2", Cause::NoResponse)]
    );
}

#[test]
fn a_holder_that_never_let_go_is_moved_back_to_when_the_other_yields() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
        N2.yields(30_000).having_heard("192.0.2.1", 240, 30_000),
        N2.takes_over(60_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 60_000),
    ];
    let moves = joined(&transitions);
    assert_eq!(
        summary(&moves),
        [("n1", "n2", Cause::NoResponse), ("n2", "n1", Cause::Preempting), ("n1", "n2", Cause::NoResponse)]
    );
    assert_eq!((moves[1].evidence, moves[1].gap_ms), (Evidence::YieldedBack, None), "nobody measured it");

    // The window may begin between the two.
    let later = join(&transitions[..2], &transitions[2..], &addresses());
    assert_eq!(summary(&later), summary(&moves[1..]));
}

#[test]
fn a_preemption_is_one_move_however_far_the_clocks_of_both_are_apart() {
    for skew_ms in [-4_000, 0, 4_000] {
        let n1 = N1.ahead(skew_ms);
        let transitions = [
            N2.takes_over(10_000, Reason::NoResponse).having_heard_nothing(),
            n1.takes_over(60_000, Reason::Preempting).having_heard("192.0.2.2", 100, 59_990),
            N2.yields(60_001).having_heard("192.0.2.1", 240, 60_001),
        ];
        assert_eq!(summary(&joined(&transitions)), [("n2", "n1", Cause::Preempting)], "{skew_ms} ms");
    }
}

#[test]
fn of_two_that_were_elected_at_once_the_one_that_yields_moves_nothing() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(1_002, Reason::NoResponse).having_heard_nothing(),
        N2.yields(1_003).having_heard("192.0.2.1", 240, 1_003),
    ];
    let moves = joined(&transitions);
    assert!(moves.iter().all(|each| each.evidence == Evidence::TakenOver), "{moves:?}");
}

#[test]
fn an_unknown_address_is_the_holder_of_that_time_if_there_is_one() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard(STRANGER, 240, 10_000),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn an_address_that_moved_between_nodes_is_never_the_one_that_heard_it() {
    let mut addresses = Addresses::default();
    for node in [N2, N1] {
        addresses.add_node("192.0.2.1".parse().unwrap(), node.id(), &node.name());
    }
    let moves = join(&[], &a_death(), &addresses);
    assert_eq!(summary(&moves), [("n1", "n2", Cause::NoResponse)]);
}

#[test]
fn what_a_killed_holder_finds_out_when_it_starts_again_changes_no_failover() {
    for reason in [Reason::AddressLease, Reason::NftablesLease] {
        for skew_ms in [-40_000, 0, 4_000] {
            let returned = N1.ahead(skew_ms);
            let mut found_out = returned
                .moves(30_000, State::Active, State::Initialize, reason)
                .having_heard_nothing()
                .in_boot(2);
            found_out.record.released_at_boottime_ns = None;
            let starts = returned
                .moves(30_001, State::Initialize, State::Backup, Reason::Started)
                .having_heard_nothing()
                .in_boot(2);
            let before = joined(&a_death());
            let mut transitions = a_death();
            transitions.extend([found_out, starts]);
            assert_eq!(joined(&transitions), before, "{reason:?}, {skew_ms} ms");

            transitions.push(
                returned
                    .takes_over(60_000, Reason::Preempting)
                    .having_heard("192.0.2.2", 200, 59_950)
                    .in_boot(2),
            );
            transitions.push(N2.yields(60_001).having_heard("192.0.2.1", 240, 60_001));
            let moves = joined(&transitions);
            let expected = [("n1", "n2", Cause::NoResponse), ("n2", "n1", Cause::Preempting)];
            assert_eq!(summary(&moves), expected, "{reason:?}, {skew_ms} ms");
            assert_eq!(moves[0], before[0]);
        }
    }
}

#[test]
fn a_killed_holder_without_a_successor_that_finds_out_and_holds_again_is_no_failover() {
    for reason in [Reason::AddressLease, Reason::NftablesLease] {
        let transitions = [
            N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
            N1.moves(5_000, State::Active, State::Initialize, reason).having_heard_nothing().in_boot(2),
            N1.takes_over(9_000, Reason::NoResponse).having_heard_nothing().in_boot(2),
        ];
        assert_eq!(joined(&transitions), []);
        assert_eq!(join(&transitions[1..2], &transitions[2..], &addresses()), []);
    }
}
