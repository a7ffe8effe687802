//! Records in shared memory how each group stands, for the parent and for the next worker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vrrp::Instant;

use super::binder::GroupHandle;
use super::group::Group;
use crate::shared_memory::{MAX_GROUPS, SharedMemory, Slot, SlotKey};

/// The slots of the groups that run.
pub(super) struct Slots {
    memory: Arc<SharedMemory>,
    used: BTreeMap<GroupHandle, usize>,
    free: BTreeSet<usize>,
    /// What an earlier worker wrote and this one has not recorded.
    left: BTreeMap<SlotKey, usize>,
}

impl Slots {
    /// No slot is used yet; what an earlier worker wrote stays until [`clear_unused`](Self::clear_unused).
    pub(super) fn new(memory: Arc<SharedMemory>) -> Self {
        let left: BTreeMap<_, _> = memory.slots().map(|(index, slot)| (slot.key, index)).collect();
        let mut free: BTreeSet<_> = (0..MAX_GROUPS).collect();
        for (index, _) in memory.slots() {
            free.remove(&index);
        }
        Self { memory, used: BTreeMap::new(), free, left }
    }

    /// Says that the dataplane is alive.
    pub(super) fn beat(&self, now: Instant) {
        self.memory.beat(now);
    }

    /// Records how a group stands.
    pub(super) fn record(&mut self, handle: GroupHandle, group: &Group) {
        let Some(footing) = group.footing() else { return };
        let desired = group.desired();
        let slot = Slot {
            key: SlotKey {
                group_id: desired.id,
                ifindex: footing.ifindex,
                family: desired.family,
                vrid: desired.vrid,
            },
            role: group.role(),
            bound: group.is_bound(),
            last_sent: group.last_sent().unwrap_or(Instant::ORIGIN),
            since: group.since(),
            interval: desired.advertisement_interval_ms.as_duration(),
        };
        let index = match self.used.get(&handle) {
            Some(index) => Some(*index),
            // An adopted group goes on in the slot that it had.
            None => self.left.remove(&slot.key).or_else(|| self.free.pop_first()),
        };
        if let Some(index) = index {
            self.used.insert(handle, index);
            self.memory.write(index, &slot);
        }
    }

    /// Forgets a group.
    pub(super) fn free(&mut self, handle: GroupHandle) {
        if let Some(index) = self.used.remove(&handle) {
            self.memory.clear(index);
            self.free.insert(index);
        }
    }

    /// Forgets every group that an earlier worker wrote and this one has not recorded.
    pub(super) fn clear_unused(&mut self) {
        self.left.clear();
        let used: BTreeSet<_> = self.used.values().copied().collect();
        for index in (0..MAX_GROUPS).filter(|index| !used.contains(index) && !self.free.contains(index)) {
            self.memory.clear(index);
        }
        self.free = (0..MAX_GROUPS).filter(|index| !used.contains(index)).collect();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vrrp::{Family, Role, Vrid};

    use super::*;
    use crate::dataplane::group::Footing;
    use crate::dataplane::test_data::desired;

    fn key(number: u128) -> SlotKey {
        let vrid = Vrid::new(51).unwrap();
        SlotKey { group_id: Uuid::from_u128(number), ifindex: 3, family: Family::Ipv4, vrid }
    }

    fn left(number: u128) -> Slot {
        let (role, interval) = (Role::Active, std::time::Duration::from_millis(100));
        Slot {
            key: key(number),
            role,
            bound: true,
            last_sent: Instant::ORIGIN,
            since: Instant::ORIGIN,
            interval,
        }
    }

    fn group() -> Group {
        let mut group = Group::new(0, desired(240), Instant::ORIGIN);
        let footing = Footing {
            ifindex: 3,
            mac: [2, 0, 0, 0, 0, 1],
            own_mac: [2, 0, 0, 0, 0, 1],
            holder: Some(3),
            source: "192.0.2.1".parse().unwrap(),
            mtu: 1_500,
        };
        group.set_footing(Ok(footing), Instant::ORIGIN, &mut Default::default());
        group
    }

    fn recorded(memory: &SharedMemory) -> Vec<(usize, SlotKey)> {
        memory.slots().map(|(index, slot)| (index, slot.key)).collect()
    }

    #[test]
    fn a_group_goes_on_in_the_slot_that_it_had_and_another_gets_a_free_one() {
        let memory = Arc::new(SharedMemory::create(Uuid::nil()).unwrap());
        let group = group();
        let number = group.desired().id.as_u128();
        memory.write(0, &left(number + 1));
        memory.write(2, &left(number));
        let mut slots = Slots::new(Arc::clone(&memory));
        slots.record(7, &group);
        assert_eq!(recorded(&memory), [(0, key(number + 1)), (2, key(number))]);
        slots.record(8, &group);
        assert_eq!(recorded(&memory), [(0, key(number + 1)), (1, key(number)), (2, key(number))]);

        slots.clear_unused();
        assert_eq!(recorded(&memory), [(1, key(number)), (2, key(number))], "nobody has claimed the other");
        slots.free(8);
        slots.record(9, &group);
        slots.record(10, &group);
        assert_eq!(recorded(&memory).iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
