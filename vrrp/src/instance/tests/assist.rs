//! The word that the Active router has let go, come by another way than the LAN.

use super::support::*;
use crate::{Action, Instance, Instant, Reason, Role, Settings};

/// Backup behind router 10 of priority 200, whose last advertisement, at [`start`], bore this number.
fn behind(sequence: u16) -> Instance {
    let mut router = backup(settings(100));
    router.handle_numbered(&holds(10, 200), Some(sequence), start()).unwrap();
    actions(&mut router);
    router
}

/// Shortly after [`start`].
fn soon() -> Instant {
    start() + milliseconds(100)
}

#[test]
fn a_backup_takes_over_in_the_order_of_its_rank_and_says_why() {
    for rank in 0..4_u32 {
        let mut router = behind(7);
        assert!(router.handle_assist(host(10), 7, rank, soon()));
        let deadline = soon() + milliseconds(10) * rank;
        assert_eq!(router.poll_timeout(), Some(deadline));
        router.handle_timeout(deadline);
        assert_eq!(actions(&mut router), [Action::Hold]);
        router.handle_held(deadline);
        let took_over = report(Role::Backup, Role::Active, Reason::Assist);
        assert_eq!(actions(&mut router).last(), Some(&took_over));
    }
}

#[test]
fn the_last_advertisements_may_have_been_lost_but_only_two() {
    for (heard, said, obeyed) in [
        (7, 7, true),
        (7, 8, true),
        (7, 9, true),
        (7, 10, false),
        (7, 6, false),
        (u16::MAX, 1, true),
        (u16::MAX, 2, false),
        (1, u16::MAX, false),
    ] {
        let mut router = behind(heard);
        let before = router.poll_timeout();
        assert_eq!(router.handle_assist(host(10), said, 0, soon()), obeyed, "heard {heard}, said {said}");
        assert_eq!(router.poll_timeout() == before, !obeyed);
    }
}

#[test]
fn nobody_else_s_word_counts_and_none_about_a_router_that_was_not_the_last_one_heard() {
    let mut router = behind(7);
    let before = router.poll_timeout();
    assert!(!router.handle_assist(host(11), 7, 0, soon()), "another router");
    hear(&mut router, &holds(11, 50), start());
    assert!(!router.handle_assist(host(10), 7, 0, soon()), "another one was heard since");
    assert_eq!(router.poll_timeout(), before);

    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 200), start());
    assert!(!router.handle_assist(host(10), 0, 0, soon()), "its packets bear no number that can be told");
    router.handle_numbered(&resigns(10), Some(7), start()).unwrap();
    assert!(!router.handle_assist(host(10), 7, 0, soon()), "it has said so itself");
}

#[test]
fn only_a_backup_obeys() {
    let (mut router, now) = active(settings(100));
    router.handle_numbered(&holds(10, 50), Some(7), now).unwrap();
    actions(&mut router);
    assert!(!router.handle_assist(host(10), 7, 0, now));
    router.stop(now);
    assert!(!router.handle_assist(host(10), 7, 0, now));
    let mut idle = Instance::new(crate::Config::new(settings(100)).unwrap());
    idle.handle_numbered(&holds(10, 200), Some(7), start()).unwrap();
    assert!(!idle.handle_assist(host(10), 7, 0, start()));
    assert_eq!(idle.role(), Role::Initialize);
}

#[test]
fn whoever_is_heard_to_hold_the_addresses_afterwards_ends_it() {
    for (last, priority) in [(10, 200), (11, 220), (11, 50)] {
        let mut router = behind(7);
        let before = router.poll_timeout().unwrap();
        assert!(router.handle_assist(host(10), 7, 3, soon()));
        hear(&mut router, &holds(last, priority), soon());
        let obeyed = if priority < 100 { before } else { soon() + router.active_down_interval() };
        assert_eq!(router.poll_timeout(), Some(obeyed), "{last} with {priority}");
    }
}

#[test]
fn saying_it_again_or_later_puts_nothing_off_and_it_never_makes_a_backup_slower() {
    let mut router = behind(7);
    assert!(router.handle_assist(host(10), 7, 1, soon()));
    assert!(router.handle_assist(host(10), 7, 9, soon()));
    assert_eq!(router.poll_timeout(), Some(soon() + milliseconds(10)));

    let mut router = behind(7);
    let deadline = router.poll_timeout().unwrap();
    assert!(router.handle_assist(host(10), 7, 5_000, soon()));
    assert_eq!(router.poll_timeout(), Some(deadline));
}

#[test]
fn the_rank_counts_who_would_win_and_an_unknown_address_among_equals_does() {
    let router = backup(settings(100));
    let others = [(101, Some(10)), (100, Some(21)), (100, Some(19)), (100, None), (99, Some(30)), (99, None)];
    let others = others.map(|(number, last)| (priority(number), last.map(host)));
    assert_eq!(router.config().rank(others), 3);
    assert_eq!(router.config().rank([]), 0);
}

#[test]
fn a_router_that_is_held_off_preempts_nobody_until_then_but_replaces_who_falls_silent() {
    let mut router = backup(Settings { preempt_delay: milliseconds(10), ..settings(100) });
    let until = start() + SECOND * 20;
    router.hold_off(until);
    let mut now = start();
    while now < until {
        hear(&mut router, &holds(10, 50), now);
        assert!(router.poll_timeout().unwrap() > now + SECOND);
        assert_eq!(router.preempts_from(), Some(until));
        now += SECOND;
    }
    hear(&mut router, &holds(10, 50), until);
    let deadline = until - SECOND + router.active_down_interval();
    assert_eq!(router.poll_timeout(), Some(deadline), "by then it is not put off any more");

    let mut router = backup(settings(100));
    router.hold_off(start() + SECOND * 600);
    hear(&mut router, &holds(10, 50), start());
    assert_eq!(router.poll_timeout(), Some(start() + router.active_down_interval()));
    hear(&mut router, &resigns(10), start() + SECOND);
    assert!(router.poll_timeout().unwrap() < start() + SECOND * 2);
}
