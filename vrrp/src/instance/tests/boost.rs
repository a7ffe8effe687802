//! Switchovers: who takes over at once, what it says meanwhile, and how it ends.

use super::support::*;
use crate::{Action, BoostRefused, BoostedPriority, Config, Instance, Reason, Role, Settings, Version};

fn boosted() -> BoostedPriority {
    BoostedPriority::new(254).unwrap()
}

/// Backup behind a router of priority 200 that was heard at [`start`].
fn behind(settings: Settings) -> Instance {
    let mut router = backup(settings);
    hear(&mut router, &holds(10, 200), start());
    router
}

#[test]
fn a_boosted_backup_takes_over_at_once_whatever_its_settings_say_about_preemption() {
    let reluctant = Settings { preempt: false, preempt_delay: SECOND * 60, ..settings(100) };
    for settings in [settings(100), reluctant] {
        let mut router = behind(settings);
        let now = start() + milliseconds(300);
        router.boost(boosted(), now).unwrap();
        assert_eq!(actions(&mut router), [Action::Hold]);
        router.handle_held(now);
        let took_over = report(Role::Backup, Role::Active, Reason::Switchover);
        assert_eq!(actions(&mut router), [advertise(254), Action::Announce, took_over]);
    }
}

#[test]
fn its_first_advertisement_is_repeated_after_10_and_30_milliseconds_and_the_others_stay_in_time() {
    let mut router = behind(settings(100));
    router.boost(boosted(), start()).unwrap();
    router.handle_held(start());
    actions(&mut router);
    let mut said = Vec::new();
    while said.len() < 4 {
        let now = router.poll_timeout().unwrap();
        router.handle_timeout(now);
        assert_eq!(actions(&mut router), [advertise(254)]);
        said.push(now);
    }
    assert_eq!(said, [10, 30, 1_000, 2_000].map(|later| start() + milliseconds(later)));
}

#[test]
fn what_an_interval_of_10_milliseconds_repeats_anyhow_is_not_said_twice() {
    let mut router = behind(Settings { interval: interval(10), ..settings(100) });
    router.boost(boosted(), start()).unwrap();
    router.handle_held(start());
    actions(&mut router);
    let mut said = Vec::new();
    while said.len() < 4 {
        let now = router.poll_timeout().unwrap();
        router.handle_timeout(now);
        said.extend(actions(&mut router).into_iter().map(|action| (now, action)));
    }
    assert_eq!(said, [10, 20, 30, 40].map(|later| (start() + milliseconds(later), advertise(254))));
}

#[test]
fn a_boosted_active_router_says_so_at_once_and_once() {
    let (mut router, now) = active(settings(100));
    router.boost(boosted(), now).unwrap();
    assert_eq!(actions(&mut router), [advertise(254)]);
    router.boost(boosted(), now).unwrap();
    assert_eq!(actions(&mut router), []);
}

#[test]
fn a_boosted_backup_waits_with_the_skew_of_its_boosted_priority() {
    let mut router = behind(settings(100));
    router.boost(boosted(), start()).unwrap();
    router.handle_held(start());
    hear(&mut router, &holds(10, 255), start());
    assert_eq!(router.role(), Role::Backup);
    let skew = SECOND * 2 / 256;
    assert_eq!(router.active_down_interval(), SECOND * 3 + skew);
    actions(&mut router);
    let edited = Settings { preempt: false, ..settings(120) };
    router.reconfigure(Config::new(edited).unwrap(), start()).unwrap();
    assert_eq!(router.config().priority(), priority(254), "an edit keeps the boost");
    router.unboost(start());
    assert_eq!((actions(&mut router), router.config().priority()), (vec![], priority(120)));
    assert!(!router.config().preempts());
}

#[test]
fn an_active_router_whose_boost_is_withdrawn_says_its_own_priority_and_stays_until_another_wins() {
    let mut router = behind(settings(100));
    router.boost(boosted(), start()).unwrap();
    router.handle_held(start());
    hear(&mut router, &holds(10, 200), start());
    actions(&mut router);
    let now = start() + SECOND;
    router.unboost(now);
    assert_eq!((actions(&mut router), router.role()), (vec![advertise(100)], Role::Active));
    router.unboost(now);
    assert_eq!(actions(&mut router), []);
    hear(&mut router, &holds(10, 200), now + SECOND * 2);
    assert_eq!(router.role(), Role::Backup, "by the ordinary rules");
}

#[test]
fn a_boost_that_is_withdrawn_before_the_addresses_are_held_moves_nothing() {
    let mut router = behind(settings(100));
    router.boost(boosted(), start()).unwrap();
    actions(&mut router);
    let now = start() + milliseconds(5);
    router.unboost(now);
    assert_eq!(actions(&mut router), [Action::Release]);
    router.handle_held(now);
    assert_eq!((actions(&mut router), router.role()), (vec![], Role::Backup));
    assert_eq!(router.poll_timeout(), Some(now + router.active_down_interval()));
    assert_eq!(router.active_source(), Some(host(10)));
}

#[test]
fn what_cannot_win_is_not_boosted() {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 250), start());
    let refused = router.boost(boosted(), start() + SECOND).unwrap_err();
    assert_eq!(refused, BoostRefused::OutOfReach { heard: priority(250) });
    assert_eq!((actions(&mut router), router.config().boost()), (vec![], None));
    hear(&mut router, &holds(10, 249), start() + SECOND);
    router.boost(boosted(), start() + SECOND).unwrap();
    assert_eq!(actions(&mut router), [Action::Hold]);

    let (mut owner, now) = active(settings(255));
    assert_eq!(owner.boost(boosted(), now), Err(BoostRefused::Owner));
    let mut idle = Instance::new(Config::new(settings(100)).unwrap());
    assert_eq!(idle.boost(boosted(), start()), Err(BoostRefused::TakesNoPart));
    let (mut leaving, now) = active(settings(100));
    leaving.stop(now);
    assert_eq!(leaving.boost(boosted(), now), Err(BoostRefused::TakesNoPart));
}

#[test]
fn one_that_was_in_reach_no_more_but_has_fallen_silent_does_not_stand_in_the_way() {
    let mut router = backup(settings(100));
    hear(&mut router, &holds(10, 254), start());
    router.boost(boosted(), start() + SECOND * 3).unwrap();
    assert_eq!(actions(&mut router), [Action::Hold]);
}

#[test]
fn a_boost_ends_with_an_attempt_that_fails_and_with_the_part_that_the_router_takes() {
    let mut failed = behind(settings(100));
    failed.boost(boosted(), start()).unwrap();
    failed.handle_hold_failed(start());
    assert_eq!(failed.config().boost(), None, "or it would try again and again");

    let mut faulted = behind(settings(100));
    faulted.boost(boosted(), start()).unwrap();
    faulted.handle_held(start());
    faulted.fault();
    assert_eq!(faulted.config().boost(), None);

    let mut lapsed = behind(settings(100));
    lapsed.boost(boosted(), start()).unwrap();
    lapsed.handle_held(start());
    lapsed.lapse(start() + SECOND * 60);
    assert_eq!(lapsed.config().boost(), None, "who cannot keep time is not preferred");

    let mut promoted = behind(settings(100));
    promoted.boost(boosted(), start()).unwrap();
    promoted.handle_held(start());
    promoted.reconfigure(Config::new(settings(255)).unwrap(), start()).unwrap();
    assert_eq!((promoted.config().boost(), promoted.config().priority()), (None, priority(255)));
}

#[test]
fn a_boost_of_version_2_counts_the_skew_in_256ths_of_a_second() {
    let version_2 = Settings { version: Version::V2, ..settings(100) };
    let mut router = backup(version_2);
    router.boost(boosted(), start()).unwrap();
    assert_eq!(router.active_down_interval(), SECOND * 3 + SECOND * 2 / 256);
}

#[test]
fn one_that_was_boosted_when_it_was_left_off_is_adopted_so_and_an_owner_never() {
    let mut router = Instance::new(Config::new(settings(100)).unwrap());
    router.resume_boost(boosted());
    router.adopt(start(), start() - milliseconds(1_300));
    assert_eq!(actions(&mut router), [advertise(boosted().get().get())]);
    router.unboost(start());
    assert_eq!(actions(&mut router), [advertise(100)]);
    router.resume_boost(boosted());
    assert_eq!(router.config().boost(), None, "it takes part already");

    let mut owner = Instance::new(Config::new(settings(255)).unwrap());
    owner.resume_boost(boosted());
    assert_eq!(owner.config().boost(), None);
}
