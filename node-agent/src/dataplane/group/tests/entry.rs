//! A member with a `pre_active` hook.

use api_types::hook::{HookTimeout, PreActive};

use super::*;
use crate::messages::Entrance;

fn gated() -> DesiredGroup {
    let timeout_ms = HookTimeout::try_from(1_000).unwrap();
    let pre_active = PreActive { hook: "commit".parse().unwrap(), timeout_ms };
    DesiredGroup { pre_active: Some(pre_active), ..desired(240) }
}

/// A group that has become Active at 308 ms and waits for its hook.
fn waiting() -> Group {
    let mut group = Group::new(0, gated(), at(0));
    let mut effects = Effects::default();
    group.set_footing(Ok(FOOTING), at(0), &mut effects);
    group.handle_timeout(at(307), &mut effects);
    let Some((0, Want::Hold(wish))) = effects.wishes.pop() else { panic!("{effects:?}") };
    assert_eq!(wish.closed, group.entry_key(), "nothing is bound before it is silenced");
    let mut effects = Effects::default();
    group.handle_held(at(308), &mut effects);
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::from_octet(240)))], "nobody else takes over");
    assert_eq!((effects.announcements.as_slice(), group.announcement()), ([].as_slice(), None));
    assert!(group.is_closed() && effects.news && group.state() == State::Active);
    let since_boottime_ns = clock::nanoseconds(at(308));
    assert_eq!(group.entrance(), Some(Entrance { attempt: 1, since_boottime_ns, open: false }));
    group
}

/// The hook has succeeded at 400 ms, and the kernel lets the addresses speak at 410 ms.
fn entered() -> Group {
    let mut group = waiting();
    let mut effects = Effects::default();
    group.handle_entrance(1, Ok(()), at(400), &mut effects);
    assert!(effects.entry && !group.is_closed() && group.announcement().is_none());
    assert!(matches!(effects.wishes.as_slice(), [(0, Want::Hold(Wish { closed: None, .. }))]), "{effects:?}");
    let mut effects = Effects::default();
    group.follow_entry_fence(false, None, at(405), &mut effects);
    assert!(effects.announcements.is_empty(), "the kernel still silences it");
    group.follow_entry_fence(true, None, at(410), &mut effects);
    assert_eq!(effects.announcements, [0]);
    assert!(group.announcement().is_some() && group.entrance().is_none());
    group
}

#[test]
fn a_member_is_heard_of_once_its_hook_has_succeeded() {
    let mut group = entered();
    group.handle_announced(Some(at(411)));
    let taken: Vec<_> = group.take_transitions();
    let active = taken.last().expect("it became Active");
    assert_eq!(
        (active.to, active.announced_at_boottime_ns),
        (State::Active, Some(clock::nanoseconds(at(411))))
    );
}

#[test]
fn a_hook_that_fails_or_says_nothing_makes_the_member_resign_and_try_again() {
    let fails = |group: &mut Group, effects: &mut Effects| {
        group.handle_entrance(1, Err("exit status 3".to_owned()), at(400), effects);
    };
    // 308 ms, 1 s for the hook, 2 s to hear of it.
    let is_late = |group: &mut Group, effects: &mut Effects| group.handle_timeout(at(3_308), effects);
    for (fail, detail) in [
        (&fails as &dyn Fn(&mut Group, &mut Effects), "exit status 3"),
        (&is_late, "nobody has said in time how it went"),
    ] {
        let mut group = waiting();
        let mut effects = Effects::default();
        fail(&mut group, &mut effects);
        assert!(effects.advertisements.contains(&(0, Claim::Resigns.into())), "{effects:?}");
        assert_eq!(effects.wishes.last(), Some(&(0, Want::Nothing)));
        assert_eq!(
            group.fault().map(|fault| fault.describe("eth0")).unwrap(),
            format!("the pre_active hook has failed: {detail}")
        );
        assert!(group.is_closed() && group.entrance().is_none() && group.state() == State::Fault);
        group.handle_released(at(3_310), &mut effects);
        let last = reasons(&mut group).pop().unwrap();
        assert_eq!(last, (State::Fault, TransitionReason::PreActiveFailed));

        let again = group.poll_timeout().expect("it tries again");
        group.handle_timeout(again, &mut effects);
        group.handle_held(again, &mut effects);
        assert_eq!(group.entrance().map(|entrance| entrance.attempt), Some(2));
        assert_eq!(group.state(), State::Active);
    }
}

#[test]
fn only_the_answer_to_the_present_attempt_counts() {
    let mut group = waiting();
    for attempt in [0, 2] {
        let mut effects = Effects::default();
        group.handle_entrance(attempt, Ok(()), at(400), &mut effects);
        group.handle_entrance(attempt, Err("late".to_owned()), at(400), &mut effects);
        assert!(group.is_closed() && group.state() == State::Active && effects.wishes.is_empty());
    }
    let mut effects = Effects::default();
    group.handle_advertisement(&advertisement(250), None, at(500), &mut effects).unwrap();
    assert_eq!(group.entrance(), None, "another is Active now");
    group.handle_entrance(1, Ok(()), at(501), &mut effects);
    assert!(group.is_closed());
}

#[test]
fn rules_that_cannot_be_taken_away_are_a_failure_too() {
    let mut group = waiting();
    let mut effects = Effects::default();
    group.handle_entrance(1, Ok(()), at(400), &mut effects);
    group.follow_entry_fence(false, Some("no nft"), at(410), &mut effects);
    assert_eq!(group.state(), State::Fault);
}

#[test]
fn who_has_let_go_begins_anew() {
    let mut group = entered();
    let mut effects = Effects::default();
    group.handle_advertisement(&advertisement(250), None, at(500), &mut effects).unwrap();
    assert!(!group.is_closed(), "it answers until the successor does");
    let mut effects = Effects::default();
    group.handle_released(at(510), &mut effects);
    assert!(group.is_closed() && effects.entry);
}

#[test]
fn a_worker_goes_on_where_another_has_come_to() {
    for entered in [true, false] {
        let mut group = Group::new(0, gated(), at(0));
        let mut effects = Effects::default();
        let slot = crate::shared_memory::Slot { entered, ..left(at(0), at(0)) };
        group.adopt(FOOTING, &slot, None, at(50), &mut effects);
        assert_eq!(group.is_closed(), !entered);
        assert_eq!(group.entrance().is_some(), !entered, "the hook that nobody heard of runs again");
    }
}

#[test]
fn a_hook_that_comes_or_goes_while_it_is_active_silences_nobody() {
    let mut group = active();
    let mut effects = Effects::default();
    group.change(gated(), Ok(FOOTING), at(400), &mut effects);
    assert!(!group.is_closed() && group.entrance().is_none());

    let mut group = waiting();
    let mut effects = Effects::default();
    group.change(desired(240), Ok(FOOTING), at(400), &mut effects);
    assert!(!group.is_closed() && group.announcement().is_some() && effects.announcements == [0]);
}

#[test]
fn a_member_whose_hook_fails_leaves_alone_who_serves_for_ever_longer() {
    let mut group = waiting();
    let mut now = 400;
    for held_off in [5_000, 10_000, 20_000] {
        let attempt = group.entrance().expect("it waits").attempt;
        let mut effects = Effects::default();
        group.handle_entrance(attempt, Err("exit status 3".to_owned()), at(now), &mut effects);
        group.handle_released(at(now), &mut effects);
        let until = now + held_off;
        while now + 100 < until {
            now += 100;
            group.handle_advertisement(&advertisement(100), None, at(now), &mut effects).unwrap();
            group.handle_timeout(at(now), &mut effects);
            assert!(!group.wants_addresses(), "{now}: it preempts nobody before {until}");
        }
        // The other one is still heard, and is preempted after an Active_Down_Interval.
        let begun = now;
        while !group.wants_addresses() {
            assert!(now < begun + 2_000, "it never tries again");
            now += 50;
            if now % 100 == 0 {
                group.handle_advertisement(&advertisement(100), None, at(now), &mut effects).unwrap();
            }
            group.handle_timeout(at(now), &mut effects);
        }
        group.handle_held(at(now), &mut effects);
    }
}
