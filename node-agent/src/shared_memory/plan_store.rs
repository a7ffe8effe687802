//! Room for what the guard would do for each group.
//!
//! A new plan is written to room that no plan lies in, and only then does the slot point to it, in one word: whoever
//! reads the slot finds the old plan or the new one, whole.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::{MAX_GROUPS, SharedMemory};

/// How much room there is, in words: 16 MiB, of which the kernel gives only what is written to. 1,000 groups with
/// one address each take less than 300 KiB.
pub(super) const PLAN_WORDS: usize = 2 * 1024 * 1024;

const OCTETS_PER_WORD: usize = size_of::<u64>();

/// Where a plan lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first word.
    start: u32,
    /// How many octets it has.
    octets: u32,
}

impl Extent {
    /// `None` for the word of a slot that has no plan.
    pub(super) fn from_word(word: u64) -> Option<Self> {
        let [octets, start] =
            [word & u64::from(u32::MAX), word >> 32].map(|half| u32::try_from(half).unwrap_or(0));
        (octets > 0).then_some(Self { start, octets })
    }

    pub(super) fn to_word(self) -> u64 {
        u64::from(self.start) << 32 | u64::from(self.octets)
    }

    fn first(self) -> usize {
        usize::try_from(self.start).unwrap_or(usize::MAX)
    }

    fn words(self) -> usize {
        usize::try_from(self.octets).map_or(0, |octets| octets.div_ceil(OCTETS_PER_WORD))
    }
}

impl SharedMemory {
    /// The fence plan of a slot, appended to `buffer`; false when it has none.
    pub(crate) fn read_plan(&self, index: usize, buffer: &mut Vec<u8>) -> bool {
        let Some(extent) = self.plan_extent(index) else { return false };
        let Some(words) = self.plans().get(extent.first()..extent.first().saturating_add(extent.words()))
        else {
            return false;
        };
        let end = buffer.len() + usize::try_from(extent.octets).unwrap_or(0);
        for word in words {
            buffer.extend(word.load(Ordering::Relaxed).to_le_bytes());
        }
        buffer.truncate(end);
        true
    }
}

/// Which room is free, as the dataplane keeps it.
#[derive(Debug)]
pub(crate) struct PlanStore {
    /// The first word of each stretch of free words, and how many they are.
    free: BTreeMap<usize, usize>,
}

impl PlanStore {
    /// Free is what no slot points to.
    pub(crate) fn new(memory: &SharedMemory) -> Self {
        let mut taken: Vec<_> = (0..MAX_GROUPS).filter_map(|index| memory.plan_extent(index)).collect();
        taken.sort_by_key(|extent| extent.start);
        let mut free = BTreeMap::new();
        let mut next = 0;
        for extent in taken {
            if extent.first() > next {
                free.insert(next, extent.first() - next);
            }
            next = next.max(extent.first().saturating_add(extent.words()));
        }
        if next < PLAN_WORDS {
            free.insert(next, PLAN_WORDS - next);
        }
        Self { free }
    }

    /// Has the slot point to this plan; false, and the slot has none, when there is no room.
    pub(crate) fn put(&mut self, memory: &SharedMemory, index: usize, plan: &[u8]) -> bool {
        let old = memory.plan_extent(index);
        let new = self.take(plan.len());
        if let Some(extent) = new {
            let words = memory.plans().iter().skip(extent.first());
            for (word, octets) in words.zip(plan.chunks(OCTETS_PER_WORD)) {
                let mut value = [0; OCTETS_PER_WORD];
                value[..octets.len()].copy_from_slice(octets);
                word.store(u64::from_le_bytes(value), Ordering::Relaxed);
            }
        }
        memory.set_plan(index, new);
        if let Some(old) = old {
            self.give_back(old);
        }
        new.is_some()
    }

    /// Forgets the plan of a slot.
    pub(crate) fn clear(&mut self, memory: &SharedMemory, index: usize) {
        if let Some(old) = memory.plan_extent(index) {
            memory.set_plan(index, None);
            self.give_back(old);
        }
    }

    fn take(&mut self, octets: usize) -> Option<Extent> {
        let words = octets.div_ceil(OCTETS_PER_WORD);
        let (&start, &length) = self.free.iter().find(|(_, length)| **length >= words && words > 0)?;
        self.free.remove(&start);
        if length > words {
            self.free.insert(start + words, length - words);
        }
        Some(Extent { start: start.try_into().ok()?, octets: octets.try_into().ok()? })
    }

    fn give_back(&mut self, extent: Extent) {
        let (mut start, mut length) = (extent.first(), extent.words());
        if let Some((&before, &words)) = self.free.range(..start).next_back()
            && before + words == start
        {
            self.free.remove(&before);
            (start, length) = (before, words + length);
        }
        if let Some(words) = self.free.remove(&(start + length)) {
            length += words;
        }
        self.free.insert(start, length);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn plan(memory: &SharedMemory, index: usize) -> Vec<u8> {
        let mut buffer = Vec::new();
        memory.read_plan(index, &mut buffer);
        buffer
    }

    #[test]
    fn each_slot_has_its_newest_plan_and_the_room_of_old_ones_is_used_again() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        let mut store = PlanStore::new(&memory);
        for round in 0_u8..100 {
            for index in 0_u8..10 {
                let octets = vec![round ^ index; usize::from(index) * 37 + usize::from(round % 7) + 1];
                assert!(store.put(&memory, index.into(), &octets));
                assert_eq!(plan(&memory, index.into()), octets);
            }
        }
        let highest = store.free.keys().max().copied().unwrap();
        assert!(highest < 1_000, "{highest} words for ten plans of at most 47");
        (0..10).for_each(|index| store.clear(&memory, index));
        assert_eq!(store.free, BTreeMap::from([(0, PLAN_WORDS)]));
        assert!(plan(&memory, 3).is_empty());
    }

    #[test]
    fn the_next_worker_writes_over_no_plan_that_a_slot_points_to() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        let mut store = PlanStore::new(&memory);
        for index in 0..3 {
            assert!(store.put(&memory, index, &[7; 100]));
        }
        store.clear(&memory, 1);
        let mut next = PlanStore::new(&memory);
        assert_eq!(next.free, store.free);
        assert!(next.put(&memory, 1, &[9; 2_000]));
        assert_eq!((plan(&memory, 0), plan(&memory, 2)), (vec![7; 100], vec![7; 100]));
    }

    #[test]
    fn a_plan_for_which_there_is_no_room_is_none() {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        let mut store = PlanStore::new(&memory);
        assert!(store.put(&memory, 0, &[1; 8]));
        assert!(!store.put(&memory, 0, &vec![2; PLAN_WORDS * OCTETS_PER_WORD + 1]));
        assert!(plan(&memory, 0).is_empty());
        assert_eq!(store.free, BTreeMap::from([(0, PLAN_WORDS)]));
    }
}
