//! What an earlier worker of this agent left, for this one to go on with.
//!
//! A worker that is killed leaves its addresses bound. The next one finds in shared memory which groups were
//! Active, and adopts those whose last advertisement is not older than [`INTERVALS`] intervals: until then no
//! Backup on the LAN has moved. It waits that long for control to say what is desired; what is then left over is
//! removed.

use api_types::channel::DesiredGroup;
use vrrp::{Instant, Role};

use crate::shared_memory::{SharedMemory, Slot};

/// `Active_Down_Interval` without the skew (RFC 9568 §6.1).
const INTERVALS: u32 = 3;

/// The groups that an earlier worker held.
#[derive(Debug)]
pub(super) struct Predecessor {
    held: Vec<Slot>,
    pending: bool,
}

impl Predecessor {
    /// Reads what there is to adopt at `now`.
    pub(super) fn read(memory: &SharedMemory, now: Instant) -> Self {
        let held = memory.slots().map(|(_, slot)| slot).filter(|slot| is_adoptable(slot, now)).collect();
        Self { held, pending: true }
    }

    /// Until when to wait for groups to be claimed; `None` when that is over.
    pub(super) fn adopt_until(&self) -> Option<Instant> {
        let last = self.held.iter().map(expiry).max().unwrap_or(Instant::ORIGIN);
        self.pending.then_some(last)
    }

    /// Whether nothing can be adopted any more and nobody has drawn the consequence.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.adopt_until().is_some_and(|until| until <= now)
    }

    /// The slot of a group that was Active there and can go on so.
    pub(super) fn claim(&mut self, desired: &DesiredGroup, ifindex: u32, now: Instant) -> Option<Slot> {
        let is_it = |slot: &Slot| {
            let key = slot.key;
            key.group_id == desired.id
                && key.ifindex == ifindex
                && key.family == desired.family
                && key.vrid == desired.vrid
                && is_adoptable(slot, now)
        };
        let index = self.held.iter().position(is_it)?;
        Some(self.held.swap_remove(index))
    }

    /// Ends the waiting; true the first time.
    pub(super) fn give_up(&mut self) -> bool {
        self.held.clear();
        std::mem::take(&mut self.pending)
    }
}

fn is_adoptable(slot: &Slot, now: Instant) -> bool {
    slot.role == Role::Active && slot.bound && now < expiry(slot)
}

fn expiry(slot: &Slot) -> Instant {
    slot.last_sent + slot.interval * INTERVALS
}
