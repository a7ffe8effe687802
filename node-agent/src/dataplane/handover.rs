//! What an earlier worker of this agent left, for this one to go on with.
//!
//! A worker that is killed leaves its addresses bound. The next one finds in shared memory which groups were
//! Active, and adopts those whose last advertisement is not older than [`INTERVALS`] intervals: until then no
//! Backup on the LAN has moved. It waits that long for control to say what is desired; what is then left over is
//! removed.

use std::time::Duration;

use api_types::channel::DesiredGroup;
use vrrp::{Instant, Role};

use crate::shared_memory::{SharedMemory, Slot};

/// `Active_Down_Interval` without the skew (RFC 9568 §6.1).
const INTERVALS: u32 = 3;
/// The longest interval of either version: 255 s (RFC 3768 §5.3.7).
const MAX_INTERVAL: Duration = Duration::from_secs(255);

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

/// A time that has not come yet, or a longer interval than the protocol knows, is no record of a worker.
fn is_adoptable(slot: &Slot, now: Instant) -> bool {
    let is_credible = slot.last_sent <= now && slot.interval <= MAX_INTERVAL;
    slot.role == Role::Active && slot.bound && is_credible && now < expiry(slot)
}

fn expiry(slot: &Slot) -> Instant {
    slot.last_sent + slot.interval * INTERVALS
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vrrp::{Family, Vrid};

    use super::*;
    use crate::dataplane::test_data::desired;
    use crate::shared_memory::SlotKey;

    const SENT: Duration = Duration::from_secs(100);

    fn at(after_sent: Duration) -> Instant {
        Instant::from_origin(SENT + after_sent)
    }

    fn memory(role: Role, bound: bool) -> SharedMemory {
        let memory = SharedMemory::create(Uuid::nil()).unwrap();
        let key = SlotKey {
            group_id: Uuid::from_u128(1),
            ifindex: 3,
            family: Family::Ipv4,
            vrid: Vrid::new(51).unwrap(),
        };
        let (last_sent, since) = (Instant::from_origin(SENT), Instant::from_origin(SENT / 2));
        memory.write(0, &Slot { key, role, bound, last_sent, since, interval: Duration::from_millis(100) });
        memory
    }

    #[test]
    fn what_was_active_is_adopted_until_a_backup_may_have_moved() {
        let memory = memory(Role::Active, true);
        let just_in_time = at(Duration::from_millis(299));
        let mut predecessor = Predecessor::read(&memory, just_in_time);
        assert_eq!(predecessor.adopt_until(), Some(at(Duration::from_millis(300))));
        let slot = predecessor.claim(&desired(240), 3, just_in_time).expect("adopted");
        assert_eq!(slot.last_sent, Instant::from_origin(SENT));

        let too_late = at(Duration::from_millis(300));
        assert_eq!(Predecessor::read(&memory, too_late).claim(&desired(240), 3, too_late), None);
    }

    #[test]
    fn nothing_else_is_adopted() {
        let now = at(Duration::from_millis(1));
        let claim = |memory: &SharedMemory, desired: &DesiredGroup, ifindex| {
            Predecessor::read(memory, now).claim(desired, ifindex, now)
        };
        let active = memory(Role::Active, true);
        assert_eq!(claim(&memory(Role::Backup, false), &desired(240), 3), None, "it was not Active");
        assert_eq!(claim(&memory(Role::Active, false), &desired(240), 3), None, "it held nothing");
        assert_eq!(claim(&active, &desired(240), 4), None, "another interface");
        let another = DesiredGroup { id: Uuid::from_u128(2), ..desired(240) };
        assert_eq!(claim(&active, &another, 3), None, "another group");
    }

    #[test]
    fn what_no_worker_can_have_written_is_not_adopted() {
        let memory = memory(Role::Active, true);
        let (index, written) = memory.slots().next().expect("a slot");
        let now = at(Duration::from_millis(1));
        for damaged in [
            Slot { last_sent: at(Duration::from_secs(1)), ..written },
            Slot { interval: Duration::from_nanos(u64::MAX), ..written },
        ] {
            memory.write(index, &damaged);
            let mut predecessor = Predecessor::read(&memory, now);
            assert!(predecessor.is_overdue(now), "nothing is waited for");
            assert_eq!(predecessor.claim(&desired(240), 3, now), None);
        }
    }

    #[test]
    fn the_wait_for_control_ends_once() {
        let mut predecessor = Predecessor::read(&memory(Role::Active, true), at(Duration::ZERO));
        assert!(!predecessor.is_overdue(at(Duration::from_millis(299))));
        assert!(predecessor.is_overdue(at(Duration::from_millis(300))));
        assert!(predecessor.give_up());
        assert!(!predecessor.give_up());
        assert!(!predecessor.is_overdue(at(Duration::from_secs(9))));
    }
}
