//! A holder that has just lowered its priority: whom it obeys, and when.

use super::support::*;
use crate::{Action, BoostedPriority, Config, Instance, Instant, Role, Settings};

/// Active, having said 254 until the time that comes with it, and 100 since.
fn lowered() -> (Instance, Instant) {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 200), start());
    router.boost(BoostedPriority::new(254).unwrap(), start()).unwrap();
    router.handle_held(start());
    actions(&mut router);
    let now = start() + milliseconds(1);
    router.unboost(now);
    assert_eq!(actions(&mut router), [advertise(100)]);
    (router, now)
}

/// Whether it yields to a router of this priority.
fn yields(router: &mut Instance, priority: u8, now: Instant) -> bool {
    hear(router, &holds(10, priority), now);
    router.role() == Role::Backup
}

#[test]
fn a_concession_to_what_it_said_before_is_answered_and_not_obeyed() {
    let (mut router, now) = lowered();
    let later = now + milliseconds(1);
    assert_eq!(hear(&mut router, &holds(10, 200), later), [advertise(100)]);
    assert_eq!(router.role(), Role::Active, "or nobody would hold");
    // The neighbours may have heard the rival last.
    router.handle_timeout(start() + SECOND);
    assert!(actions(&mut router).contains(&Action::Announce));
}

#[test]
fn who_goes_on_saying_it_10_milliseconds_later_is_obeyed() {
    let (mut router, now) = lowered();
    let first = now + milliseconds(1_000);
    assert!(!yields(&mut router, 200, first));
    assert!(!yields(&mut router, 200, first + milliseconds(10) - MOMENT), "that was on its way");
    assert!(yields(&mut router, 200, first + milliseconds(10)));
}

#[test]
fn after_two_intervals_nobody_concedes_any_longer() {
    let (mut router, now) = lowered();
    assert!(!yields(&mut router.clone(), 200, now + SECOND * 2 - MOMENT));
    assert!(yields(&mut router, 200, now + SECOND * 2));
}

#[test]
fn who_would_have_won_before_is_obeyed_at_once() {
    let (router, now) = lowered();
    assert!(!yields(&mut router.clone(), 253, now));
    assert!(yields(&mut router.clone(), 254, now));
    assert!(yields(&mut router.clone(), 255, now));
}

#[test]
fn an_edit_is_like_a_switchover_taken_back_and_of_several_the_highest_counts() {
    let edit = |router: &mut Instance, priority: u8, now: Instant| {
        router.reconfigure(Config::new(settings(priority)).unwrap(), now).unwrap();
        actions(router);
    };
    let (mut router, now) = active(settings(240));
    edit(&mut router, 150, now);
    edit(&mut router, 100, now + milliseconds(1));
    assert!(!yields(&mut router.clone(), 239, now + milliseconds(2)));
    assert!(yields(&mut router.clone(), 240, now + milliseconds(2)));
    let forgotten = now + milliseconds(1) + SECOND * 2;
    edit(&mut router, 90, forgotten);
    assert!(yields(&mut router.clone(), 100, forgotten));
    assert!(!yields(&mut router.clone(), 99, forgotten));

    let (mut raised, now) = active(settings(100));
    edit(&mut raised, 150, now);
    assert!(yields(&mut raised, 151, now));
}

#[test]
fn an_edit_of_something_else_makes_nobody_doubt() {
    let (mut router, now) = active(settings(100));
    let edited = Settings { interval: interval(500), ..settings(100) };
    router.reconfigure(Config::new(edited).unwrap(), now).unwrap();
    assert!(yields(&mut router, 101, now));
}
