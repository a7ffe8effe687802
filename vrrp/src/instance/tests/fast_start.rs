//! A new group of which the caller knows that nobody holds its addresses.

use super::support::*;
use crate::{Action, Instance, Reason, Role, Settings};

fn soon() -> crate::Instant {
    start() + milliseconds(40)
}

#[test]
fn a_backup_that_has_heard_nobody_is_active_as_soon_as_it_holds_the_addresses() {
    let mut router = backup(settings(100));
    assert!(router.is_idle(soon()) && router.begin_at_once(soon()));
    assert_eq!(actions(&mut router), [Action::Hold], "nothing is said before the addresses are held");
    router.handle_held(soon());
    let took_over = report(Role::Backup, Role::Active, Reason::FastStart);
    assert_eq!(actions(&mut router), [advertise(100), Action::Announce, took_over]);
    assert!(!router.begin_at_once(soon()), "it is Active already");
    assert_eq!(actions(&mut router), []);
}

#[test]
fn whoever_has_been_heard_within_three_intervals_keeps_it_waiting() {
    for heard in [holds(10, 200), holds(10, 50), resigns(10)] {
        let mut router = backup(settings(100));
        hear(&mut router, &heard, start());
        let deadline = router.poll_timeout();
        for now in [start(), soon(), start() + SECOND * 3 - MOMENT] {
            assert!(!router.begin_at_once(now), "{:?}", heard.claim);
        }
        assert_eq!((router.poll_timeout(), actions(&mut router)), (deadline, vec![]));
    }
    let mut router = backup(Settings { interval: interval(100), ..settings(100) });
    hear(&mut router, &resigns(10), start());
    assert!(!router.is_idle(start() + SECOND * 3 - MOMENT), "the other one speaks once a second");
    assert!(router.is_idle(start() + SECOND * 3));
}

#[test]
fn nobody_but_a_backup_begins_and_none_that_is_held_off_or_was_refused_the_addresses() {
    let mut idle = Instance::new(crate::Config::new(settings(100)).unwrap());
    assert!(!idle.begin_at_once(soon()));
    let (mut active, now) = active(settings(100));
    assert!(!active.begin_at_once(now));
    active.stop(now);
    actions(&mut active);
    assert!(!active.begin_at_once(now));
    let mut owner = started(settings(255));
    actions(&mut owner);
    assert!(!owner.begin_at_once(soon()), "it is on its way already");

    let mut flaps = backup(settings(100));
    flaps.hold_off(soon());
    assert!(!flaps.begin_at_once(soon() - MOMENT));
    assert!(flaps.begin_at_once(soon()));
    flaps.handle_hold_failed(soon());
    actions(&mut flaps);
    assert!(!flaps.begin_at_once(soon() + MOMENT), "the kernel has just refused");
    assert_eq!(actions(&mut flaps), []);
    let (mut told, mut refused) = (backup(settings(100)), backup(settings(100)));
    told.handle_numbered(&holds(10, 200), Some(7), start()).unwrap();
    assert!(told.handle_assist(host(10), 7, 0, soon()) && !told.begin_at_once(soon()));
    refused.fault();
    actions(&mut refused);
    assert!(!refused.begin_at_once(soon()));
}

#[test]
fn a_late_conflict_is_obeyed() {
    let mut router = backup(settings(100));
    router.begin_at_once(soon());
    actions(&mut router);
    assert_eq!(hear(&mut router, &holds(10, 200), soon()), [Action::Release], "before anything was said");
    assert_eq!((router.role(), router.active_source()), (Role::Backup, Some(host(10))));

    let mut router = backup(settings(100));
    router.begin_at_once(soon());
    router.handle_held(soon());
    actions(&mut router);
    let done = hear(&mut router, &holds(10, 200), soon());
    let yields = report(Role::Active, Role::Backup, Reason::HigherPriorityHeard);
    assert_eq!(done, [Action::Hush, Action::Concede(interval(1_000)), Action::HandOver, yields]);
}
