//! Records in shared memory how each group stands, for the parent and for the next worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use vrrp::Instant;

use super::binder::GroupHandle;
use super::group::Group;
use crate::shared_memory::{SharedMemory, Slot, SlotKey};

/// The slots of the groups that run.
pub(super) struct Slots {
    memory: Arc<SharedMemory>,
    used: BTreeMap<GroupHandle, usize>,
}

impl Slots {
    /// No slot is used yet; what an earlier worker wrote stays until [`clear_unused`](Self::clear_unused).
    pub(super) const fn new(memory: Arc<SharedMemory>) -> Self {
        Self { memory, used: BTreeMap::new() }
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
            None => self.slot_of(&slot.key).or_else(|| self.memory.free_slot()),
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
        }
    }

    /// Forgets every group that an earlier worker wrote and this one has not recorded.
    pub(super) fn clear_unused(&self) {
        let unused = self
            .memory
            .slots()
            .map(|(index, _)| index)
            .filter(|index| !self.used.values().any(|used| used == index));
        unused.for_each(|index| self.memory.clear(index));
    }

    fn slot_of(&self, key: &SlotKey) -> Option<usize> {
        let unused = |index: &usize| !self.used.values().any(|used| used == index);
        self.memory.slots().find(|(index, slot)| slot.key == *key && unused(index)).map(|(index, _)| index)
    }
}
