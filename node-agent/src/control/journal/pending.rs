//! What the journal holds in memory, and what it knows about every boot: no file, no lock, no clock.
//!
//! A transition waits here until it is on disk, and stays until it is acknowledged or until there are so many
//! that the oldest can be read back from disk. When the disk fails this is all there is: then it holds the
//! oldest [`CAPACITY`] transitions, and those that come after are counted as lost rather than given a
//! sequence, because a hole in the sequence could never be acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use api_types::channel::Acknowledged;
use api_types::transition::TransitionRecord;
use uuid::Uuid;

use super::disk::BootProgress;

/// How many transitions are kept in memory at most.
pub(super) const CAPACITY: usize = 10_000;

#[derive(Debug)]
pub(super) struct Pending {
    boot_id: Uuid,
    boots: Vec<BootProgress>,
    /// Transitions of this boot in the order of their sequence, without holes.
    recent: VecDeque<Arc<TransitionRecord>>,
    /// The highest sequence of this boot that would survive a crash.
    durable: u64,
    /// The first sequence that this process gave.
    first_given: u64,
    /// Whether a transition that this process numbered was ever handed out.
    handed_out: bool,
    lost: u64,
}

impl Pending {
    /// Nothing is known yet; what a replay finds comes by [`Pending::adopt`].
    pub(super) fn new(boot_id: Uuid) -> Self {
        Self {
            boot_id,
            boots: vec![BootProgress { boot_id, last: 0, acknowledged: 0 }],
            recent: VecDeque::new(),
            durable: 0,
            first_given: 1,
            handed_out: false,
            lost: 0,
        }
    }

    /// Takes in a transition under the next sequence; `false` when there is no room for it.
    pub(super) fn push(&mut self, transition: impl FnOnce(Uuid, u64) -> TransitionRecord) -> bool {
        if self.recent.len() >= CAPACITY && !self.drop_oldest_on_disk() {
            self.lost += 1;
            return false;
        }
        let boot_id = self.boot_id;
        let current = self.current_mut();
        current.last += 1;
        let sequence = current.last;
        self.recent.push_back(Arc::new(transition(boot_id, sequence)));
        true
    }

    /// Puts transitions before all that this process has taken in; `false`, and nothing is done, when some of
    /// these are known elsewhere under their numbers.
    pub(super) fn precede(&mut self, first: Vec<TransitionRecord>) -> bool {
        if self.handed_out || self.durable >= self.first_given {
            return false;
        }
        let given = std::mem::take(&mut self.recent);
        let (boot_id, before) = (self.boot_id, self.first_given - 1);
        let all = first.into_iter().map(Arc::new).chain(given);
        for (transition, sequence) in all.zip(self.first_given..) {
            let numbered = TransitionRecord { boot_id, sequence, ..Arc::unwrap_or_clone(transition) };
            self.recent.push_back(Arc::new(numbered));
        }
        self.current_mut().last = self.recent.back().map_or(before, |last| last.sequence);
        true
    }

    fn drop_oldest_on_disk(&mut self) -> bool {
        let on_disk = self.recent.front().is_some_and(|oldest| oldest.sequence <= self.durable);
        if on_disk {
            self.recent.pop_front();
        }
        on_disk
    }

    /// Transitions that are not on disk yet, in order.
    pub(super) fn unwritten(&self) -> Vec<Arc<TransitionRecord>> {
        self.recent.iter().filter(|transition| transition.sequence > self.durable).cloned().collect()
    }

    /// Everything of this boot up to `sequence` would survive a crash.
    pub(super) fn written(&mut self, sequence: u64) {
        self.durable = self.durable.max(sequence);
    }

    /// The server holds everything up to here. Returns what that says of transitions that there are: a server
    /// cannot hold more, and what will be numbered later must not pass for acknowledged or written.
    pub(super) fn acknowledged(&mut self, acknowledged: Acknowledged) -> Option<Acknowledged> {
        let Acknowledged { boot_id, sequence } = acknowledged;
        let boot = self.boots.iter_mut().find(|boot| boot.boot_id == boot_id)?;
        let sequence = sequence.min(boot.last);
        boot.acknowledged = boot.acknowledged.max(sequence);
        if boot_id == self.boot_id {
            while self.recent.front().is_some_and(|oldest| oldest.sequence <= sequence) {
                self.recent.pop_front();
            }
            self.durable = self.durable.max(sequence);
        }
        Some(Acknowledged { boot_id, sequence })
    }

    /// Makes room for transitions of this boot up to `known` that were numbered before this process began and
    /// that it did not find on disk: what it numbered over them gets new numbers.
    pub(super) fn renumber_after(&mut self, known: u64) {
        if self.handed_out || known < self.first_given {
            return;
        }
        let mut sequence = known;
        for transition in &mut self.recent {
            sequence += 1;
            Arc::make_mut(transition).sequence = sequence;
        }
        self.first_given = known + 1;
        self.durable = known;
        self.current_mut().last = sequence;
    }

    /// Takes in what a replay found. The current boot stays last: history is told in order.
    pub(super) fn adopt(&mut self, boots: Vec<BootProgress>) {
        for found in boots {
            if found.boot_id == self.boot_id {
                self.renumber_after(found.last);
                let current = self.current_mut();
                current.acknowledged = current.acknowledged.max(found.acknowledged);
            } else if self.boots.iter().all(|boot| boot.boot_id != found.boot_id) {
                let before_current = self.boots.len().saturating_sub(1);
                self.boots.insert(before_current, found);
            }
        }
    }

    /// The transitions of this boot from `from` on, at most `limit`, if they are in memory and may be sent.
    pub(super) fn batch(&mut self, from: u64, sendable: u64, limit: usize) -> Option<Vec<TransitionRecord>> {
        let oldest = self.recent.front()?.sequence;
        if from < oldest {
            return None;
        }
        self.handed_out = true;
        let wanted = |transition: &&Arc<TransitionRecord>| {
            transition.sequence >= from && transition.sequence <= sendable
        };
        Some(self.recent.iter().filter(wanted).take(limit).map(|held| held.as_ref().clone()).collect())
    }

    pub(super) fn boots(&self) -> &[BootProgress] {
        &self.boots
    }

    pub(super) const fn boot_id(&self) -> Uuid {
        self.boot_id
    }

    pub(super) const fn durable(&self) -> u64 {
        self.durable
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// The highest sequence of this boot.
    pub(super) fn last(&self) -> u64 {
        self.boots.last().map_or(0, |current| current.last)
    }

    /// How many transitions of all boots no server has acknowledged.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.boots.iter().map(|boot| boot.last.saturating_sub(boot.acknowledged)).sum()
    }

    fn current_mut(&mut self) -> &mut BootProgress {
        let last = self.boots.len() - 1;
        &mut self.boots[last]
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::transition;
    use super::*;

    fn pending(last: u64, pushed: u64) -> Pending {
        let boot_id = Uuid::new_v4();
        let mut pending = Pending::new(boot_id);
        pending.adopt(vec![BootProgress { boot_id, last, acknowledged: 0 }]);
        for _ in 0..pushed {
            assert!(pending.push(transition));
        }
        pending
    }

    fn sequences(pending: &mut Pending, from: u64) -> Option<Vec<u64>> {
        let sendable = pending.last();
        let batch = pending.batch(from, sendable, 100)?;
        Some(batch.iter().map(|transition| transition.sequence).collect())
    }

    #[test]
    fn sequences_go_on_where_the_disk_left_off() {
        let mut pending = pending(41, 2);
        assert_eq!(sequences(&mut pending, 42), Some(vec![42, 43]));
        assert_eq!(sequences(&mut pending, 41), None, "older ones are on disk");
        assert_eq!(pending.unacknowledged(), 43);
    }

    #[test]
    fn nothing_that_could_be_lost_in_a_crash_is_handed_out_while_the_disk_works() {
        let mut pending = pending(0, 3);
        pending.written(2);
        let durable = pending.durable();
        let batch = pending.batch(1, durable, 100).unwrap();
        assert_eq!(batch.len(), 2);
    }

    #[test]
    fn what_is_acknowledged_leaves_memory() {
        let mut pending = pending(0, 3);
        let boot_id = pending.boot_id();
        pending.acknowledged(Acknowledged { boot_id, sequence: 2 });
        assert_eq!(pending.unwritten().len(), 1);
        assert_eq!(pending.unacknowledged(), 1);
        pending.acknowledged(Acknowledged { boot_id, sequence: 1 });
        assert_eq!(pending.unacknowledged(), 1, "an acknowledgement never goes back");
    }

    #[test]
    fn an_acknowledgement_of_what_does_not_exist_yet_covers_nothing_that_comes_later() {
        let mut pending = pending(0, 2);
        let boot_id = pending.boot_id();
        let known = pending.acknowledged(Acknowledged { boot_id, sequence: u64::MAX });
        assert_eq!(known, Some(Acknowledged { boot_id, sequence: 2 }));
        assert!(pending.push(transition));
        assert_eq!((pending.unwritten().len(), pending.unacknowledged()), (1, 1));
        assert_eq!(pending.acknowledged(Acknowledged { boot_id: Uuid::new_v4(), sequence: 1 }), None);
    }

    #[test]
    fn a_full_memory_drops_what_is_on_disk_and_refuses_when_nothing_is() {
        let capacity = u64::try_from(CAPACITY).unwrap();
        let mut pending = pending(0, capacity);
        assert!(!pending.push(transition));
        assert_eq!((pending.last(), pending.lost()), (capacity, 1), "a refused one takes no sequence");
        pending.written(1);
        assert!(pending.push(transition));
        assert_eq!(pending.last(), capacity + 1);
    }

    #[test]
    fn what_comes_first_is_numbered_first_unless_something_is_known_by_its_number() {
        for last in [0, 7] {
            let mut pending = pending(last, 2);
            let group_id = Uuid::new_v4();
            let first = TransitionRecord { group_id, ..transition(Uuid::nil(), 99) };
            assert!(pending.precede(vec![first.clone()]));
            assert_eq!(sequences(&mut pending, last + 1), Some(vec![last + 1, last + 2, last + 3]));
            let ids: Vec<_> = pending.unwritten().iter().map(|one| one.group_id).collect();
            assert_eq!(ids, [group_id, Uuid::nil(), Uuid::nil()]);
            assert_eq!((pending.last(), pending.unacknowledged()), (last + 3, last + 3));
            assert!(!pending.precede(vec![first]), "they were handed out");
        }
        let mut written = pending(0, 1);
        written.written(1);
        assert!(!written.precede(vec![transition(Uuid::nil(), 1)]));
    }

    #[test]
    fn what_the_server_knows_and_the_disk_lost_is_never_numbered_twice() {
        let mut pending = pending(0, 2);
        pending.renumber_after(5);
        assert_eq!(sequences(&mut pending, 6), Some(vec![6, 7]));
        assert_eq!(pending.unwritten().len(), 2, "under the new numbers they are not on disk");
        pending.renumber_after(6);
        assert_eq!(pending.last(), 7, "what was handed out keeps its number");
    }
}
