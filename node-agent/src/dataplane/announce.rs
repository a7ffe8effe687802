//! When the LAN is told where addresses are, how often again, and how fast.
//!
//! A gratuitous ARP may be lost, or be overtaken by one of the router before. So each announcement is
//! repeated after [`REPEATS`], as long as the group still holds.
//!
//! # Pace
//! Advertisements always go first, and no announcement delays them: a turn of the driver sends one portion,
//! through one interface, and the next turn begins with the advertisements again. In each [`PAUSE`] an
//! interface carries no more than [`PORTION`] addresses, which leaves switches and neighbours room for what
//! else is broadcast. What was due first goes first, so a repetition never overtakes somebody's first
//! announcement.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vrrp::Instant;

use super::binder::GroupHandle;

/// When an announcement is repeated, counted from the first.
const REPEATS: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
];

/// How many addresses an interface carries in each [`PAUSE`]. In IPv4 each of them is two frames.
const PORTION: usize = 32;
const PAUSE: Duration = Duration::from_millis(1);

/// What there is to announce for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope {
    /// The interface.
    pub(super) ifindex: u32,
    /// How many addresses.
    pub(super) addresses: usize,
}

/// Addresses of one group that are to be announced now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The group.
    pub(super) group: GroupHandle,
    /// How many of its addresses come before them.
    pub(super) skip: usize,
    /// How many they are.
    pub(super) count: usize,
    /// Whether with them all addresses of the group are announced, this time.
    pub(super) is_last: bool,
}

#[derive(Debug, Clone, Copy)]
struct Schedule {
    scope: Scope,
    first: Instant,
    /// How often all of it was announced.
    done: usize,
    /// How many addresses have been announced this time.
    announced: usize,
    /// It is to be announced from the beginning, once this time is over.
    again: Option<(Instant, Scope)>,
    /// Somebody asked for it: it is announced once more then, whatever was planned.
    asked: Option<Instant>,
}

impl Schedule {
    const fn new(scope: Scope, first: Instant) -> Self {
        Self { scope, first, done: 0, announced: 0, again: None, asked: None }
    }

    fn due_at(&self) -> Option<Instant> {
        let planned = match self.done {
            0 => Some(self.first),
            done => REPEATS.get(done - 1).map(|after| self.first + *after),
        };
        [planned, self.asked].into_iter().flatten().min()
    }

    /// What comes next, if that is to be a time and all of it was announced just now. A repetition that has
    /// become due meanwhile is made up for by what was announced.
    fn next(mut self, now: Instant) -> Option<Self> {
        if let Some((first, scope)) = self.again {
            return Some(Self::new(scope, first));
        }
        (self.announced, self.asked) = (0, None);
        while self.due_at().is_some_and(|due_at| due_at <= now) {
            self.done += 1;
        }
        self.due_at().map(|_| self)
    }
}

/// What waits to leave through one interface.
#[derive(Debug)]
struct Lane {
    queue: BTreeSet<(Instant, GroupHandle)>,
    since: Instant,
    /// How many addresses may still leave before [`PAUSE`] has passed since then.
    left: usize,
}

impl Lane {
    fn next_deadline(&self) -> Option<Instant> {
        let (due_at, _) = self.queue.first()?;
        Some(if self.left == 0 { (*due_at).max(self.since + PAUSE) } else { *due_at })
    }
}

/// The announcements that are still to be made.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    schedules: BTreeMap<GroupHandle, Schedule>,
    lanes: BTreeMap<u32, Lane>,
}

impl Announcements {
    /// Announces the group now, and then again. What is under way is brought to its end first: or a group
    /// with many addresses that must announce itself all the time would never come to the last of them.
    pub(super) fn begin(&mut self, group: GroupHandle, scope: Scope, now: Instant) {
        self.lanes.retain(|_, lane| !lane.queue.is_empty() || now < lane.since + PAUSE);
        match self.schedules.get_mut(&group) {
            Some(schedule) if schedule.announced > 0 && schedule.scope.ifindex == scope.ifindex => {
                schedule.again = Some((now, scope));
            }
            Some(_) | None => {
                self.cancel(group);
                self.insert(group, Schedule::new(scope, now));
            }
        }
    }

    /// Announces the group once more now, besides what is planned. What is under way will do.
    pub(super) fn repeat(&mut self, group: GroupHandle, scope: Scope, now: Instant) {
        let planned = self.schedules.get(&group).copied();
        if planned.is_some_and(|schedule| schedule.announced > 0 || schedule.done == 0) {
            return;
        }
        let over = Schedule { done: REPEATS.len() + 1, ..Schedule::new(scope, now) };
        self.cancel(group);
        self.insert(group, Schedule { asked: Some(now), ..planned.unwrap_or(over) });
    }

    /// The group holds no longer.
    pub(super) fn cancel(&mut self, group: GroupHandle) {
        let Some(schedule) = self.schedules.remove(&group) else { return };
        if let (Some(lane), Some(due_at)) = (self.lanes.get_mut(&schedule.scope.ifindex), schedule.due_at()) {
            lane.queue.remove(&(due_at, group));
        }
    }

    /// What to announce in this turn; it is counted as announced.
    pub(super) fn take_portion(&mut self, now: Instant) -> Vec<Part> {
        let mut portion = Vec::new();
        let Some(ifindex) = self.next_lane(now) else { return portion };
        while let Some(part) = self.take_part(ifindex, now) {
            portion.push(part);
        }
        portion
    }

    /// When the next portion is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.lanes.values().filter_map(Lane::next_deadline).min()
    }

    /// The interface of which the first group has waited longest.
    fn next_lane(&self, now: Instant) -> Option<u32> {
        let ready = self.lanes.iter().filter(|(_, lane)| lane.next_deadline().is_some_and(|at| at <= now));
        ready
            .min_by_key(|(_, lane)| lane.queue.first().map(|(due_at, _)| *due_at))
            .map(|(ifindex, _)| *ifindex)
    }

    fn take_part(&mut self, ifindex: u32, now: Instant) -> Option<Part> {
        let lane = self.lanes.get_mut(&ifindex)?;
        if lane.since + PAUSE <= now {
            (lane.since, lane.left) = (now, PORTION);
        }
        let (due_at, group) = *lane.queue.first().filter(|(due_at, _)| lane.left > 0 && *due_at <= now)?;
        let schedule = self.schedules.get_mut(&group)?;
        let count = lane.left.min(schedule.scope.addresses - schedule.announced);
        let part = Part {
            group,
            skip: schedule.announced,
            count,
            is_last: schedule.announced + count == schedule.scope.addresses,
        };
        lane.left -= count;
        schedule.announced += count;
        if part.is_last {
            lane.queue.remove(&(due_at, group));
            let next = schedule.next(now);
            self.schedules.remove(&group);
            next.into_iter().for_each(|next| self.insert(group, next));
        }
        Some(part)
    }

    fn insert(&mut self, group: GroupHandle, schedule: Schedule) {
        let Some(due_at) = schedule.due_at() else { return };
        let fresh = || Lane { queue: BTreeSet::new(), since: Instant::ORIGIN, left: PORTION };
        self.lanes.entry(schedule.scope.ifindex).or_insert_with(fresh).queue.insert((due_at, group));
        self.schedules.insert(group, schedule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(5_000 + milliseconds))
    }

    const fn scope(ifindex: u32, addresses: usize) -> Scope {
        Scope { ifindex, addresses }
    }

    const fn whole(group: GroupHandle, addresses: usize) -> Part {
        Part { group, skip: 0, count: addresses, is_last: true }
    }

    /// Takes every portion as soon as it is due until `end`, and returns what it was and when.
    fn follow(announcements: &mut Announcements, end: Instant) -> Vec<(Instant, Part)> {
        let mut taken = Vec::new();
        while let Some(due) = announcements.next_deadline().filter(|due| *due < end) {
            let portion = announcements.take_portion(due);
            assert!(!portion.is_empty(), "whoever is woken at {due:?} has something to do");
            taken.extend(portion.into_iter().map(|part| (due, part)));
        }
        taken
    }

    #[test]
    fn an_announcement_is_made_at_once_and_four_times_again() {
        let mut announcements = Announcements::default();
        announcements.begin(7, scope(1, 1), at(0));
        let mut seen = Vec::new();
        while let Some(due) = announcements.next_deadline() {
            let early = due - Duration::from_nanos(1);
            assert!(announcements.take_portion(early).is_empty(), "a moment early is too early");
            assert_eq!(announcements.take_portion(due), [whole(7, 1)]);
            seen.push(due);
        }
        assert_eq!(seen, [at(0), at(10), at(50), at(200), at(1_000)]);
    }

    #[test]
    fn a_group_that_holds_no_longer_is_not_announced() {
        let mut announcements = Announcements::default();
        announcements.begin(7, scope(1, 1), at(0));
        assert_eq!(announcements.take_portion(at(0)), [whole(7, 1)]);
        announcements.cancel(7);
        assert_eq!(announcements.next_deadline(), None);
        assert!(announcements.take_portion(at(10)).is_empty());
    }

    #[test]
    fn who_is_asked_announces_once_more_and_goes_on_as_planned() {
        let mut announcements = Announcements::default();
        announcements.begin(7, scope(1, 1), at(0));
        let mut seen = Vec::new();
        for asked in [0, 30, 600, 2_000] {
            seen.extend(follow(&mut announcements, at(asked)).into_iter().map(|(when, _)| when));
            announcements.repeat(7, scope(1, 1), at(asked));
        }
        seen.extend(follow(&mut announcements, at(9_000)).into_iter().map(|(when, _)| when));
        let expected = [0, 10, 30, 50, 200, 600, 1_000, 2_000].map(at);
        assert_eq!(seen, expected, "once at the beginning, for it is under way then");
    }

    #[test]
    fn a_late_turn_makes_up_for_all_it_missed_at_once() {
        let mut announcements = Announcements::default();
        announcements.begin(7, scope(1, 1), at(0));
        assert_eq!(announcements.take_portion(at(60)), [whole(7, 1)]);
        assert_eq!(announcements.next_deadline(), Some(at(200)));
    }

    #[test]
    fn an_interface_carries_a_portion_of_a_mass_takeover_each_millisecond_in_order() {
        let mut announcements = Announcements::default();
        (0..100).for_each(|group| announcements.begin(group, scope(1, 5), at(0)));
        let taken = follow(&mut announcements, at(10));
        // 500 addresses by 32.
        for millisecond in 0..10 {
            let carried = taken.iter().filter(|(when, _)| *when == at(millisecond));
            let addresses: usize = carried.map(|(_, part)| part.count).sum();
            assert_eq!(addresses, PORTION, "in millisecond {millisecond}");
        }
        let first: Vec<_> = taken.iter().map(|(_, part)| (part.group, part.skip)).collect();
        assert!(first.is_sorted(), "{first:?}");
        // The first groups could be repeated from 10 ms on; the last have not been announced at all.
        let rest = follow(&mut announcements, at(20));
        let mut groups = rest.iter().map(|(_, part)| part.group);
        let finished = groups.position(|group| group == 99).expect("the last group");
        assert!(rest[..finished].iter().map(|(_, part)| part.group).is_sorted());
        let repeated = rest[finished..].iter().map(|(_, part)| part.group).find(|group| *group != 99);
        assert_eq!(repeated, Some(0), "then it begins again");
    }

    #[test]
    fn a_group_with_more_addresses_than_a_portion_is_announced_to_its_last() {
        let mut announcements = Announcements::default();
        announcements.begin(7, scope(1, 70), at(0));
        let parts = follow(&mut announcements, at(10))
            .into_iter()
            .map(|(when, part)| (when, part.skip, part.is_last));
        assert_eq!(parts.collect::<Vec<_>>(), [(at(0), 0, false), (at(1), 32, false), (at(2), 64, true)]);
        assert_eq!(announcements.next_deadline(), Some(at(10)));
    }

    #[test]
    fn whoever_must_announce_itself_all_the_time_comes_to_its_last_address() {
        let mut announcements = Announcements::default();
        let mut last = 0;
        for millisecond in 0..30 {
            announcements.begin(7, scope(1, 320), at(millisecond));
            last += announcements.take_portion(at(millisecond)).iter().filter(|part| part.is_last).count();
        }
        assert_eq!(last, 3, "ten portions each");
    }

    #[test]
    fn a_busy_interface_does_not_keep_another_waiting() {
        let mut announcements = Announcements::default();
        announcements.begin(1, scope(1, 1_000), at(0));
        announcements.begin(2, scope(2, 1), at(0));
        let other = follow(&mut announcements, at(5)).into_iter().find(|(_, part)| part.group == 2);
        assert_eq!(other, Some((at(0), whole(2, 1))));
    }
}
