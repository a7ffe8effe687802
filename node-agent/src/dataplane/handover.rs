//! What an earlier worker of this agent left, for this one to go on with.
//!
//! A worker that is killed leaves its addresses bound. The next one finds in shared memory which groups were
//! Active, and adopts those whose last advertisement is not older than three intervals: until then no Backup
//! on the LAN has moved. That advertisement may be the guard's, which speaks for the groups meanwhile. It
//! waits that long for control to say what is desired; what is then left over is removed. What the guard has
//! fenced meanwhile is not adopted: the group begins as Backup, and what became of it is reported.

use std::sync::Arc;
use std::time::Duration;

use api_types::boost::Boost;
use api_types::channel::DesiredGroup;
use vrrp::{Instant, Role};

use crate::shared_memory::{SharedMemory, Slot, SlotBoost};

/// The longest interval of either version: 255 s (RFC 3768 §5.3.7).
const MAX_INTERVAL: Duration = Duration::from_secs(255);

/// The groups that an earlier worker held.
pub(super) struct Predecessor {
    memory: Arc<SharedMemory>,
    /// Which slots were held.
    held: Vec<usize>,
    fenced: Vec<Slot>,
    pending: bool,
}

/// What an earlier worker has left of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Legacy {
    /// It was Active and can go on so, with this boost.
    Adopted(Slot, Option<Boost>),
    /// It was held, until the guard fenced it.
    Fenced(Slot),
}

impl Predecessor {
    /// Reads what there is to adopt. The guard may advertise at any moment until that: what it writes is not
    /// to seem of the future, so the time is asked for after each look.
    pub(super) fn read(memory: &Arc<SharedMemory>, now: impl Fn() -> Instant) -> Self {
        let held = memory.slots().filter(|(_, slot)| is_adoptable(slot, now()));
        let fenced = memory.slots().filter(|(_, slot)| slot.fenced.is_some());
        Self {
            held: held.map(|(index, _)| index).collect(),
            fenced: fenced.map(|(_, slot)| slot).collect(),
            memory: Arc::clone(memory),
            pending: true,
        }
    }

    /// Until when to wait for groups to be claimed; `None` when that is over.
    pub(super) fn adopt_until(&self) -> Option<Instant> {
        let held = self.held.iter().filter_map(|index| self.memory.slot_at(*index));
        self.pending.then(|| held.map(|slot| slot.nobody_moves_until()).max().unwrap_or(Instant::ORIGIN))
    }

    /// Whether nothing can be adopted any more and nobody has drawn the consequence.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.adopt_until().is_some_and(|until| until <= now)
    }

    /// What is left of a group, told once. What was fenced is told however late it is asked for. The time is
    /// asked for as by [`Predecessor::read`].
    pub(super) fn claim(
        &mut self,
        desired: &DesiredGroup,
        ifindex: u32,
        now: impl Fn() -> Instant,
    ) -> Option<Legacy> {
        let is_it = |slot: &Slot| {
            let key = slot.key;
            key.group_id == desired.id
                && key.ifindex == ifindex
                && key.family == desired.family
                && key.vrid == desired.vrid
        };
        if let Some(index) = self.fenced.iter().position(is_it) {
            return Some(Legacy::Fenced(self.fenced.swap_remove(index)));
        }
        let slot = |index: &usize| self.memory.slot_at(*index).filter(|slot| is_it(slot));
        let (place, slot) =
            self.held.iter().enumerate().find_map(|(place, index)| Some((place, slot(index)?)))?;
        self.held.swap_remove(place);
        is_adoptable(&slot, now()).then(|| Legacy::Adopted(slot, self.boost(&slot)))
    }

    /// It was made for this boot of the agent: no other one has this memory.
    fn boost(&self, slot: &Slot) -> Option<Boost> {
        let SlotBoost { priority, sequence, switchover_id } = slot.boost?;
        let (group_id, boot_id) = (slot.key.group_id, self.memory.boot_id());
        Some(Boost { group_id, switchover_id, sequence, boot_id, priority })
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
    let is_whole = slot.role == Role::Active && slot.bound && slot.fenced.is_none();
    is_whole && is_credible && now < slot.nobody_moves_until()
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

    fn memory(role: Role, bound: bool) -> Arc<SharedMemory> {
        let memory = Arc::new(SharedMemory::create(Uuid::nil()).unwrap());
        let key = SlotKey {
            group_id: Uuid::from_u128(1),
            ifindex: 3,
            family: Family::Ipv4,
            vrid: Vrid::new(51).unwrap(),
        };
        let (last_sent, since) = (Instant::from_origin(SENT), Instant::from_origin(SENT / 2));
        let interval = Duration::from_millis(100);
        let slot = Slot {
            key,
            role,
            bound,
            last_sent,
            since,
            interval,
            heard: None,
            held: bound,
            leaving: false,
            source: "192.0.2.1".parse().unwrap(),
            number: None,
            boost: None,
            entered: true,
            fenced: None,
        };
        memory.write(0, &slot);
        memory
    }

    #[test]
    fn what_was_active_is_adopted_until_a_backup_may_have_moved() {
        let memory = memory(Role::Active, true);
        let just_in_time = at(Duration::from_millis(299));
        let mut predecessor = Predecessor::read(&memory, || just_in_time);
        assert_eq!(predecessor.adopt_until(), Some(at(Duration::from_millis(300))));
        let claimed = predecessor.claim(&desired(240), 3, || just_in_time);
        let Some(Legacy::Adopted(slot, None)) = claimed else { panic!("{claimed:?}") };
        assert_eq!(slot.last_sent, Instant::from_origin(SENT));

        let too_late = at(Duration::from_millis(300));
        assert_eq!(Predecessor::read(&memory, || too_late).claim(&desired(240), 3, || too_late), None);
    }

    #[test]
    fn nothing_else_is_adopted() {
        let now = at(Duration::from_millis(1));
        let claim = |memory: &Arc<SharedMemory>, desired: &DesiredGroup, ifindex| {
            Predecessor::read(memory, || now).claim(desired, ifindex, || now)
        };
        let active = memory(Role::Active, true);
        assert_eq!(claim(&memory(Role::Backup, false), &desired(240), 3), None, "it was not Active");
        assert_eq!(claim(&memory(Role::Active, false), &desired(240), 3), None, "it held nothing");
        assert_eq!(claim(&active, &desired(240), 4), None, "another interface");
        let another = DesiredGroup { id: Uuid::from_u128(2), ..desired(240) };
        assert_eq!(claim(&active, &another, 3), None, "another group");
    }

    #[test]
    fn what_the_guard_has_fenced_is_told_once_and_not_adopted() {
        let memory = memory(Role::Active, true);
        let now = at(Duration::from_millis(1));
        memory.mark_fenced(0, now);
        for released in [false, true] {
            if released {
                memory.mark_released(0, now);
            }
            let mut predecessor = Predecessor::read(&memory, || now);
            assert!(predecessor.is_overdue(now) && predecessor.give_up(), "nothing is waited for");
            let claimed = predecessor.claim(&desired(240), 3, || now);
            assert!(matches!(claimed, Some(Legacy::Fenced(slot)) if slot.fenced.is_some()), "{claimed:?}");
            assert_eq!(predecessor.claim(&desired(240), 3, || now), None);
        }
    }

    #[test]
    fn what_the_guard_advertises_meanwhile_counts() {
        let memory = memory(Role::Active, true);
        let mut predecessor = Predecessor::read(&memory, || at(Duration::from_millis(50)));
        memory.mark_sent(0, at(Duration::from_millis(400)), Some(7));
        let now = at(Duration::from_millis(699));
        assert_eq!(predecessor.adopt_until(), Some(at(Duration::from_millis(700))));
        let claimed = predecessor.claim(&desired(240), 3, || now);
        let Some(Legacy::Adopted(slot, None)) = claimed else { panic!("{claimed:?}") };
        assert_eq!((slot.last_sent, slot.number), (at(Duration::from_millis(400)), Some(7)));
    }

    #[test]
    fn what_the_guard_advertises_in_the_moment_of_the_claim_is_not_of_the_future() {
        let memory = memory(Role::Active, true);
        let interrupted = || {
            memory.mark_sent(0, at(Duration::from_millis(51)), Some(7));
            at(Duration::from_millis(50))
        };
        let mut predecessor = Predecessor::read(&memory, interrupted);
        let claimed = predecessor.claim(&desired(240), 3, || at(Duration::from_millis(52)));
        assert!(matches!(claimed, Some(Legacy::Adopted(..))), "{claimed:?}");

        let mut predecessor = Predecessor::read(&memory, || at(Duration::from_millis(52)));
        memory.mark_sent(0, at(Duration::from_millis(90)), Some(8));
        let interrupted = || {
            memory.mark_sent(0, at(Duration::from_millis(101)), Some(9));
            at(Duration::from_millis(100))
        };
        let claimed = predecessor.claim(&desired(240), 3, interrupted);
        assert!(matches!(claimed, Some(Legacy::Adopted(..))), "{claimed:?}");
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
            let mut predecessor = Predecessor::read(&memory, || now);
            assert!(predecessor.is_overdue(now), "nothing is waited for");
            assert_eq!(predecessor.claim(&desired(240), 3, || now), None);
        }
    }

    #[test]
    fn the_wait_for_control_ends_once() {
        let mut predecessor = Predecessor::read(&memory(Role::Active, true), || at(Duration::ZERO));
        assert!(!predecessor.is_overdue(at(Duration::from_millis(299))));
        assert!(predecessor.is_overdue(at(Duration::from_millis(300))));
        assert!(predecessor.give_up());
        assert!(!predecessor.give_up());
        assert!(!predecessor.is_overdue(at(Duration::from_secs(9))));
    }
}
