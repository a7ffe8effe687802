//! Backup (RFC 9568 §6.4.2), and the way from it to Active.

use super::support::*;
use crate::{Action, Family, Reason, Refusal, Role, Settings, Version, Vrid};

#[test]
fn a_backup_takes_over_once_the_active_router_falls_silent() {
    let mut router = backup(settings(100));
    assert_eq!(hear(&mut router, &holds(10, 200), start()), []);

    let takeover_at = router.poll_timeout().unwrap();
    assert_eq!(takeover_at, start() + std::time::Duration::from_micros(3_609_375), "3 s + 156/256 s");
    router.handle_timeout(takeover_at - MOMENT);
    assert_eq!(actions(&mut router), [], "a moment early is too early");

    router.handle_timeout(takeover_at);
    assert_eq!(actions(&mut router), [Action::Hold], "nothing is sent before the addresses are held");
    assert_eq!((router.role(), router.poll_timeout()), (Role::Backup, None));

    let held_at = takeover_at + milliseconds(2);
    router.handle_held(held_at);
    let became_active = report(Role::Backup, Role::Active, Reason::NoResponse);
    assert_eq!(actions(&mut router), [advertise(100), Action::Announce, became_active]);
    assert_eq!(router.poll_timeout(), Some(held_at + SECOND), "Adver_Timer");
}

#[test]
fn a_router_that_hears_nobody_takes_over_by_its_own_interval() {
    let router = backup(Settings { interval: interval(100), ..settings(100) });
    assert_eq!(router.poll_timeout(), Some(start() + std::time::Duration::from_nanos(360_937_500)));
    assert_eq!((router.active_source(), router.last_heard()), (None, None));
}

#[test]
fn the_skew_is_exact_at_both_ends_of_the_range() {
    let skew = |number, ms| {
        let config = crate::Config::new(settings(number)).unwrap();
        config.skew_time(interval(ms)).as_nanos()
    };
    assert_eq!(skew(1, 40_950), 40_950_000_000 * 255 / 256);
    assert_eq!(skew(254, 10), 10_000_000 * 2 / 256);
    assert_eq!(skew(255, 1_000), 3_906_250, "even an owner's is not 0");
}

#[test]
fn version_2_counts_its_skew_in_seconds_whatever_the_interval() {
    let settings = Settings { version: Version::V2, interval: interval(3_000), ..settings(100) };
    let router = backup(settings);
    assert_eq!(router.poll_timeout(), Some(start() + milliseconds(9_000) + SECOND * 156 / 256));
}

#[test]
fn a_backup_goes_by_the_interval_that_the_active_router_advertises() {
    let mut router = backup(settings(128));
    let mut advertisement = holds(10, 200);
    advertisement.interval = interval(100);
    hear(&mut router, &advertisement, start());

    assert_eq!(router.active_down_interval(), milliseconds(350), "3 × 100 ms + 128/256 × 100 ms");
    assert_eq!(router.poll_timeout(), Some(start() + milliseconds(350)));
}

#[test]
fn a_backup_waits_behind_an_equal_priority_whatever_the_addresses() {
    for last in [OUR_HOST - 1, OUR_HOST + 1] {
        let mut router = backup(settings(100));
        let now = start() + SECOND;
        hear(&mut router, &holds(last, 100), now);
        assert_eq!(router.poll_timeout(), Some(now + router.active_down_interval()), "from {last}");
        assert_eq!(router.active_source(), Some(host(last)));
    }
}

#[test]
fn a_preempting_backup_lets_its_deadline_come() {
    let mut router = backup(settings(100));
    let deadline = router.poll_timeout().unwrap();
    for number in 0..4 {
        hear(&mut router, &holds(10, 99), start() + SECOND * number);
    }
    assert_eq!(router.poll_timeout(), Some(deadline), "not rearmed");
    assert_eq!(router.preempts_from(), None, "nothing is put off");

    router.handle_timeout(deadline);
    router.handle_held(deadline);
    assert_eq!(
        actions(&mut router).last(),
        Some(&report(Role::Backup, Role::Active, Reason::Preempting)),
        "the other was alive to the end"
    );
}

#[test]
fn an_outranked_router_that_died_before_the_deadline_was_not_preempted() {
    let mut router = backup(settings(100));
    let deadline = router.poll_timeout().unwrap();
    hear(&mut router, &holds(10, 99), start() + SECOND);
    router.handle_timeout(deadline);
    router.handle_held(deadline);
    let reported = actions(&mut router).pop();
    assert_eq!(reported, Some(report(Role::Backup, Role::Active, Reason::NoResponse)));
}

#[test]
fn a_backup_that_does_not_preempt_waits_behind_anyone() {
    let mut router = backup(Settings { preempt: false, ..settings(200) });
    let now = start() + SECOND;
    hear(&mut router, &holds(10, 1), now);
    assert_eq!(router.poll_timeout(), Some(now + router.active_down_interval()));
}

#[test]
fn an_owner_preempts_even_when_told_not_to() {
    let config = crate::Config::new(Settings { preempt: false, ..settings(255) }).unwrap();
    assert!(config.preempts());
}

#[test]
fn a_resignation_leaves_only_the_skew_to_wait() {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 200), start());
    let now = start() + milliseconds(400);
    assert_eq!(hear(&mut router, &resigns(10), now), []);
    assert_eq!(router.poll_timeout(), Some(now + SECOND * 156 / 256));
    assert_eq!(router.active_source(), None, "nobody to wait behind");

    let deadline = router.poll_timeout().unwrap();
    router.handle_timeout(deadline);
    router.handle_held(deadline);
    let reported = actions(&mut router).pop();
    assert_eq!(reported, Some(report(Role::Backup, Role::Active, Reason::PriorityZero)));
}

#[test]
fn repeating_a_resignation_does_not_start_the_skew_anew() {
    let mut router = backup(settings(100));
    hear(&mut router, &resigns(10), start());
    let deadline = router.poll_timeout();
    hear(&mut router, &resigns(10), start() + milliseconds(300));
    hear(&mut router, &resigns(10), start() + milliseconds(600));
    assert_eq!(router.poll_timeout(), deadline);
}

#[test]
fn a_successor_that_is_heard_after_a_resignation_is_waited_behind() {
    let mut router = backup(settings(100));
    hear(&mut router, &resigns(10), start());
    let now = start() + milliseconds(300);
    hear(&mut router, &holds(11, 150), now);
    assert_eq!(router.poll_timeout(), Some(now + router.active_down_interval()));
    assert_eq!(router.active_source(), Some(host(11)));
}

#[test]
fn a_takeover_is_called_off_when_the_active_router_is_heard_in_time() {
    let mut router = backup(settings(100));
    let deadline = router.poll_timeout().unwrap();
    router.handle_timeout(deadline);
    assert_eq!(actions(&mut router), [Action::Hold]);
    assert!(router.wants_addresses());

    assert_eq!(
        hear(&mut router, &holds(10, 200), deadline),
        [Action::Release],
        "nothing was said, nothing to report"
    );
    assert!(!router.wants_addresses());
    router.handle_held(deadline);
    assert_eq!(actions(&mut router), [], "an answer that came too late");
    assert_eq!(router.poll_timeout(), Some(deadline + router.active_down_interval()));
}

#[test]
fn a_takeover_goes_on_whatever_an_outranked_or_resigning_router_says() {
    let mut router = backup(settings(100));
    let deadline = router.poll_timeout().unwrap();
    router.handle_timeout(deadline);
    actions(&mut router);
    assert_eq!(hear(&mut router, &holds(10, 99), deadline), []);
    assert_eq!(hear(&mut router, &resigns(10), deadline), []);
    router.handle_held(deadline);
    assert_eq!(router.role(), Role::Active);
}

#[test]
fn addresses_that_cannot_be_held_leave_no_trace_on_the_wire() {
    let mut router = backup(settings(100));
    let deadline = router.poll_timeout().unwrap();
    router.handle_timeout(deadline);
    router.handle_hold_failed(deadline);
    assert_eq!(actions(&mut router), [Action::Hold, Action::Release]);
    assert_eq!(router.role(), Role::Backup);
}

#[test]
fn each_failure_to_hold_doubles_the_wait_up_to_half_a_minute() {
    let mut router = backup(Settings { interval: interval(10), ..settings(254) });
    let mut waits = Vec::new();
    for _ in 0..7 {
        let now = router.poll_timeout().unwrap();
        router.handle_timeout(now);
        router.handle_hold_failed(now);
        waits.push(router.poll_timeout().unwrap().saturating_duration_since(now).as_secs());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);

    let now = router.poll_timeout().unwrap();
    router.handle_timeout(now);
    router.handle_held(now);
    router.handle_hold_failed(now);
    let wait = router.poll_timeout().unwrap().saturating_duration_since(now);
    assert_eq!(wait, SECOND, "success is forgotten failure");
}

#[test]
fn an_advertisement_for_another_virtual_router_changes_nothing_and_is_named() {
    let mut router = backup(settings(100));
    let before = router.poll_timeout();
    let now = start() + SECOND;

    let mut other_vrid = holds(10, 200);
    other_vrid.vrid = Vrid::new(8).unwrap();
    let mut other_version = holds(10, 200);
    other_version.version = Version::V2;
    let mut other_family = holds(10, 200);
    other_family.family = Family::Ipv6;
    let others = [(other_vrid, "vrid"), (other_version, "version"), (other_family, "family")];
    for (advertisement, cause) in others {
        let refusal = router.handle_advertisement(&advertisement, now).unwrap_err();
        assert_eq!(refusal.cause().as_str(), cause);
    }
    assert_eq!((router.poll_timeout(), router.last_heard()), (before, None));
}

#[test]
fn only_version_2_minds_another_interval() {
    let mut advertisement = holds(10, 200);
    advertisement.interval = interval(2_000);
    assert_eq!(backup(settings(100)).handle_advertisement(&advertisement, start()), Ok(()));

    advertisement.version = Version::V2;
    let mut router = backup(Settings { version: Version::V2, ..settings(100) });
    let refusal = router.handle_advertisement(&advertisement, start());
    assert_eq!(refusal, Err(Refusal::Interval { heard: interval(2_000), ours: interval(1_000) }));
}

#[test]
fn another_address_list_is_no_reason_to_ignore_a_router() {
    for version in [Version::V3, Version::V2] {
        let mut router = backup(Settings { version, ..settings(100) });
        let mut advertisement = holds(10, 200);
        advertisement.version = version;
        advertisement.addresses = vec![host(101)];
        hear(&mut router, &advertisement, start() + SECOND);
        assert_eq!(router.active_source(), Some(host(10)), "version {version}");
    }
}

#[test]
fn an_edit_of_the_priority_moves_the_deadline_by_the_difference_of_the_skews() {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 200), start());
    for later in [1_000, 2_000, 3_000] {
        let edited = crate::Config::new(settings(228)).unwrap();
        router.reconfigure(edited, start() + milliseconds(later)).unwrap();
        assert_eq!(router.poll_timeout(), Some(start() + milliseconds(3_000) + SECOND * 28 / 256));
    }
    assert_eq!(actions(&mut router), [], "a Backup is silent");
}

#[test]
fn an_edit_that_raises_the_priority_above_the_active_router_moves_the_address() {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 200), start());
    router.reconfigure(crate::Config::new(settings(201)).unwrap(), start()).unwrap();
    for number in 1..=3 {
        hear(&mut router, &holds(10, 200), start() + SECOND * number);
    }
    let deadline = router.poll_timeout().unwrap();
    assert_eq!(
        deadline,
        start() + milliseconds(3_000) + SECOND * 55 / 256,
        "one Active_Down_Interval, no more"
    );
}

#[test]
fn a_backup_with_a_preempt_delay_waits_behind_a_lower_priority_until_it_is_over() {
    let delayed = Settings { preempt_delay: milliseconds(10_000), ..settings(100) };
    let mut router = backup(delayed);
    assert_eq!(router.preempts_from(), None);
    let first_heard = start() + SECOND;
    for second in 0..10 {
        let now = first_heard + SECOND * second;
        hear(&mut router, &holds(10, 99), now);
        assert_eq!(router.poll_timeout(), Some(now + router.active_down_interval()), "after {second} s");
        assert_eq!(router.preempts_from(), Some(first_heard + SECOND * 10));
    }
    let last_obeyed = first_heard + SECOND * 9;
    hear(&mut router, &holds(10, 99), first_heard + SECOND * 10);
    let deadline = last_obeyed + router.active_down_interval();
    assert_eq!(router.poll_timeout(), Some(deadline), "from now on it is let to come");

    hear(&mut router, &holds(10, 99), deadline - MOMENT);
    router.handle_timeout(deadline);
    router.handle_held(deadline);
    assert_eq!(actions(&mut router).last(), Some(&report(Role::Backup, Role::Active, Reason::Preempting)));
}

#[test]
fn a_preempt_delay_is_no_reason_to_wait_for_a_dead_router() {
    let mut router = backup(Settings { preempt_delay: milliseconds(60_000), ..settings(100) });
    let now = start() + SECOND;
    hear(&mut router, &holds(10, 99), now);
    let deadline = now + router.active_down_interval();
    assert_eq!(router.poll_timeout(), Some(deadline));
    hear(&mut router, &resigns(10), now + SECOND);
    assert!(router.poll_timeout().unwrap() < now + SECOND * 2, "nor for one that resigned");
}

#[test]
fn a_preempt_delay_starts_anew_behind_a_better_router() {
    let mut router = backup(Settings { preempt_delay: milliseconds(2_000), ..settings(100) });
    hear(&mut router, &holds(10, 99), start());
    hear(&mut router, &holds(11, 200), start() + SECOND);
    assert_eq!(router.preempts_from(), None);
    hear(&mut router, &holds(10, 99), start() + SECOND * 2);
    assert_eq!(router.preempts_from(), Some(start() + SECOND * 4));
}

#[test]
fn a_preempt_delay_means_nothing_to_a_backup_that_is_told_to_preempt_no_longer() {
    let delayed = Settings { preempt_delay: milliseconds(60_000), ..settings(100) };
    let mut router = backup(delayed.clone());
    hear(&mut router, &holds(10, 99), start());
    assert_eq!(router.preempts_from(), Some(start() + SECOND * 60));
    router.reconfigure(crate::Config::new(Settings { preempt: false, ..delayed }).unwrap(), start()).unwrap();
    assert_eq!(router.preempts_from(), None);
}

#[test]
fn an_owner_does_not_wait_for_a_preempt_delay() {
    let mut router = started(Settings { preempt_delay: milliseconds(60_000), ..settings(255) });
    assert_eq!(actions(&mut router), [Action::Hold]);
    assert_eq!(router.config().preempt_delay(), milliseconds(0));
}
