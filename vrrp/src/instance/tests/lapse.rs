//! A router that was kept from running.

use super::support::*;
use crate::{Action, Reason, Role};

const LAPSED: Action = report(Role::Active, Role::Backup, Reason::Lapsed);

#[test]
fn a_router_that_holds_is_overdue_once_it_is_more_than_three_intervals_late() {
    let (mut router, now) = active(settings(100));
    assert!(!router.is_overdue(now + SECOND * 4));
    assert!(router.is_overdue(now + SECOND * 4 + MOMENT));
    router.stop(now);
    actions(&mut router);
    assert!(!router.is_overdue(now + SECOND * 5));
    assert!(router.is_overdue(now + SECOND * 5 + MOMENT), "it should have released after two intervals");
}

#[test]
fn who_holds_nothing_or_owns_the_addresses_is_never_overdue() {
    let late = start() + SECOND * 1_000;
    assert!(!backup(settings(100)).is_overdue(late));
    assert!(!active(settings(255)).0.is_overdue(late));
}

#[test]
fn a_router_that_lapses_lets_go_without_a_word_and_waits_as_after_a_start() {
    let (mut router, now) = active(settings(100));
    let late = now + SECOND * 60;
    router.lapse(late);
    assert_eq!(actions(&mut router), [Action::Release, LAPSED]);
    assert_eq!(router.poll_timeout(), Some(late + milliseconds(3_000) + SECOND * 156 / 256));
    router.lapse(late);
    assert_eq!(actions(&mut router), [], "once is enough");
}

#[test]
fn a_router_that_lapses_obeys_whoever_was_heard_meanwhile() {
    let (mut router, now) = active(settings(100));
    router.lapse(now + SECOND * 60);
    actions(&mut router);
    assert_eq!(hear(&mut router, &holds(10, 120), now + SECOND * 60), []);
    assert_eq!(router.active_source(), Some(host(10)));
}

#[test]
fn a_router_that_lapses_on_its_way_out_is_out_and_does_not_resign_again() {
    let (mut router, now) = active(settings(100));
    router.stop(now);
    actions(&mut router);
    router.lapse(now + SECOND * 60);
    let gone = report(Role::Active, Role::Initialize, Reason::Stopped);
    assert_eq!(actions(&mut router), [Action::Release, gone]);
}
