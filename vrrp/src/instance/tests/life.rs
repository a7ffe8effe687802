//! Starting, adopting, stopping, and calls that do not fit the state.

use super::support::*;
use crate::{Action, Claim, Config, DifferentRouter, Instance, Reason, Role, Settings, Version, Vrid};

#[test]
fn an_owner_becomes_active_as_soon_as_its_addresses_are_seen_to_be_there() {
    let mut router = started(settings(255));
    assert_eq!((actions(&mut router), router.role()), (vec![Action::Hold], Role::Initialize));
    router.handle_held(start());
    let became_active = report(Role::Initialize, Role::Active, Reason::OwnerStarted);
    assert_eq!(actions(&mut router), [advertise(255), Action::Announce, became_active]);
}

#[test]
fn an_owner_whose_addresses_are_missing_waits_as_backup() {
    let mut router = started(settings(255));
    router.handle_hold_failed(start());
    let fell_back = report(Role::Initialize, Role::Backup, Reason::HoldFailed);
    assert_eq!(actions(&mut router), [Action::Hold, Action::Release, fell_back]);
    assert!(router.poll_timeout().unwrap() >= start() + SECOND);
}

#[test]
fn a_failure_that_is_forgotten_delays_the_next_attempt_no_longer() {
    let mut router = backup(Settings { interval: interval(100), ..settings(100) });
    let deadline = router.poll_timeout().unwrap();
    router.handle_timeout(deadline);
    router.handle_hold_failed(deadline);
    assert_eq!(router.poll_timeout(), Some(deadline + SECOND));
    router.forget_failure();
    assert_eq!(router.poll_timeout(), Some(deadline + router.active_down_interval()));
}

#[test]
fn an_owner_returns_while_a_backup_holds_its_address() {
    let mut router = started(settings(255));
    assert_eq!(hear(&mut router, &holds(10, 254), start()), [Action::Hold], "it is not impressed");
    router.handle_held(start());
    assert_eq!(router.role(), Role::Active);
}

#[test]
fn an_edit_does_not_cut_short_how_long_an_owner_waits_for_its_missing_addresses() {
    let mut router = started(settings(255));
    router.handle_hold_failed(start());
    actions(&mut router);
    let edited = Settings { interval: interval(100), ..settings(255) };
    router.reconfigure(Config::new(edited).unwrap(), start()).unwrap();
    assert_eq!(actions(&mut router), []);
    assert_eq!(router.poll_timeout(), Some(start() + SECOND));
}

#[test]
fn a_takeover_asks_anew_when_the_set_of_addresses_changes() {
    let mut router = backup(settings(100));
    let deadline = router.poll_timeout().unwrap();
    router.handle_timeout(deadline);
    assert_eq!(actions(&mut router), [Action::Hold]);
    let edited = Settings { addresses: vec![host(101)], ..settings(100) };
    router.reconfigure(Config::new(edited).unwrap(), deadline).unwrap();
    assert_eq!(actions(&mut router), [Action::Hold]);
}

#[test]
fn a_takeover_goes_on_through_an_edit_that_leaves_the_addresses_alone() {
    for (number, role) in [(100, Role::Backup), (255, Role::Initialize)] {
        let mut router = started(settings(number));
        let now = router.poll_timeout().unwrap_or(start());
        router.handle_timeout(now);
        assert_eq!(actions(&mut router).last(), Some(&Action::Hold));
        let edited = Settings { interval: interval(100), ..settings(number) };
        router.reconfigure(Config::new(edited).unwrap(), now).unwrap();
        assert_eq!((actions(&mut router), router.role()), (vec![], role), "nothing to ask for anew");
        router.handle_held(now);
        assert_eq!(router.role(), Role::Active);
    }
}

#[test]
fn a_backup_that_is_made_the_owner_takes_over_at_once() {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 200), start());
    router.reconfigure(Config::new(settings(255)).unwrap(), start()).unwrap();
    assert_eq!(actions(&mut router), [Action::Hold]);
}

#[test]
fn a_second_start_changes_nothing_in_any_state() {
    let taking_over = {
        let mut router = backup(settings(100));
        router.handle_timeout(router.poll_timeout().unwrap());
        router
    };
    let leaving = {
        let (mut router, now) = active(settings(100));
        router.stop(now);
        router
    };
    let states =
        [backup(settings(100)), taking_over, active(settings(100)).0, active(settings(255)).0, leaving];
    for mut router in states {
        actions(&mut router);
        let before = (router.role(), router.wants_addresses(), router.poll_timeout());
        router.start(start() + SECOND);
        assert_eq!(actions(&mut router), [], "{before:?}");
        assert_eq!((router.role(), router.wants_addresses(), router.poll_timeout()), before);
    }
}

#[test]
fn a_restarted_worker_goes_on_where_its_predecessor_left_off() {
    let mut router = Instance::new(Config::new(settings(100)).unwrap());
    router.adopt(start(), start() - milliseconds(300));
    assert_eq!(
        (actions(&mut router), router.role()),
        (vec![], Role::Active),
        "nothing has changed for anyone"
    );
    assert_eq!(router.poll_timeout(), Some(start() + milliseconds(700)));
    hear(&mut router, &holds(OUR_HOST, 100), start());
    assert_eq!(router.last_heard(), None, "what its predecessor sent is its own");
}

#[test]
fn a_restarted_worker_that_is_late_advertises_at_once() {
    let mut router = Instance::new(Config::new(settings(100)).unwrap());
    router.adopt(start(), start() - milliseconds(1_300));
    assert_eq!(actions(&mut router), [advertise(100)]);
    assert_eq!(router.poll_timeout(), Some(start() + SECOND));
}

#[test]
fn a_restarted_worker_announces_from_time_to_time_as_its_predecessor_did() {
    let refresh = Some(milliseconds(2_500));
    let mut router = Instance::new(Config::new(Settings { refresh, ..settings(100) }).unwrap());
    router.adopt(start(), start());
    let mut announced = Vec::new();
    for _ in 0..7 {
        let now = router.poll_timeout().unwrap();
        router.handle_timeout(now);
        announced
            .extend(actions(&mut router).into_iter().filter(|done| *done == Action::Announce).map(|_| now));
    }
    assert_eq!(announced, [2_500, 5_000].map(|later| start() + milliseconds(later)));
}

#[test]
fn a_worker_is_not_silent_because_its_predecessor_named_a_time_to_come() {
    let mut router = Instance::new(Config::new(settings(100)).unwrap());
    router.adopt(start(), start() + SECOND * 3_600);
    assert_eq!(router.poll_timeout(), Some(start() + SECOND));
    assert_eq!(
        hear(&mut router, &holds(OUR_HOST, 100), start()),
        [],
        "it may be the predecessor's, come back"
    );
    assert_eq!(router.last_heard(), None);
}

#[test]
fn a_worker_that_adopts_after_an_age_advertises_once() {
    let mut router = Instance::new(Config::new(settings(100)).unwrap());
    router.adopt(start(), crate::Instant::ORIGIN);
    assert_eq!(actions(&mut router), [advertise(100)]);
    assert_eq!(router.poll_timeout(), Some(start() + SECOND));
}

#[test]
fn an_owner_that_is_made_another_before_it_took_over_listens_first() {
    let mut router = started(settings(255));
    assert_eq!(actions(&mut router), [Action::Hold]);
    let now = start() + milliseconds(5);
    router.reconfigure(Config::new(settings(100)).unwrap(), now).unwrap();
    let fell_back = report(Role::Initialize, Role::Backup, Reason::Started);
    assert_eq!(actions(&mut router), [Action::Release, fell_back]);
    router.handle_held(now);
    assert_eq!(actions(&mut router), [], "an answer that came too late");
    assert_eq!(router.poll_timeout(), Some(now + router.active_down_interval()));
}

#[test]
fn an_active_router_that_becomes_the_owner_or_is_one_no_longer_asks_for_the_addresses_anew() {
    for (before, after) in [(100, 255), (255, 100)] {
        let (mut router, now) = active(settings(before));
        router.reconfigure(Config::new(settings(after)).unwrap(), now).unwrap();
        assert_eq!(actions(&mut router), [Action::Hold, advertise(after)]);
        router.handle_hold_failed(now);
        assert_eq!(router.role(), Role::Backup, "from {before} to {after}");
    }
}

#[test]
fn a_backup_stops_at_once_and_without_a_word() {
    let mut router = backup(settings(100));
    router.stop(start());
    assert_eq!(actions(&mut router), [report(Role::Backup, Role::Initialize, Reason::Stopped)]);
    assert_eq!(router.poll_timeout(), None);
}

#[test]
fn a_takeover_that_is_stopped_is_released_without_a_word() {
    let mut router = backup(settings(100));
    let deadline = router.poll_timeout().unwrap();
    router.handle_timeout(deadline);
    actions(&mut router);
    router.stop(deadline);
    let stopped = report(Role::Backup, Role::Initialize, Reason::Stopped);
    assert_eq!(actions(&mut router), [Action::Release, stopped]);
}

#[test]
fn an_active_router_that_stops_holds_until_its_successor_is_heard() {
    let (mut router, now) = active(settings(100));
    assert!(!router.is_leaving());
    router.stop(now);
    assert_eq!((actions(&mut router), router.role()), (vec![RESIGN], Role::Active));
    assert!(router.is_leaving() && router.wants_addresses());

    let heard_at = now + milliseconds(600);
    assert_eq!(
        hear(&mut router, &holds(10, 50), heard_at),
        [Action::Hush],
        "any successor will do, and its announcement comes"
    );
    assert_eq!(router.poll_timeout(), Some(heard_at + milliseconds(20)));
    router.handle_timeout(heard_at + milliseconds(20));
    let stopped = report(Role::Active, Role::Initialize, Reason::Stopped);
    assert_eq!(actions(&mut router), [Action::Release, stopped]);
}

#[test]
fn hearing_the_successor_again_does_not_put_off_the_release() {
    let (mut router, now) = active(settings(100));
    router.stop(now);
    actions(&mut router);
    let mut done = Vec::new();
    for later in [0, 5, 10, 15] {
        done.extend(hear(&mut router, &holds(10, 50), now + milliseconds(later)));
    }
    assert_eq!(done, [Action::Hush], "it falls silent once");
    assert_eq!(router.poll_timeout(), Some(now + milliseconds(20)));
}

#[test]
fn an_active_router_without_a_successor_resigns_twice_and_releases_after_two_intervals() {
    let (mut router, now) = active(settings(100));
    router.stop(now);
    assert_eq!(actions(&mut router), [RESIGN]);
    let mut done = Vec::new();
    for _ in 0..2 {
        let deadline = router.poll_timeout().unwrap();
        router.handle_timeout(deadline);
        done.extend(actions(&mut router).into_iter().map(|action| (deadline, action)));
    }
    let stopped = report(Role::Active, Role::Initialize, Reason::Stopped);
    let (second, end) = (now + SECOND, now + SECOND * 2);
    assert_eq!(done, [(second, RESIGN), (end, Action::Release), (end, stopped)]);
}

#[test]
fn neither_a_resignation_nor_our_own_echo_is_a_successor() {
    let (mut router, now) = active(settings(100));
    router.stop(now);
    actions(&mut router);
    hear(&mut router, &resigns(10), now);
    hear(&mut router, &resigns(OUR_HOST), now);
    hear(&mut router, &holds(OUR_HOST, 100), now);
    assert_eq!(router.poll_timeout(), Some(now + SECOND), "still to resign once more");
}

#[test]
fn a_heard_successor_is_not_told_of_the_resignation_again() {
    let (mut router, now) = active(Settings { interval: interval(30), ..settings(100) });
    router.stop(now);
    actions(&mut router);
    hear(&mut router, &holds(10, 50), now + milliseconds(15));
    router.handle_timeout(now + milliseconds(30));
    assert_eq!(actions(&mut router), [], "it would have been due now");
    assert_eq!(router.poll_timeout(), Some(now + milliseconds(35)));
}

#[test]
fn a_stop_ends_at_once_when_the_addresses_are_lost_meanwhile() {
    let (mut router, now) = active(settings(100));
    router.stop(now);
    actions(&mut router);
    router.handle_hold_failed(now + milliseconds(5));
    let stopped = report(Role::Active, Role::Initialize, Reason::Stopped);
    assert_eq!(actions(&mut router), [Action::Release, stopped]);
    assert_eq!(router.poll_timeout(), None);
}

#[test]
fn a_stop_that_wakes_late_finishes_in_one_step() {
    let (mut router, now) = active(settings(100));
    router.stop(now);
    actions(&mut router);
    router.handle_timeout(now + SECOND * 10);
    let stopped = report(Role::Active, Role::Initialize, Reason::Stopped);
    assert_eq!(actions(&mut router), [RESIGN, Action::Release, stopped]);
}

#[test]
fn a_fault_releases_without_a_word_and_a_start_begins_anew() {
    let (mut router, now) = active(settings(100));
    router.fault();
    let faulted = report(Role::Active, Role::Initialize, Reason::Faulted);
    assert_eq!(actions(&mut router), [Action::Release, faulted]);
    router.start(now);
    assert_eq!(actions(&mut router), [report(Role::Initialize, Role::Backup, Reason::Started)]);
    assert_eq!(router.poll_timeout(), Some(now + router.active_down_interval()));
}

#[test]
fn an_instance_that_takes_no_part_ignores_what_it_hears_but_remembers_it() {
    let mut router = Instance::new(Config::new(settings(100)).unwrap());
    for claim in [Claim::Resigns, Claim::Holds(priority(1)), Claim::Holds(priority(255))] {
        assert_eq!(hear(&mut router, &says(10, claim), start()), []);
        assert_eq!(router.last_heard().map(|heard| heard.claim), Some(claim));
    }
    assert_eq!((router.role(), router.poll_timeout()), (Role::Initialize, None));
}

#[test]
fn another_virtual_router_is_another_instance() {
    let (mut router, now) = active(settings(100));
    for other in [
        Settings { vrid: Vrid::new(8).unwrap(), ..settings(1) },
        Settings { version: Version::V2, ..settings(1) },
        settings_of_ipv6(1),
    ] {
        assert_eq!(router.reconfigure(Config::new(other).unwrap(), now), Err(DifferentRouter));
    }
    assert_eq!((actions(&mut router), router.config().priority()), (vec![], priority(100)));
}

#[test]
fn a_router_that_leaves_is_not_reconfigured() {
    let (mut router, now) = active(settings(100));
    router.stop(now);
    actions(&mut router);
    router.reconfigure(Config::new(settings(200)).unwrap(), now).unwrap();
    assert_eq!((actions(&mut router), router.config().priority()), (vec![], priority(100)));
}
