//! After a resignation: who takes over when, where the others are known.

use super::support::*;
use crate::{Action, Instance, Reason, Role};

/// Behind a router that was heard at [`start`] and resigns then.
fn left_alone() -> Instance {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 200), start());
    hear(&mut router, &resigns(10), start());
    router
}

#[test]
fn the_best_takes_over_at_once_and_says_why() {
    let mut router = left_alone();
    router.succeed_by_rank(0, start());
    assert_eq!(router.poll_timeout(), Some(start()));
    router.handle_timeout(start());
    assert_eq!(actions(&mut router), [Action::Hold]);
    router.handle_held(start());
    assert!(actions(&mut router).contains(&report(Role::Backup, Role::Active, Reason::PriorityZero)));
}

#[test]
fn each_other_one_10_milliseconds_later_and_no_later_than_after_its_skew() {
    let skew = SECOND * 156 / 256;
    for (rank, due) in [(1, milliseconds(10)), (2, milliseconds(20)), (60, milliseconds(600)), (61, skew)] {
        let mut router = left_alone();
        router.succeed_by_rank(rank, start());
        assert_eq!(router.poll_timeout(), Some(start() + due), "{rank}");
    }
}

#[test]
fn a_resignation_that_is_repeated_puts_nothing_off() {
    let mut router = left_alone();
    router.succeed_by_rank(2, start());
    hear(&mut router, &resigns(10), start() + milliseconds(15));
    router.succeed_by_rank(2, start() + milliseconds(15));
    assert_eq!(router.poll_timeout(), Some(start() + milliseconds(20)));
}

#[test]
fn who_is_heard_to_hold_ends_it() {
    for priority in [101, 200] {
        let mut router = left_alone();
        router.succeed_by_rank(1, start());
        hear(&mut router, &holds(30, priority), start() + milliseconds(5));
        assert_eq!(router.poll_timeout(), Some(start() + milliseconds(5) + router.active_down_interval()));
    }
}

#[test]
fn a_resignation_of_another_than_the_one_obeyed_moves_nothing_sooner() {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 200), start());
    hear(&mut router, &resigns(11), start());
    router.succeed_by_rank(0, start());
    assert_eq!(router.poll_timeout(), Some(start() + SECOND * 156 / 256), "its skew");

    let mut active = active(settings(100)).0;
    let before = active.poll_timeout();
    active.succeed_by_rank(0, start());
    assert_eq!((active.poll_timeout(), actions(&mut active)), (before, vec![]));
}
