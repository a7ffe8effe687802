//! Active (RFC 9568 §6.4.3).

use super::support::*;
use crate::{Action, Config, Instance, Reason, Role, Settings, Version};

#[test]
fn an_active_router_advertises_once_per_interval() {
    let (mut router, now) = active(settings(100));
    assert_eq!(router.poll_timeout(), Some(now + SECOND));
    router.handle_timeout(now + SECOND - MOMENT);
    assert_eq!(actions(&mut router), []);
    router.handle_timeout(now + SECOND);
    assert_eq!(actions(&mut router), [advertise(100)]);
    assert_eq!(router.poll_timeout(), Some(now + SECOND * 2));
}

#[test]
fn only_an_active_router_says_when_it_advertises_whatever_is_due_before() {
    let announcing = Settings { refresh: Some(SECOND), interval: interval(3_000), ..settings(100) };
    assert_eq!(backup(announcing.clone()).advertises_at(), None);
    let (router, now) = active(announcing);
    assert_eq!((router.poll_timeout(), router.advertises_at()), (Some(now + SECOND), Some(now + SECOND * 3)));
}

#[test]
fn a_late_wake_up_sends_one_advertisement_rather_than_all_that_were_missed() {
    let (mut router, now) = active(settings(100));
    let late = now + milliseconds(4_500);
    router.handle_timeout(late);
    assert_eq!(actions(&mut router), [advertise(100)]);
    assert_eq!(router.poll_timeout(), Some(late + SECOND));
}

#[test]
fn a_higher_priority_wins_and_learns_of_its_rival() {
    for (preempt, winner_ms) in [(true, 500), (false, 500), (true, 3_000), (false, 3_000)] {
        let (mut router, now) = active(Settings { preempt, ..settings(100) });
        let mut advertisement = holds(10, 101);
        advertisement.interval = interval(winner_ms);
        let became_backup = report(Role::Active, Role::Backup, Reason::HigherPriorityHeard);
        assert_eq!(
            hear(&mut router, &advertisement, now),
            [Action::Hush, Action::Concede(interval(winner_ms)), Action::HandOver, became_backup],
            "nobody else is to take over, so it is no resignation; the winner's interval, for those who obey it"
        );
        assert_eq!(router.active_source(), Some(host(10)));
        let winner_s = milliseconds(winner_ms.into());
        assert_eq!(router.poll_timeout(), Some(now + winner_s * 3 + winner_s * 156 / 256));
    }
}

#[test]
fn an_equal_priority_wins_only_from_a_higher_address() {
    let (mut router, now) = active(settings(100));
    hear(&mut router, &holds(OUR_HOST - 1, 100), now);
    assert_eq!(router.role(), Role::Active);
    hear(&mut router, &holds(OUR_HOST + 1, 100), now);
    assert_eq!(router.role(), Role::Backup);
}

#[test]
fn addresses_are_compared_as_unsigned_numbers_in_network_order() {
    let (text_is_greater, sign_is_set) =
        (([9, 0, 0, 1], [10, 0, 0, 1]), ([126, 255, 255, 255], [128, 0, 0, 1]));
    for (ours, theirs) in [text_is_greater, sign_is_set, ([10, 0, 0, 200], [192, 0, 2, 1])] {
        let (mut router, now) = active(Settings { source: ours.into(), ..settings(100) });
        let mut advertisement = holds(1, 100);
        advertisement.source = theirs.into();
        hear(&mut router, &advertisement, now);
        assert_eq!(router.role(), Role::Backup, "{ours:?} yields to {theirs:?}");
    }
}

#[test]
fn a_losing_advertisement_is_answered_at_once_and_announced_against() {
    let (mut router, now) = active(settings(100));
    let later = now + milliseconds(1_000) - MOMENT;
    assert_eq!(hear(&mut router, &holds(10, 99), later), [advertise(100)]);
    assert_eq!(
        router.poll_timeout(),
        Some(now + SECOND),
        "one announcement per interval, and this one is due then"
    );

    let long_after = now + milliseconds(10_000);
    assert_eq!(hear(&mut router, &holds(10, 99), long_after), [advertise(100), Action::Announce]);
    assert_eq!(router.poll_timeout(), Some(long_after + SECOND), "Adver_Timer was reset");
}

#[test]
fn answers_keep_a_tenth_of_the_interval_between_them_and_none_is_lost() {
    let (mut router, now) = active(settings(100));
    let now = now + milliseconds(500);
    assert_eq!(hear(&mut router, &holds(10, 99), now), [advertise(100)]);
    for later in 1..100 {
        assert_eq!(hear(&mut router, &holds(10, 99), now + milliseconds(later)), []);
    }
    assert_eq!(router.poll_timeout(), Some(now + milliseconds(100)), "the answer that had to wait");
    router.handle_timeout(now + milliseconds(100));
    assert_eq!(actions(&mut router), [advertise(100)]);
}

#[test]
fn an_advertisement_that_is_due_is_no_answer_and_puts_off_none() {
    let (mut router, now) = active(settings(100));
    let due = now + SECOND;
    assert_eq!(hear(&mut router, &holds(10, 99), due), [advertise(100), Action::Announce]);
    assert_eq!(hear(&mut router, &holds(10, 99), due + milliseconds(1)), [advertise(100)]);
    assert_eq!(hear(&mut router, &holds(10, 99), due + milliseconds(2)), [], "that was one");
}

#[test]
fn answers_keep_ten_milliseconds_between_them_at_the_shortest_intervals() {
    let (mut router, now) = active(Settings { interval: interval(50), ..settings(100) });
    let now = now + milliseconds(25);
    assert_eq!(hear(&mut router, &holds(10, 99), now), [advertise(100)]);
    assert_eq!(hear(&mut router, &holds(10, 99), now + milliseconds(6)), []);
    assert_eq!(router.poll_timeout(), Some(now + milliseconds(10)));
}

#[test]
fn a_storm_of_losing_advertisements_is_announced_against_once_per_interval() {
    let (mut router, mut now) = active(settings(100));
    let mut announcements = 0;
    for _ in 0..10_000 {
        now += milliseconds(1);
        router.handle_advertisement(&holds(10, 99), now).unwrap();
        router.handle_timeout(now);
        announcements += actions(&mut router).iter().filter(|action| **action == Action::Announce).count();
    }
    assert_eq!(announcements, 10, "10 s of storm, 1 s intervals");
}

#[test]
fn version_2_discards_a_losing_advertisement_in_silence() {
    let (mut router, now) = active(Settings { version: Version::V2, ..settings(100) });
    let mut advertisement = holds(10, 99);
    advertisement.version = Version::V2;
    assert_eq!(
        hear(&mut router, &advertisement, now + milliseconds(1_500)),
        [advertise(100), Action::Announce],
        "the one that was due, and no other"
    );
    assert_eq!(hear(&mut router, &advertisement, now + milliseconds(1_700)), []);
}

#[test]
fn version_2_answers_a_resigning_rival_at_once() {
    let (mut router, now) = active(Settings { version: Version::V2, ..settings(100) });
    let mut advertisement = resigns(10);
    advertisement.version = Version::V2;
    assert_eq!(hear(&mut router, &advertisement, now + milliseconds(500)), [advertise(100)]);
}

#[test]
fn a_resigning_rival_is_answered_at_once() {
    let (mut router, now) = active(settings(100));
    let now = now + milliseconds(1_200);
    router.handle_timeout(now);
    actions(&mut router);
    let now = now + milliseconds(300);
    assert_eq!(hear(&mut router, &resigns(10), now), [advertise(100), Action::Announce]);
    assert_eq!(router.poll_timeout(), Some(now + SECOND));
}

#[test]
fn our_own_advertisement_that_comes_back_is_not_a_rival() {
    let (mut router, now) = active(settings(100));
    assert_eq!(hear(&mut router, &holds(OUR_HOST, 100), now + milliseconds(1)), []);
    assert_eq!(router.last_heard(), None);
}

#[test]
fn what_we_sent_more_than_an_interval_ago_is_not_taken_for_ours() {
    let mut router = Instance::new(Config::new(settings(100)).unwrap());
    router.adopt(start(), start());
    router.fault();
    hear(&mut router, &holds(OUR_HOST, 100), start() + SECOND);
    assert_eq!(router.last_heard(), None, "still an echo");
    hear(&mut router, &holds(OUR_HOST, 100), start() + SECOND + MOMENT);
    assert_eq!(router.last_heard().map(|heard| heard.source), Some(host(OUR_HOST)), "another router");
}

#[test]
fn another_router_with_our_address_is_obeyed_by_its_priority() {
    let (mut router, now) = active(settings(100));
    assert_eq!(hear(&mut router, &holds(OUR_HOST, 99), now + milliseconds(1)), [advertise(100)]);
    hear(&mut router, &holds(OUR_HOST, 101), now + milliseconds(2));
    assert_eq!(router.role(), Role::Backup);
}

#[test]
fn another_router_with_our_address_and_priority_is_not_answered() {
    let (mut router, now) = active(settings(100));
    let mut advertisement = holds(OUR_HOST, 100);
    advertisement.addresses = vec![host(101)];
    assert_eq!(hear(&mut router, &advertisement, now + milliseconds(1)), []);
    assert_eq!(router.role(), Role::Active);
    assert_eq!(router.last_heard().map(|heard| heard.source), Some(host(OUR_HOST)), "but it is heard");
}

#[test]
fn an_owner_yields_to_nobody_but_another_owner() {
    let (mut router, now) = active(Settings { source: host(100), ..settings(255) });
    hear(&mut router, &holds(254, 254), now);
    assert_eq!(router.role(), Role::Active);
    hear(&mut router, &holds(101, 255), now);
    assert_eq!(router.role(), Role::Backup, "the higher address of two that cannot both be right");
}

#[test]
fn an_active_router_that_loses_its_addresses_resigns() {
    let (mut router, now) = active(settings(100));
    router.handle_hold_failed(now);
    let became_backup = report(Role::Active, Role::Backup, Reason::HoldFailed);
    assert_eq!(actions(&mut router), [RESIGN, Action::Release, became_backup]);
    assert_eq!(hear(&mut router, &resigns(OUR_HOST), now + milliseconds(1)), []);
    assert_eq!(
        router.poll_timeout(),
        Some(now + router.active_down_interval()),
        "its own resignation, come back, does not call it to take over"
    );
}

#[test]
fn a_lowered_priority_is_said_at_once() {
    let (mut router, now) = active(settings(100));
    let now = now + milliseconds(300);
    router.reconfigure(Config::new(settings(50)).unwrap(), now).unwrap();
    assert_eq!(actions(&mut router), [advertise(50)]);
    assert_eq!((router.role(), router.poll_timeout()), (Role::Active, Some(now + SECOND)));
}

#[test]
fn a_changed_source_is_said_at_once() {
    let (mut router, now) = active(settings(100));
    let edited = Settings { source: host(OUR_HOST + 1), ..settings(100) };
    router.reconfigure(Config::new(edited).unwrap(), now + milliseconds(300)).unwrap();
    assert_eq!(actions(&mut router), [advertise(100)]);
}

#[test]
fn settings_that_do_not_change_are_not_news() {
    let (mut router, now) = active(settings(100));
    let before = router.poll_timeout();
    router.reconfigure(Config::new(settings(100)).unwrap(), now + milliseconds(300)).unwrap();
    assert_eq!((actions(&mut router), router.poll_timeout()), (vec![], before));
}

#[test]
fn a_changed_set_of_addresses_is_held_advertised_and_announced_without_leaving_the_state() {
    let (mut router, now) = active(settings(100));
    let edited = Settings { addresses: vec![host(100), host(101)], ..settings(100) };
    router.reconfigure(Config::new(edited).unwrap(), now).unwrap();
    assert_eq!(actions(&mut router), [Action::Hold]);
    router.handle_held(now + milliseconds(1));
    assert_eq!(actions(&mut router), [advertise(100), Action::Announce]);
    router.handle_held(now + milliseconds(2));
    assert_eq!(actions(&mut router), [], "held once");
    assert_eq!(router.role(), Role::Active);
}

#[test]
fn a_longer_interval_is_told_three_times_at_the_old_pace() {
    let (mut router, now) = active(Settings { interval: interval(100), ..settings(100) });
    router.reconfigure(Config::new(settings(100)).unwrap(), now).unwrap();
    let mut sent = Vec::new();
    for later in 0..=2_500 {
        router.handle_timeout(now + milliseconds(later));
        sent.extend(actions(&mut router).iter().map(|action| (later, *action)));
    }
    let times: Vec<u64> = sent.iter().map(|(later, _)| *later).collect();
    assert_eq!(times, [0, 100, 200, 1_200, 2_200]);
    assert!(sent.iter().all(|(_, action)| *action == advertise(100)));
}

#[test]
fn an_edit_of_something_else_does_not_prolong_the_old_pace() {
    let (mut router, now) = active(Settings { interval: interval(100), ..settings(100) });
    router.reconfigure(Config::new(settings(100)).unwrap(), now).unwrap();
    router.handle_timeout(now + milliseconds(100));
    let edited_at = now + milliseconds(150);
    router.reconfigure(Config::new(settings(50)).unwrap(), edited_at).unwrap();
    assert_eq!(router.poll_timeout(), Some(edited_at + SECOND), "it has been told three times");
}

#[test]
fn a_shorter_interval_applies_at_once() {
    let (mut router, now) = active(settings(100));
    let edited = Settings { interval: interval(100), ..settings(100) };
    router.reconfigure(Config::new(edited).unwrap(), now).unwrap();
    assert_eq!(actions(&mut router), [advertise(100)]);
    assert_eq!(router.poll_timeout(), Some(now + milliseconds(100)));
}

#[test]
fn an_interval_that_grows_twice_keeps_the_shortest_pace() {
    let (mut router, now) = active(Settings { interval: interval(100), ..settings(100) });
    for longer in [1_000, 3_000] {
        let edited = Settings { interval: interval(longer), ..settings(100) };
        router.reconfigure(Config::new(edited).unwrap(), now).unwrap();
    }
    assert_eq!(router.poll_timeout(), Some(now + milliseconds(100)));
}

#[test]
fn an_interval_that_grows_and_shrinks_again_leaves_nothing_behind() {
    let (mut router, now) = active(Settings { interval: interval(100), ..settings(100) });
    for edited in [1_000, 50] {
        let edited = Settings { interval: interval(edited), ..settings(100) };
        router.reconfigure(Config::new(edited).unwrap(), now).unwrap();
    }
    assert_eq!(router.poll_timeout(), Some(now + milliseconds(50)));
}

#[test]
fn an_active_router_that_is_told_to_announces_from_time_to_time() {
    let refresh = Some(milliseconds(10_000));
    let (mut router, became_active) = active(Settings { refresh, ..settings(100) });
    let mut announced = Vec::new();
    for _ in 0..30 {
        let now = router.poll_timeout().unwrap();
        router.handle_timeout(now);
        announced
            .extend(actions(&mut router).into_iter().filter(|done| *done == Action::Announce).map(|_| now));
    }
    assert_eq!(announced, [10, 20, 30].map(|seconds| became_active + SECOND * seconds));

    let now = announced[2] + SECOND * 3;
    router.reconfigure(Config::new(settings(100)).unwrap(), now).unwrap();
    for second in 0..30 {
        router.handle_timeout(now + SECOND * second);
        assert!(!actions(&mut router).contains(&Action::Announce), "it was told to stop");
    }
}

#[test]
fn an_edit_of_something_else_does_not_put_off_the_next_announcement() {
    let refresh = Some(milliseconds(10_000));
    let (mut router, became_active) = active(Settings { refresh, ..settings(100) });
    let now = became_active + milliseconds(9_500);
    router.handle_timeout(now);
    router.reconfigure(Config::new(Settings { refresh, ..settings(50) }).unwrap(), now).unwrap();
    assert_eq!(actions(&mut router), [advertise(100), advertise(50)]);
    let due = became_active + SECOND * 10;
    assert_eq!(router.poll_timeout(), Some(due));
    router.handle_timeout(due);
    assert_eq!(actions(&mut router), [Action::Announce]);
}

#[test]
fn a_changed_refresh_counts_from_the_edit_and_puts_off_nothing_that_is_due() {
    let (mut router, now) = active(settings(100));
    let mut edit = |refresh, at| {
        let edited = Settings { refresh: Some(milliseconds(refresh)), ..settings(100) };
        router.reconfigure(Config::new(edited).unwrap(), at).unwrap();
        router.handle_timeout(at);
        actions(&mut router)
    };
    let first = now + milliseconds(400);
    assert_eq!(edit(2_000, first), []);
    let due = first + milliseconds(2_000);
    assert_eq!(edit(3_000, due), [advertise(100), Action::Announce]);
    assert_eq!(edit(3_000, due + milliseconds(3_000)), [advertise(100), Action::Announce]);
}
