//! How long nobody answered.

use super::*;

#[test]
fn the_silence_of_the_holder_is_measured_on_the_clock_of_its_successor() {
    let moves = joined(&a_death());
    assert_eq!(summary(&moves), [("n1", "n2", Cause::NoResponse)]);
    let failover = &moves[0];
    assert_eq!(failover.gap_ms, Some(320.0));
    assert_eq!(failover.gap_method, GapMethod::LastAdvertisementToAnnouncement);
    assert_eq!(failover.last_advertisement_at, Some(N2.wall(10_000)));
    assert_eq!(failover.bound_at, Some(N2.wall(10_318)));
    assert_eq!(failover.announced_at, Some(N2.wall(10_320)));
}

#[test]
fn a_node_that_comes_back_and_preempts_is_a_failover_without_a_gap() {
    let mut transitions = a_death();
    transitions
        .push(N1.takes_over(60_000, Reason::Preempting).having_heard("192.0.2.2", 200, 59_950).in_boot(2));
    transitions.push(N2.yields(60_001).having_heard("192.0.2.1", 240, 60_001));
    let moves = joined(&transitions);
    assert_eq!(summary(&moves), [("n1", "n2", Cause::NoResponse), ("n2", "n1", Cause::Preempting)]);
    assert_eq!(moves[1].gap_ms, Some(0.0));
    assert_eq!(moves[1].gap_method, GapMethod::ReleaseToAnnouncement);
    assert_eq!(moves[1].transitions, [transitions[3].id, transitions[2].id], "both reports of the one move");
}

#[test]
fn a_move_is_measured_before_the_report_of_the_old_holder_has_come() {
    let mut transitions = a_death();
    transitions
        .push(N1.takes_over(60_000, Reason::Preempting).having_heard("192.0.2.2", 200, 59_950).in_boot(2));
    let moves = joined(&transitions);
    assert_eq!(moves[1].gap_ms, Some(50.0));
    assert_eq!(moves[1].gap_method, GapMethod::LastAdvertisementToAnnouncement);
}

#[test]
fn a_holder_that_stops_hands_over_to_its_successor() {
    for (reason, released_at, gap_ms) in
        [(Reason::Stopped, 20_030, 0.0), (Reason::Removed, 20_030, 0.0), (Reason::Stopped, 20_000, 10.0)]
    {
        let transitions = [
            N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
            N2.takes_over(20_010, Reason::PriorityZero).having_heard("192.0.2.1", 0, 19_990),
            N1.moves(released_at, State::Active, State::Initialize, reason).having_heard(
                "192.0.2.2",
                200,
                20_009,
            ),
        ];
        let moves = joined(&transitions);
        assert_eq!(summary(&moves), [("n1", "n2", Cause::PriorityZero)]);
        assert_eq!(moves[0].gap_ms, Some(gap_ms), "released at {released_at} ms");
        assert_eq!(moves[0].gap_method, GapMethod::ReleaseToAnnouncement);
    }
}

#[test]
fn clocks_that_disagree_do_not_stretch_a_gap_beyond_what_one_clock_allows() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.ahead(-5_000).stops(20_030).having_heard("192.0.2.2", 200, 20_009),
        N2.takes_over(20_010, Reason::PriorityZero).having_heard("192.0.2.1", 0, 19_990),
    ];
    let moves = joined(&transitions);
    assert_eq!(moves[0].gap_ms, Some(20.0));
    assert_eq!(moves[0].gap_method, GapMethod::LastAdvertisementToAnnouncement);
}
