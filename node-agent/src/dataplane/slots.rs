//! Records in shared memory how each group stands, for the parent and for the next worker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vrrp::{Instant, Priority};

use super::address_table::{AgentNumber, HostAddress};
use super::binder::GroupHandle;
use super::group::Group;
use super::last_will;
use crate::guard::watch::BEAT_EVERY;
use crate::shared_memory::guard_state::GuardState;
use crate::shared_memory::plan_store::PlanStore;
use crate::shared_memory::{MAX_GROUPS, SharedMemory, Slot, SlotKey};

/// The slots of the groups that run.
pub(super) struct Slots {
    memory: Arc<SharedMemory>,
    agent: AgentNumber,
    used: BTreeMap<GroupHandle, Used>,
    free: BTreeSet<usize>,
    /// What an earlier worker wrote and this one has not recorded.
    left: BTreeMap<SlotKey, Left>,
    /// Slots of an earlier worker whose addresses are still being removed.
    leaving: BTreeSet<usize>,
    plans: PlanStore,
    /// How many groups hold addresses or are about to.
    held: usize,
    is_guarded: bool,
    beat_at: Instant,
}

/// The slot of a group.
#[derive(Debug)]
struct Used {
    index: usize,
    held: bool,
    /// What its plan was made from.
    plan: Option<(u64, Priority, BTreeSet<HostAddress>)>,
}

/// A slot that an earlier worker wrote.
#[derive(Debug)]
struct Left {
    index: usize,
    held: bool,
    /// Whether it says that the guard has acted, which nobody has told yet.
    fenced: bool,
}

impl Slots {
    /// No slot is used yet; what an earlier worker wrote stays until [`clear_unused`](Self::clear_unused).
    pub(super) fn new(memory: Arc<SharedMemory>, agent: AgentNumber) -> Self {
        let mut left = BTreeMap::new();
        let mut free: BTreeSet<_> = (0..MAX_GROUPS).collect();
        for (index, slot) in memory.slots() {
            left.insert(slot.key, Left { index, held: slot.held, fenced: slot.fenced.is_some() });
            free.remove(&index);
        }
        let slots = Self {
            plans: PlanStore::new(&memory),
            is_guarded: matches!(memory.guard(), Some(GuardState::Armed(_))),
            memory,
            agent,
            used: BTreeMap::new(),
            free,
            left,
            leaving: BTreeSet::new(),
            held: 0,
            beat_at: Instant::ORIGIN,
        };
        slots.tell_held();
        slots
    }

    /// Says that the dataplane is alive.
    pub(super) fn beat(&mut self, now: Instant) {
        self.memory.beat(now);
        self.beat_at = now + BEAT_EVERY;
    }

    /// When to say so again; `None` when nobody minds.
    pub(super) fn next_beat(&self) -> Option<Instant> {
        (self.is_guarded && self.number_held() > 0).then_some(self.beat_at)
    }

    /// Records how a group stands. `foreign` of its addresses are somebody else's. False when the guard cannot be told
    /// what to do for it.
    pub(super) fn record(
        &mut self,
        handle: GroupHandle,
        group: &Group,
        foreign: Option<&BTreeSet<HostAddress>>,
    ) -> bool {
        let Some(footing) = group.footing() else { return true };
        let desired = group.desired();
        let key = SlotKey {
            group_id: desired.id,
            ifindex: footing.ifindex,
            family: desired.family,
            vrid: desired.vrid,
        };
        let held = group.wants_addresses() || group.is_bound();
        let slot = Slot {
            key,
            role: group.role(),
            bound: group.is_bound(),
            last_sent: group.last_sent().unwrap_or(Instant::ORIGIN),
            since: group.since(),
            interval: desired.advertisement_interval_ms.as_duration(),
            heard: group.heard_rival_at(),
            held: held && !desired.priority.is_owner(),
            leaving: group.is_leaving(),
            source: footing.source,
            number: group.last_number(),
            boost: group.boost_in_effect(),
            entered: group.is_open(),
            fenced: None,
        };
        let mut used = match self.used.remove(&handle) {
            Some(used) => used,
            None => match self.take(&slot) {
                Some(index) => Used { index, held: false, plan: None },
                None => return false,
            },
        };
        let has_plan = !held || self.plan(&mut used, group, foreign);
        self.memory.write(used.index, &slot);
        let was_held = std::mem::replace(&mut used.held, held);
        self.used.insert(handle, used);
        if was_held != held {
            self.held = if held { self.held + 1 } else { self.held.saturating_sub(1) };
            self.tell_held();
        }
        has_plan
    }

    /// Forgets a group.
    pub(super) fn free(&mut self, handle: GroupHandle) {
        if let Some(Used { index, held, .. }) = self.used.remove(&handle) {
            self.clear(index);
            self.held -= usize::from(held);
            self.tell_held();
        }
    }

    /// Forgets every group that an earlier worker wrote and this one has not recorded; those with addresses only by
    /// [`clear_left`](Self::clear_left) if these are still being removed, and those that the guard has fenced not
    /// before they are recorded.
    pub(super) fn clear_unused(&mut self, still_removing: bool) {
        for (key, left) in std::mem::take(&mut self.left) {
            if left.held && still_removing {
                self.leaving.insert(left.index);
            } else if left.fenced && !left.held {
                self.left.insert(key, left);
            } else {
                self.clear(left.index);
            }
        }
        self.tell_held();
        self.memory.finish_adoption();
    }

    /// Whether addresses were being removed when it was last told.
    pub(super) fn has_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Everything that an earlier worker left has been removed.
    pub(super) fn clear_left(&mut self) {
        std::mem::take(&mut self.leaving).into_iter().for_each(|index| self.clear(index));
        self.tell_held();
    }

    /// Says that this thread has heard that it shall stop.
    pub(super) fn begin_stop(&self) {
        self.memory.begin_stop(std::process::id());
    }

    /// Says that this thread has left everything as it is, for another worker to go on with.
    pub(super) fn hand_over(&self) {
        self.memory.hand_over(std::process::id());
    }

    /// Says that nothing is to be guarded any longer: this thread ends.
    pub(super) fn end(&self) {
        self.memory.set_held(0);
    }

    /// An adopted group goes on in the slot that it had. So does another one unless the addresses of before are still
    /// there.
    fn take(&mut self, slot: &Slot) -> Option<usize> {
        let goes_on = |left: &Left| slot.held || !left.held;
        if self.left.get(&slot.key).is_some_and(goes_on) {
            return self.left.remove(&slot.key).map(|left| left.index);
        }
        self.free.pop_first()
    }

    /// Sees to it that the guard finds what to do for the group.
    fn plan(&mut self, used: &mut Used, group: &Group, foreign: Option<&BTreeSet<HostAddress>>) -> bool {
        let none = BTreeSet::new();
        let foreign = foreign.unwrap_or(&none);
        let (changes, priority) = (group.changes(), group.effective_priority());
        if used.plan.as_ref().is_some_and(|made| (made.0, made.1, &made.2) == (changes, priority, foreign)) {
            return true;
        }
        let Some(plan) = last_will::plan(group, foreign, self.agent) else { return true };
        used.plan = Some((changes, priority, foreign.clone()));
        self.plans.put(&self.memory, used.index, &plan)
    }

    fn clear(&mut self, index: usize) {
        self.plans.clear(&self.memory, index);
        self.memory.clear(index);
        self.free.insert(index);
    }

    fn number_held(&self) -> usize {
        self.held + self.leaving.len()
    }

    fn tell_held(&self) {
        self.memory.set_held(self.number_held());
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vrrp::{Family, Role, Vrid};

    use super::*;
    use crate::dataplane::group::{Effects, Footing};
    use crate::dataplane::test_data::desired;

    const AGENT: AgentNumber = AgentNumber(7);

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
            heard: None,
            held: false,
            leaving: false,
            source: "192.0.2.1".parse().unwrap(),
            number: None,
            boost: None,
            entered: true,
            fenced: None,
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
        let mut slots = Slots::new(Arc::clone(&memory), AGENT);
        slots.record(7, &group, None);
        assert_eq!(recorded(&memory), [(0, key(number + 1)), (2, key(number))]);
        slots.record(8, &group, None);
        assert_eq!(recorded(&memory), [(0, key(number + 1)), (1, key(number)), (2, key(number))]);

        slots.clear_unused(false);
        assert_eq!(recorded(&memory), [(1, key(number)), (2, key(number))], "nobody has claimed the other");
        slots.free(8);
        slots.record(9, &group, None);
        slots.record(10, &group, None);
        assert_eq!(recorded(&memory).iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn what_an_earlier_worker_held_counts_as_held_until_it_has_been_removed() {
        let memory = Arc::new(SharedMemory::create(Uuid::nil()).unwrap());
        memory.count_worker_start();
        let group = group();
        let number = group.desired().id.as_u128();
        memory.write(2, &Slot { held: true, ..left(number) });
        let mut slots = Slots::new(Arc::clone(&memory), AGENT);
        slots.record(7, &group, None);
        slots.clear_unused(true);
        assert!(memory.has_adopted());
        assert_eq!(
            recorded(&memory),
            [(0, key(number)), (2, key(number))],
            "a Backup, and what is left of it"
        );
        assert_eq!(memory.held(), 1);
        slots.clear_left();
        assert_eq!((recorded(&memory), memory.held()), (vec![(0, key(number))], 0));
    }

    #[test]
    fn what_the_guard_has_fenced_stays_known_until_the_group_runs_again() {
        let memory = Arc::new(SharedMemory::create(Uuid::nil()).unwrap());
        let group = group();
        memory.write(2, &left(group.desired().id.as_u128()));
        memory.mark_fenced(2, Instant::ORIGIN);
        let mut slots = Slots::new(Arc::clone(&memory), AGENT);
        slots.clear_unused(false);
        let fenced =
            || memory.slots().map(|(index, slot)| (index, slot.fenced.is_some())).collect::<Vec<_>>();
        assert_eq!(fenced(), [(2, true)]);
        slots.record(7, &group, None);
        assert_eq!(fenced(), [(2, false)]);
    }

    #[test]
    fn the_guard_knows_what_to_do_from_before_an_address_is_bound() {
        let memory = Arc::new(SharedMemory::create(Uuid::nil()).unwrap());
        memory.set_guard(&GuardState::Armed(None));
        let mut slots = Slots::new(Arc::clone(&memory), AGENT);
        let mut group = group();
        slots.record(7, &group, None);
        assert_eq!((memory.held(), slots.next_beat()), (0, None), "a Backup holds nothing");

        let mut effects = Effects::default();
        let takes_over_at = group.poll_timeout().unwrap();
        group.handle_timeout(takes_over_at, &mut effects);
        assert!(!effects.wishes.is_empty(), "it is about to bind");
        slots.record(7, &group, None);
        slots.beat(takes_over_at);
        assert_eq!((memory.held(), slots.next_beat()), (1, Some(takes_over_at + BEAT_EVERY)));
        let (index, slot) = memory.slots().next().unwrap();
        let mut plan = Vec::new();
        assert!(slot.held && memory.read_plan(index, &mut plan));
        assert_eq!(Some(plan), last_will::plan(&group, &BTreeSet::new(), AGENT));
    }
}
