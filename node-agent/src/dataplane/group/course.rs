//! What a group is told to be, and the ground it stands on: how it begins, changes, faults and leaves.

use api_types::agent_status::GroupCounters;
use api_types::assist::LetGoReason;
use api_types::boost::Boost;
use api_types::channel::DesiredGroup;
use api_types::transition::{State, TransitionReason};
use vrrp::{Claim, Config, Instance, Instant, Role};

use super::{Departure, Effects, Footing, Group, let_go};
use crate::dataplane::fault::Fault;
use crate::dataplane::transition_log::WaitsFor;
use crate::dataplane::translate;
use crate::shared_memory::Slot;

impl Group {
    /// The interface offers this footing, or this fault keeps it from offering any. Starts, stops and moves the
    /// instance accordingly.
    pub(in super::super) fn set_footing(
        &mut self,
        footing: Result<Footing, Fault>,
        now: Instant,
        effects: &mut Effects,
    ) {
        match footing {
            Ok(footing) => self.stand_on(footing, now, effects),
            Err(fault) if self.departure.is_some() => {
                self.note_fault(&fault, now);
                if let Some(instance) = &mut self.instance {
                    instance.fault();
                }
                self.drain(now, effects);
            }
            Err(fault) => self.enter_fault(fault, now, effects),
        }
    }

    /// Goes on as Active where an earlier worker left off; with this boost, if it had one.
    pub(in super::super) fn adopt(
        &mut self,
        footing: Footing,
        slot: &Slot,
        boost: Option<Boost>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let Some(config) = self.config_on(footing) else { return };
        let mut instance = Instance::new(config);
        if let Some(boost) = boost.filter(|boost| slot.is_boosted_by(boost)) {
            self.resume_boost(boost, &mut instance);
        }
        instance.adopt(now, slot.last_sent);
        self.settles = true;
        self.instance = Some(instance);
        (self.footing, self.state, self.since) = (Some(footing), State::Active, slot.since);
        self.last_sent = Some(slot.last_sent);
        self.number_from(slot.number);
        self.changes += 1;
        self.adopt_entry(slot.entered, now, effects);
        self.wish(effects);
        self.drain(now, effects);
        self.take_part(now, effects);
    }

    /// Was Active, until the guard took its addresses away.
    pub(in super::super) fn follow_fence(&mut self, slot: &Slot, effects: &mut Effects) {
        let Some(fenced) = slot.fenced.filter(|_| slot.role == Role::Active) else { return };
        if fenced.released.is_some() {
            self.say_what_was_let_go(slot, LetGoReason::Guard, effects);
        }
        (self.state, self.since) = (State::Active, slot.since);
        self.record(State::Initialize, TransitionReason::Guard, WaitsFor::Release, fenced.at);
        if let Some(at) = fenced.released {
            self.transitions.released(at);
        }
    }

    /// Was Active, and when the worker that knew it had died its interface failed.
    pub(in super::super) fn follow_loss(&mut self, slot: &Slot, fault: &Fault, effects: &mut Effects) {
        (self.state, self.since) = (State::Active, slot.since);
        if let Some(reason) = let_go::reason(fault) {
            self.say_what_was_let_go(slot, reason, effects);
        }
    }

    /// Takes over another desired state of the same virtual router on the same interface, which offers this
    /// footing now. A group of another id takes the place of the old one, in whatever state that is.
    pub(in super::super) fn change(
        &mut self,
        desired: DesiredGroup,
        footing: Result<Footing, Fault>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let (wanted, stood_on) = (self.wanted(), self.footing);
        let had_hook = self.desired.pre_active.is_some();
        self.changes += 1;
        if self.desired.id == desired.id {
            self.desired = desired;
        } else {
            self.succeed(desired, now);
        }
        self.judge_checks();
        self.peers = translate::unicast_peers(&self.desired);
        self.members = translate::members(&self.desired);
        self.choose_checksum();
        self.follow_pre_active(had_hook, effects);
        if let Ok(footing) = footing
            && self.footing.is_some_and(|old| old.ifindex == footing.ifindex)
        {
            self.footing = Some(footing);
            self.reconfigure(now, effects);
        }
        self.set_footing(footing, now, effects);
        self.follow_mac(stood_on, effects);
        self.follow_wanted(wanted.as_ref(), effects);
        if self.wanted() != wanted {
            self.end_bind_fault(now, effects);
            if let Some(instance) = &mut self.instance {
                instance.forget_failure();
            }
        }
    }

    /// Leaves: an Active member hands over first.
    pub(in super::super) fn leave(&mut self, departure: Departure, now: Instant, effects: &mut Effects) {
        self.departure = Some(departure);
        self.fault = None;
        if let Some(instance) = &mut self.instance {
            instance.stop(now);
        }
        self.drain(now, effects);
        if self.role() == Role::Initialize {
            self.become_state(State::Initialize, translate::reason_of(departure), now);
        }
    }

    /// Leaves without handing over: another group takes its place on the wire.
    pub(in super::super) fn leave_at_once(
        &mut self,
        departure: Departure,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.departure = Some(departure);
        self.fault = None;
        if let Some(instance) = &mut self.instance {
            instance.fault();
        }
        self.drain(now, effects);
        self.become_state(State::Initialize, translate::reason_of(departure), now);
    }

    /// Another group stands where this one stood. The one has ended and the other begun, and nothing has moved.
    fn succeed(&mut self, desired: DesiredGroup, now: Instant) {
        let state = self.state;
        let reason = self.fault.as_ref().map_or(TransitionReason::Reconfigured, Fault::reason);
        self.record(State::Initialize, TransitionReason::Removed, WaitsFor::Nothing, now);
        self.desired = desired;
        self.counters = GroupCounters::default();
        self.record(state, reason, WaitsFor::Nothing, now);
    }

    fn stand_on(&mut self, footing: Footing, now: Instant, effects: &mut Effects) {
        let stood_on = self.footing;
        let moved = stood_on.is_some_and(|old| old.ifindex != footing.ifindex);
        let changed = self.footing != Some(footing);
        if moved && let Some(instance) = &mut self.instance {
            instance.fault();
            self.drain(now, effects);
        }
        let wanted = self.wanted();
        self.footing = Some(footing);
        self.changes += u64::from(changed);
        let was_lame = self.fault.as_ref().is_some_and(|fault| !fault.is_of_attempt() && !fault.is_of_set());
        if was_lame {
            self.fault = None;
            if self.verdict.fault.is_none() {
                self.become_state(State::Initialize, TransitionReason::FaultCleared, now);
            }
        }
        if changed {
            self.reconfigure(now, effects);
        }
        self.follow_mac(stood_on, effects);
        self.follow_wanted(wanted.as_ref(), effects);
        if self.departure.is_some() {
            return;
        }
        if self.instance.is_none() {
            self.instance = self.config_on(footing).map(Instance::new);
            if let Some(instance) = &mut self.instance
                && let Some(until) = self.flaps.back(instance.active_down_interval(), now)
            {
                instance.hold_off(until);
            }
        }
        self.take_part(now, effects);
    }

    /// Takes part; or, while it is drained or fails a check, hands over like one that leaves and then takes none.
    pub(super) fn take_part(&mut self, now: Instant, effects: &mut Effects) {
        if self.departure.is_some() {
            return;
        }
        // What could not be held is not asked for any longer.
        if self.desired.drained && self.fault.as_ref().is_some_and(Fault::is_of_attempt) {
            self.fault = None;
        }
        self.follow_hold(now);
        self.drain(now, effects);
        self.follow_check_fault(now);
    }

    /// The neighbours have learnt the MAC address of before. They are told of another one when it answers.
    fn follow_mac(&mut self, before: Option<Footing>, effects: &mut Effects) {
        let (Some(old), Some(new)) = (before, self.footing) else { return };
        if self.role() != Role::Active || old.ifindex != new.ifindex || old.mac == new.mac {
            return;
        }
        if old.holder == new.holder {
            effects.announcements.push(self.handle);
        } else {
            self.announces_once_held = true;
        }
    }

    fn enter_fault(&mut self, fault: Fault, now: Instant, effects: &mut Effects) {
        if self.fault.as_ref() == Some(&fault) {
            return;
        }
        // The interface of an owner that has lost its addresses still carries the word that lets a Backup take over.
        if fault == Fault::AddressNotOwned
            && self.role() == Role::Active
            && self.frame(Claim::Resigns.into()).is_some()
        {
            effects.advertisements.push((self.handle, Claim::Resigns.into()));
        }
        self.note_fault(&fault, now);
        self.fault = Some(fault);
        self.say_why(effects);
        if let Some(instance) = &mut self.instance {
            instance.fault();
        }
        self.drain(now, effects);
        self.say_let_go(effects);
        if let Some(fault) = &self.fault {
            self.become_state(State::Fault, fault.reason(), now);
        }
        // It begins anew, with the settings of that time.
        self.instance = None;
    }

    /// Tells people what the word for the transition does not: what the kernel refused.
    pub(super) fn say_why(&self, effects: &mut Effects) {
        let refused = self
            .fault
            .as_ref()
            .filter(|fault| fault.is_of_attempt() || matches!(fault, Fault::NoVirtualMac(_)));
        let DesiredGroup { name, interface, .. } = &self.desired;
        effects.notices.extend(refused.map(|fault| format!("group {name}: {}", fault.describe(interface))));
    }

    /// Whether it waits behind another router although it might try again what could not be held: it is a Backup like any
    /// other. One that is to preempt stays in fault until an attempt succeeds.
    pub(super) fn waits_without_failing(&self, now: Instant) -> bool {
        self.instance.as_ref().is_some_and(|instance| {
            let waits = instance.active_source().is_some() && instance.preempts_from().is_none();
            waits && instance.retries_from() <= now
        })
    }

    /// What could not be held is held, or is not what matters any longer.
    pub(super) fn end_bind_fault(&mut self, now: Instant, effects: &mut Effects) {
        if self.fault.as_ref().is_some_and(Fault::is_of_attempt) {
            self.fault = None;
            self.become_state(State::Backup, TransitionReason::FaultCleared, now);
            effects.touched.insert(self.handle);
            effects.news = true;
        }
    }

    /// Lets go without a word and listens, for this reason: another may answer for the addresses by now.
    pub(in super::super) fn lapse(&mut self, reason: TransitionReason, now: Instant, effects: &mut Effects) {
        let has_lost_them = reason == TransitionReason::AddressLease;
        self.lets_go(if has_lost_them { LetGoReason::Fault } else { LetGoReason::SelfCheck });
        if let Some(instance) = &mut self.instance {
            instance.lapse(now);
        }
        self.due = None;
        self.lapse = Some(reason);
        self.drain(now, effects);
        self.lapse = None;
    }

    /// The settings of the protocol where it stands.
    pub(super) fn config_on(&self, footing: Footing) -> Option<Config> {
        translate::config_at(&self.desired, self.checked_priority(), footing.source)
            .map(|config| config.within(footing.mtu))
    }

    pub(super) fn reconfigure(&mut self, now: Instant, effects: &mut Effects) {
        self.frame = None;
        self.changes += 1;
        effects.touched.insert(self.handle);
        effects.news = true;
        let Some(config) = self.footing.and_then(|footing| self.config_on(footing)) else { return };
        let Some(instance) = &mut self.instance else { return };
        let same_router = instance.reconfigure(config, now);
        self.heard.judge_by(instance.config());
        debug_assert!(same_router.is_ok(), "a group keeps its VRID, family and version while it runs");
        self.drain(now, effects);
    }
}
