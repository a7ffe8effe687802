//! When the LAN is told where addresses are, and how often again.
//!
//! A gratuitous ARP may be lost, or be overtaken by one of the router before. So each announcement is repeated
//! after [`REPEATS`], as long as the group still holds. Advertisements always go first: a turn of the driver
//! announces at most [`GROUPS_PER_TURN`] groups.

use std::collections::BTreeMap;
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

/// How many groups one turn announces.
pub(super) const GROUPS_PER_TURN: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Schedule {
    first: Instant,
    done: usize,
}

impl Schedule {
    fn due_at(&self) -> Option<Instant> {
        match self.done {
            0 => Some(self.first),
            done => REPEATS.get(done - 1).map(|after| self.first + *after),
        }
    }
}

/// The announcements that are still to be made.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    schedules: BTreeMap<GroupHandle, Schedule>,
}

impl Announcements {
    /// Announces the group now, and then again.
    pub(super) fn begin(&mut self, group: GroupHandle, now: Instant) {
        self.schedules.insert(group, Schedule { first: now, done: 0 });
    }

    /// The group holds no longer.
    pub(super) fn cancel(&mut self, group: GroupHandle) {
        self.schedules.remove(&group);
    }

    /// The groups to announce in this turn; each is counted as announced.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<GroupHandle> {
        let is_due = |schedule: &Schedule| schedule.due_at().is_some_and(|due_at| due_at <= now);
        let mut due: Vec<_> =
            self.schedules.iter().filter(|(_, schedule)| is_due(schedule)).map(|(group, _)| *group).collect();
        due.truncate(GROUPS_PER_TURN);
        for group in &due {
            if let Some(schedule) = self.schedules.get_mut(group) {
                while is_due(schedule) {
                    schedule.done += 1;
                }
            }
        }
        self.schedules.retain(|_, schedule| schedule.due_at().is_some());
        due
    }

    /// When the next announcement is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.schedules.values().filter_map(Schedule::due_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(5_000 + milliseconds))
    }

    #[test]
    fn an_announcement_is_made_at_once_and_four_times_again() {
        let mut announcements = Announcements::default();
        announcements.begin(7, at(0));
        let mut seen = Vec::new();
        while let Some(due) = announcements.next_deadline() {
            let early = due - Duration::from_nanos(1);
            assert!(announcements.take_due(early).is_empty(), "a moment early is too early");
            assert_eq!(announcements.take_due(due), [7]);
            seen.push(due);
        }
        assert_eq!(seen, [at(0), at(10), at(50), at(200), at(1_000)]);
    }

    #[test]
    fn a_group_that_holds_no_longer_is_not_announced() {
        let mut announcements = Announcements::default();
        announcements.begin(7, at(0));
        assert_eq!(announcements.take_due(at(0)), [7]);
        announcements.cancel(7);
        assert_eq!(announcements.next_deadline(), None);
    }

    #[test]
    fn a_late_turn_makes_up_for_all_it_missed_at_once() {
        let mut announcements = Announcements::default();
        announcements.begin(7, at(0));
        assert_eq!(announcements.take_due(at(60)), [7]);
        assert_eq!(announcements.next_deadline(), Some(at(200)));
    }

    #[test]
    fn a_mass_takeover_is_announced_in_portions() {
        let mut announcements = Announcements::default();
        (0..100).for_each(|group| announcements.begin(group, at(0)));
        assert_eq!(announcements.take_due(at(0)).len(), GROUPS_PER_TURN);
        assert_eq!(announcements.take_due(at(0)).len(), 100 - GROUPS_PER_TURN);
    }
}
