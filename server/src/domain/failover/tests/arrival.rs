//! Order, repetition and delay of reports change nothing in the end.

use proptest::prelude::*;

use super::*;

#[test]
fn what_happened_before_is_remembered_and_not_reported_again() {
    let transitions = a_death();
    let (earlier, rest) = transitions.split_at(1);
    let mut rest = rest.to_vec();
    rest[0].record.last_advertisement = None;
    assert_eq!(summary(&join(earlier, &rest, &addresses())), [("n1", "n2", Cause::NoResponse)]);
    assert_eq!(join(&transitions, &[], &addresses()), []);
}

#[test]
fn a_wall_clock_that_is_set_back_does_not_turn_a_boot_round() {
    let transitions = [
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N1.ahead(-60_000).stops(5_000).having_heard_nothing(),
        N2.takes_over(5_100, Reason::PriorityZero).having_heard("192.0.2.1", 0, 5_000),
    ];
    assert_eq!(summary(&joined(&transitions)), [("n1", "n2", Cause::PriorityZero)]);
}

/// A long history in which everything happens once.
fn a_history() -> Vec<Recorded> {
    vec![
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
        N1.takes_over(60_000, Reason::Preempting).having_heard("192.0.2.2", 200, 59_950).in_boot(2),
        N2.yields(60_001).having_heard("192.0.2.1", 240, 60_001),
        N1.yields(90_000).having_heard(KEEPALIVED, 250, 90_000).in_boot(2),
        N2.takes_over(120_000, Reason::NoResponse).having_heard(KEEPALIVED, 250, 119_700),
        N2.stops(150_020).having_heard("192.0.2.3", 100, 150_000),
        N3.takes_over(150_000, Reason::PriorityZero).having_heard("192.0.2.2", 0, 149_990),
        N1.takes_over(200_000, Reason::OwnerStarted).having_heard_nothing().in_boot(3),
        N3.yields(200_002).having_heard("192.0.2.1", 255, 200_001),
    ]
}

proptest! {
    #[test]
    fn the_order_of_arrival_changes_nothing(shuffled in Just(a_history()).prop_shuffle()) {
        let wanted = joined(&a_history());
        prop_assert_eq!(wanted.len(), 6);
        prop_assert_eq!(joined(&shuffled), wanted);
    }

    #[test]
    fn no_report_makes_two_records_of_one_move(kept in proptest::sample::subsequence(a_history(), 0..10)) {
        let moves = joined(&kept);
        let mut keys: Vec<_> = moves.iter().map(|each| (each.transition, each.evidence)).collect();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), moves.len());
        for each in &moves {
            prop_assert_ne!(&each.from, &each.to);
        }
    }
}
