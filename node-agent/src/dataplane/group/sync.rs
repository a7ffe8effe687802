//! A group that is Active together with the others of its sync group, or not at all.

use api_types::Name;
use api_types::transition::{State, TransitionReason};
use vrrp::{Instance, Instant, Role};

use super::{Effects, Group};
use crate::dataplane::fault::Fault;

impl Group {
    /// The sync group that it goes by. One that leaves for good, and an owner, go by none.
    pub(in super::super) fn sync_group(&self) -> Option<&Name> {
        let goes_by_it = self.departure.is_none() && !self.desired.priority.is_owner();
        self.desired.sync_group.as_ref().filter(|_| goes_by_it)
    }

    /// The protocol's instance, if it takes part.
    pub(in super::super) const fn instance(&self) -> Option<&Instance> {
        self.instance.as_ref()
    }

    /// The same, for its sync group to move and to [give back](Self::take_back).
    pub(in super::super) const fn lend_instance(&mut self) -> Option<Instance> {
        self.instance.take()
    }

    /// What was lent is back.
    pub(in super::super) fn take_back(&mut self, instance: Option<Instance>) {
        self.instance = instance;
    }

    /// Whether something of its own keeps it from taking part.
    pub(in super::super) fn is_lame(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| !fault.is_of_set()) || self.verdict.fault.is_some()
    }

    /// Carries out what the others of its sync group have moved it to. While one of them is `lame` this one is in fault.
    pub(in super::super) fn follow_set(&mut self, lame: Option<&Name>, now: Instant, effects: &mut Effects) {
        match (lame, &self.fault) {
            (Some(lame), None) if self.verdict.fault.is_none() => {
                self.fault = Some(Fault::SyncGroup(lame.to_string()));
                effects.news = true;
                if self.role() != Role::Active {
                    self.become_state(State::Fault, TransitionReason::SyncGroup, now);
                }
            }
            (None, Some(Fault::SyncGroup(_))) => self.end_set_fault(now, effects),
            _ => {}
        }
        self.drain(now, effects);
    }

    /// Decides for itself again.
    pub(in super::super) fn leave_set(&mut self, now: Instant, effects: &mut Effects) {
        if let Some(instance) = &mut self.instance {
            instance.leave_set(now);
        }
        if self.fault.as_ref().is_some_and(Fault::is_of_set) {
            self.end_set_fault(now, effects);
        }
        self.drain(now, effects);
    }

    fn end_set_fault(&mut self, now: Instant, effects: &mut Effects) {
        self.fault = None;
        effects.news = true;
        let state = match self.role() {
            Role::Active => return,
            _ if self.verdict.fault.is_some() => return,
            Role::Backup => State::Backup,
            Role::Initialize => State::Initialize,
        };
        self.become_state(state, TransitionReason::FaultCleared, now);
    }
}
