//! Two groups of one sync group on one node, with the other nodes' words put into their mouths.

use super::super::Standing;
use super::support::*;
use crate::{
    Action, BoostedPriority, Claim, GRACE, HANDOVER, HOLD_OFF, Instance, Instant, Reason, Role, Settings,
    SyncSet, kept_waiting_by,
};

/// The groups of a node and their set.
struct Pair {
    set: SyncSet,
    groups: [Instance; 2],
}

impl Pair {
    fn new(groups: [Instance; 2]) -> Self {
        let mut pair = Self { set: SyncSet::new(), groups };
        pair.settle(start());
        pair
    }

    /// Both are Backup since [`start`].
    fn backup(settings: [Settings; 2]) -> Self {
        Self::new(settings.map(backup))
    }

    /// Both are Active since the time that comes with it.
    fn active(settings: [Settings; 2]) -> (Self, Instant) {
        let mut pair = Self::backup(settings);
        let now = pair.groups.iter().filter_map(Instance::poll_timeout).max().unwrap();
        pair.expire(now);
        pair.hold(now);
        assert_eq!(pair.roles(), [Role::Active; 2]);
        pair.actions();
        (pair, now)
    }

    fn settle(&mut self, now: Instant) {
        let [one, other] = &mut self.groups;
        self.set.settle(&mut [Some(one), Some(other)], now);
    }

    fn expire(&mut self, now: Instant) {
        self.groups.iter_mut().for_each(|group| group.handle_timeout(now));
        self.settle(now);
    }

    fn hold(&mut self, now: Instant) {
        self.groups.iter_mut().for_each(|group| group.handle_held(now));
        self.settle(now);
    }

    fn hear(&mut self, group: usize, advertisement: &crate::Advertisement, now: Instant) {
        self.groups[group].handle_advertisement(advertisement, now).unwrap();
        self.settle(now);
    }

    fn roles(&self) -> [Role; 2] {
        [self.groups[0].role(), self.groups[1].role()]
    }

    fn standings(&self, now: Instant) -> [Standing; 2] {
        [self.groups[0].standing(now), self.groups[1].standing(now)]
    }

    fn actions(&mut self) -> [Vec<Action>; 2] {
        let [one, other] = &mut self.groups;
        [actions(one), actions(other)]
    }

    fn waits_for(&self, now: Instant) -> Option<usize> {
        kept_waiting_by(&[Some(&self.groups[0]), Some(&self.groups[1])], now)
    }
}

fn alike() -> [Settings; 2] {
    [settings(100), settings(100)]
}

/// Three intervals and the skew of priority 100.
fn active_down() -> std::time::Duration {
    SECOND * (3 * 256 + 156) / 256
}

#[test]
fn a_group_whose_time_has_come_waits_for_the_other_and_goes_on_listening() {
    let mut pair = Pair::backup(alike());
    let heard = start() + SECOND;
    pair.hear(1, &holds(10, 200), heard);
    let now = start() + active_down();
    pair.expire(now);
    assert_eq!(pair.standings(now), [Standing::Willing, Standing::Outranked]);
    assert_eq!((pair.actions(), pair.waits_for(now)), ([vec![], vec![]], Some(1)));
    assert_eq!(pair.groups[0].poll_timeout(), None);
    assert_eq!(pair.groups[1].poll_timeout(), Some(heard + active_down()));

    pair.hear(0, &holds(10, 200), now);
    assert_eq!(pair.standings(now), [Standing::Outranked; 2]);
    assert_eq!((pair.waits_for(now), pair.groups[0].poll_timeout()), (None, Some(now + active_down())));
}

#[test]
fn once_both_are_willing_both_ask_for_their_addresses_and_speak_when_both_hold_them() {
    let mut pair = Pair::backup(alike());
    pair.hear(1, &holds(10, 200), start() + SECOND);
    pair.expire(start() + active_down());
    let now = start() + SECOND + active_down();
    pair.expire(now);
    assert_eq!(pair.actions(), [[Action::Hold], [Action::Hold]]);
    assert_eq!(pair.standings(now), [Standing::Preparing; 2]);

    pair.groups[1].handle_held(now);
    pair.settle(now);
    assert_eq!(pair.standings(now), [Standing::Preparing, Standing::Prepared]);
    assert_eq!((pair.actions(), pair.roles()), ([vec![], vec![]], [Role::Backup; 2]));

    pair.groups[0].handle_held(now);
    pair.settle(now);
    let took_over = report(Role::Backup, Role::Active, Reason::NoResponse);
    let said = vec![advertise(100), Action::Announce, took_over];
    assert_eq!(pair.actions(), [said.clone(), said]);
    assert_eq!(pair.standings(now), [Standing::Active; 2]);
}

#[test]
fn nobody_hears_of_an_attempt_that_one_kernel_refuses_and_it_is_repeated_when_that_may_be_asked_again() {
    let mut pair = Pair::backup(alike());
    let now = start() + active_down();
    pair.expire(now);
    pair.actions();
    pair.groups[1].handle_held(now);
    pair.groups[0].handle_hold_failed(now);
    pair.settle(now);
    assert_eq!(pair.actions(), [[Action::Release], [Action::Release]]);
    assert_eq!(pair.standings(now), [Standing::Fallen, Standing::Waiting]);
    let again = now + active_down();
    pair.expire(again);
    assert_eq!(pair.actions(), [[Action::Hold], [Action::Hold]]);
}

#[test]
fn an_attempt_ends_everywhere_when_one_group_hears_a_better_router() {
    let mut pair = Pair::backup(alike());
    let now = start() + active_down();
    pair.expire(now);
    pair.actions();
    pair.hear(0, &holds(10, 200), now);
    assert_eq!(pair.actions(), [[Action::Release], [Action::Release]]);
    assert_eq!(pair.standings(now), [Standing::Outranked, Standing::Waiting]);
}

#[test]
fn a_node_that_loses_one_group_resigns_the_other_and_answers_until_a_successor_is_heard() {
    let (mut pair, now) = Pair::active(alike());
    pair.groups[0].fault();
    pair.settle(now);
    assert_eq!(pair.actions()[1], [RESIGN]);
    assert_eq!((pair.standings(now), pair.roles()[1]), ([Standing::Absent; 2], Role::Active));
    assert_eq!(pair.groups[1].poll_timeout(), Some(now + SECOND));

    pair.expire(now + SECOND);
    assert_eq!(pair.actions()[1], [RESIGN], "once more");
    let succeeded = now + SECOND * 2;
    pair.hear(1, &holds(10, 50), succeeded);
    assert_eq!(pair.actions()[1], [Action::Hush]);
    pair.expire(succeeded + HANDOVER);
    let lost = report(Role::Active, Role::Backup, Reason::SyncGroup);
    assert_eq!(pair.actions()[1], [Action::Release, lost]);
    assert_eq!(pair.groups[1].active_source(), Some(host(10)));
}

#[test]
fn without_a_successor_it_answers_for_four_intervals_and_says_so_twice() {
    let quick = Settings { interval: interval(100), ..settings(100) };
    let (mut pair, now) = Pair::active([settings(100), quick]);
    pair.set.settle(&mut [None, Some(&mut pair.groups[1])], now);
    pair.groups[1].handle_timeout(now + milliseconds(100));
    assert_eq!(actions(&mut pair.groups[1]), [RESIGN; 2]);
    let end = now + milliseconds(400);
    assert_eq!((pair.groups[1].poll_timeout(), pair.groups[1].releases_at()), (Some(end), Some(end)));
    pair.groups[1].handle_timeout(end);
    let lost = report(Role::Active, Role::Backup, Reason::SyncGroup);
    assert_eq!(actions(&mut pair.groups[1]), [Action::Release, lost]);
    assert_eq!(pair.groups[1].releases_at(), None);
}

#[test]
fn what_is_not_there_any_longer_counts_for_how_long_the_others_hold_off() {
    let quick = Settings { interval: interval(100), ..settings(100) };
    let (mut pair, now) = Pair::active([settings(100), quick]);
    pair.set.settle(&mut [None, Some(&mut pair.groups[1])], now);
    pair.groups[1].handle_timeout(now + milliseconds(400));
    pair.groups[1].handle_advertisement(&holds(10, 50), now + milliseconds(500)).unwrap();
    assert_eq!(pair.groups[1].preempts_from(), Some(now + active_down() * HOLD_OFF));
}

#[test]
fn a_successor_that_takes_all_is_obeyed_group_by_group() {
    let (mut pair, now) = Pair::active(alike());
    pair.hear(0, &holds(10, 200), now);
    assert_eq!((pair.roles(), pair.set.poll_timeout()), ([Role::Backup, Role::Active], Some(now + GRACE)));
    pair.actions();
    pair.hear(1, &holds(10, 200), now + GRACE / 2);
    let yielded = report(Role::Active, Role::Backup, Reason::HigherPriorityHeard);
    assert_eq!(pair.actions()[1].last(), Some(&yielded));
    assert_eq!(pair.set.poll_timeout(), None);
}

#[test]
fn one_that_takes_a_part_only_makes_the_node_give_up_the_rest_after_a_moment() {
    let (mut pair, now) = Pair::active(alike());
    pair.hear(0, &holds(10, 200), now);
    pair.actions();
    pair.expire(now + GRACE - MOMENT);
    assert_eq!(pair.roles(), [Role::Backup, Role::Active]);
    assert_eq!(pair.actions()[1], []);
    pair.expire(now + GRACE);
    assert_eq!(pair.actions()[1], [RESIGN]);
    assert_eq!(pair.set.poll_timeout(), None);
}

#[test]
fn who_has_lost_a_set_preempts_nobody_for_three_of_the_largest_active_down_interval() {
    let (mut pair, now) = Pair::active(alike());
    pair.groups[0].fault();
    pair.settle(now);
    pair.groups[0].start(now);
    pair.hear(1, &holds(10, 50), now);
    pair.expire(now + HANDOVER);
    pair.actions();
    let until = now + active_down() * HOLD_OFF;
    let mut at = now + SECOND;
    while at < until {
        (0..2).for_each(|group| pair.hear(group, &holds(10, 50), at));
        pair.expire(at);
        assert_eq!(pair.standings(at), [Standing::Behind; 2], "{at:?}");
        at += SECOND;
    }
    let last = at - SECOND;
    assert_eq!(pair.groups.each_ref().map(Instance::poll_timeout), [Some(last + active_down()); 2]);
}

#[test]
fn a_group_that_cannot_hold_its_addresses_any_longer_takes_the_other_along() {
    let (mut pair, now) = Pair::active(alike());
    pair.groups[0].handle_hold_failed(now);
    pair.settle(now);
    assert_eq!(pair.actions()[1], [RESIGN]);
}

#[test]
fn a_group_that_was_kept_from_running_takes_the_other_along_in_silence_if_that_was_too() {
    let (mut pair, now) = Pair::active(alike());
    let late = now + SECOND * 10;
    pair.groups[0].lapse(late);
    pair.settle(late);
    let lapsed = report(Role::Active, Role::Backup, Reason::Lapsed);
    assert_eq!(pair.actions()[1], [Action::Release, lapsed]);
}

#[test]
fn a_group_that_joins_waits_for_its_own_time_and_nothing_else_moves() {
    let (active, now) = active(settings(100));
    let mut pair = Pair { set: SyncSet::new(), groups: [active, started(settings(100))] };
    pair.groups[1].start(now);
    pair.actions();
    pair.settle(start());
    assert_eq!((pair.standings(now), pair.set.poll_timeout()), ([Standing::Active, Standing::Waiting], None));
    let due = start() + active_down();
    pair.expire(due);
    assert_eq!(pair.actions()[1], [Action::Hold]);
    pair.groups[1].handle_held(due);
    pair.settle(due);
    assert_eq!(pair.roles(), [Role::Active; 2]);
}

#[test]
fn a_group_that_is_there_and_not_started_yet_keeps_the_other_waiting_and_makes_nobody_give_up() {
    let new = || Instance::new(crate::Config::new(settings(100)).unwrap());
    let (active, now) = active(settings(100));
    let mut pair = Pair { set: SyncSet::new(), groups: [active, new()] };
    pair.settle(now);
    assert_eq!(pair.roles(), [Role::Active, Role::Initialize]);
    pair.groups[1].stop(now);
    pair.settle(now);
    assert_eq!(pair.actions()[0], [RESIGN]);

    let mut pair = Pair::new([backup(settings(100)), new()]);
    let due = start() + active_down();
    pair.expire(due);
    assert_eq!(
        (pair.standings(due), pair.actions()),
        ([Standing::Willing, Standing::Waiting], [vec![], vec![]])
    );
}

#[test]
fn who_is_active_in_part_competes_for_the_rest_by_priority_alone() {
    let reluctant = Settings { preempt: false, ..settings(100) };
    let (active, now) = active(reluctant.clone());
    let mut pair = Pair { set: SyncSet::new(), groups: [active, backup(reluctant)] };
    pair.groups[1].handle_advertisement(&holds(10, 50), now).unwrap();
    assert_eq!(pair.standings(now)[1], Standing::Behind);
    pair.settle(now);
    assert_eq!(pair.actions()[1], [Action::Hold]);
    pair.groups[1].handle_held(now);
    pair.settle(now);
    let won = report(Role::Backup, Role::Active, Reason::SyncGroup);
    assert_eq!(pair.actions()[1].last(), Some(&won));
}

#[test]
fn a_switchover_waits_for_nothing_once_both_groups_are_told() {
    let reluctant = || Settings { preempt: false, preempt_delay: SECOND * 60, ..settings(100) };
    let mut pair = Pair::backup([reluctant(), reluctant()]);
    (0..2).for_each(|group| pair.hear(group, &holds(10, 200), start()));
    for group in &mut pair.groups {
        group.boost(BoostedPriority::LOWEST, start()).unwrap();
        assert_eq!(actions(group), []);
    }
    pair.settle(start());
    pair.hold(start());
    let took_over = report(Role::Backup, Role::Active, Reason::Switchover);
    let said = vec![Action::Hold, advertise(251), Action::Announce, took_over];
    assert_eq!(pair.actions(), [said.clone(), said]);
    assert_eq!(pair.groups[0].poll_timeout(), Some(start() + milliseconds(10)), "it is said again");
}

#[test]
fn a_boost_that_one_group_does_not_have_is_none() {
    let mut pair = Pair::backup(alike());
    (0..2).for_each(|group| pair.hear(group, &holds(10, 200), start()));
    pair.groups[0].boost(BoostedPriority::LOWEST, start()).unwrap();
    pair.settle(start());
    assert_eq!(pair.groups[0].config().boost(), None);
    assert_eq!((pair.standings(start()), pair.actions()), ([Standing::Outranked; 2], [vec![], vec![]]));
}

#[test]
fn a_switchover_that_one_kernel_refuses_is_over_for_both() {
    let mut pair = Pair::backup(alike());
    pair.groups.iter_mut().for_each(|group| group.boost(BoostedPriority::LOWEST, start()).unwrap());
    pair.settle(start());
    pair.groups[0].handle_hold_failed(start());
    pair.settle(start());
    assert_eq!(pair.groups.each_ref().map(|group| group.config().boost()), [None; 2]);
    assert_eq!(pair.roles(), [Role::Backup; 2]);
}

#[test]
fn the_boost_of_one_group_ends_that_of_the_other_which_says_so() {
    let (mut pair, now) = Pair::active(alike());
    pair.groups.iter_mut().for_each(|group| group.boost(BoostedPriority::LOWEST, now).unwrap());
    pair.settle(now);
    assert_eq!(pair.actions(), [[advertise(251)], [advertise(251)]]);
    pair.groups[0].unboost(now);
    pair.settle(now);
    assert_eq!(pair.actions(), [[advertise(100)], [advertise(100)]]);
}

#[test]
fn a_set_does_not_begin_at_once_and_owners_belong_to_none() {
    let mut pair = Pair::backup(alike());
    assert!(!pair.groups[0].begin_at_once(start() + SECOND));
    let owner = active(settings(255)).0;
    let mut pair = Pair { set: SyncSet::new(), groups: [owner, backup(settings(100))] };
    pair.settle(start());
    assert_eq!(pair.roles(), [Role::Active, Role::Backup]);
}

#[test]
fn a_group_that_leaves_its_set_decides_for_itself_again() {
    let mut pair = Pair::backup(alike());
    pair.hear(1, &holds(10, 200), start());
    let now = start() + active_down();
    pair.groups[0].handle_timeout(now);
    pair.settle(now);
    pair.groups[0].leave_set(now);
    assert_eq!(pair.groups[0].poll_timeout(), Some(now));
    pair.groups[0].handle_timeout(now);
    assert_eq!(pair.actions()[0], [Action::Hold]);

    let mut pair = Pair::backup(alike());
    pair.expire(now);
    pair.groups[0].handle_held(now);
    pair.groups[0].leave_set(now);
    assert_eq!(pair.roles(), [Role::Active, Role::Backup]);
}

#[test]
fn settings_that_came_while_a_group_was_given_up_count_afterwards() {
    let (mut pair, now) = Pair::active(alike());
    pair.groups[0].fault();
    pair.settle(now);
    let edited = crate::Config::new(settings(42)).unwrap();
    pair.groups[1].reconfigure(edited, now).unwrap();
    assert_eq!(pair.groups[1].config().priority(), priority(100));
    pair.hear(1, &holds(10, 50), now);
    pair.expire(now + HANDOVER);
    assert_eq!((pair.groups[1].config().priority(), pair.roles()[1]), (priority(42), Role::Backup));
}

#[test]
fn a_group_that_is_stopped_while_it_is_given_up_takes_no_part_afterwards() {
    let (mut pair, now) = Pair::active(alike());
    pair.groups[0].fault();
    pair.settle(now);
    pair.actions();
    pair.groups[1].stop(now);
    pair.hear(1, &holds(10, 50), now);
    pair.expire(now + HANDOVER);
    let stopped = report(Role::Active, Role::Initialize, Reason::Stopped);
    assert_eq!(pair.actions()[1].last(), Some(&stopped));
}

#[test]
fn what_is_given_up_and_cannot_be_held_is_gone_at_once() {
    let (mut pair, now) = Pair::active(alike());
    pair.groups[0].fault();
    pair.settle(now);
    pair.actions();
    pair.groups[1].handle_hold_failed(now);
    let failed = report(Role::Active, Role::Backup, Reason::HoldFailed);
    assert_eq!(pair.actions()[1], [Action::Release, failed]);
    assert_eq!(pair.standings(now)[1], Standing::Fallen);
    assert_eq!(pair.groups[1].last_heard().map(|heard| heard.claim), None::<Claim>);
}
