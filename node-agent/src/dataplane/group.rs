//! One group as this node runs it: the protocol's instance, and what the rest of the agent wants to know of it.
//!
//! Pure: a group is told what happened and when, and leaves what is to be done in [`Effects`].

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use api_types::agent_status::GroupCounters;
use api_types::channel::DesiredGroup;
use api_types::transition::{State, TransitionReason};
use vrrp::{Action, Advertisement, Change, Claim, Instance, Instant, Role};

use super::address_table::{AddressError, HostAddress};
use super::binder::{GroupHandle, Wish};
use super::fault::Fault;
use super::transition_log::{TransitionLog, WaitsFor};
use super::translate;
use super::transmit::PrebuiltAdvertisement;
use crate::messages::ObservedTransition;
use crate::sys::clock;

/// Where a group runs: what its interface offers it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footing {
    /// The interface.
    pub(super) ifindex: u32,
    /// Its MAC address.
    pub(super) mac: [u8; 6],
    /// The address to advertise from.
    pub(super) source: IpAddr,
}

/// Why a group leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// It is no longer desired.
    Removed,
    /// It goes on as another virtual router.
    Reconfigured,
    /// The agent stops.
    Stopped,
}

/// What is to be done, in the order in which each list was filled.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Advertisements to send.
    pub(super) advertisements: Vec<(GroupHandle, Claim)>,
    /// What groups want to hold, or that they want nothing.
    pub(super) wishes: Vec<(GroupHandle, Option<Wish>)>,
    /// Groups to announce.
    pub(super) announcements: Vec<GroupHandle>,
    /// Groups of which shared memory is to say something else.
    pub(super) touched: BTreeSet<GroupHandle>,
    /// Whether control is to hear how things stand.
    pub(super) news: bool,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    handle: GroupHandle,
    desired: DesiredGroup,
    footing: Option<Footing>,
    instance: Option<Instance>,
    state: State,
    since: Instant,
    fault: Option<Fault>,
    departure: Option<Departure>,
    bound_at: Option<Instant>,
    last_sent: Option<Instant>,
    frame: Option<PrebuiltAdvertisement>,
    transitions: TransitionLog,
    /// What was sent, heard and dropped.
    pub(super) counters: GroupCounters,
}

impl Group {
    /// A group that takes no part yet.
    pub(super) fn new(handle: GroupHandle, desired: DesiredGroup, now: Instant) -> Self {
        Self {
            handle,
            desired,
            footing: None,
            instance: None,
            state: State::Initialize,
            since: now,
            fault: None,
            departure: None,
            bound_at: None,
            last_sent: None,
            frame: None,
            transitions: TransitionLog::default(),
            counters: GroupCounters::default(),
        }
    }

    /// What it was told to be.
    pub(super) const fn desired(&self) -> &DesiredGroup {
        &self.desired
    }

    /// Where it runs, if it can.
    pub(super) const fn footing(&self) -> Option<Footing> {
        self.footing
    }

    /// The state of this member.
    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// Since when it has this state.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    /// Why it is in fault, if it is.
    pub(super) const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The protocol's role.
    pub(super) fn role(&self) -> Role {
        self.instance.as_ref().map_or(Role::Initialize, Instance::role)
    }

    /// Whether all addresses are bound, as far as this group has heard.
    pub(super) const fn is_bound(&self) -> bool {
        self.bound_at.is_some()
    }

    /// When its last advertisement left.
    pub(super) const fn last_sent(&self) -> Option<Instant> {
        self.last_sent
    }

    /// The router it waits behind.
    pub(super) fn active_source(&self) -> Option<IpAddr> {
        self.instance.as_ref().and_then(Instance::active_source)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let transition = self.transitions.next_deadline();
        let instance = self.instance.as_ref().and_then(Instance::poll_timeout);
        [transition, instance].into_iter().flatten().min()
    }

    /// Whether it leaves for good.
    pub(super) const fn departure(&self) -> Option<Departure> {
        self.departure
    }

    /// Whether it has left: nothing is held, nothing is to be said any more.
    pub(super) fn is_gone(&self) -> bool {
        self.departure.is_some()
            && self.role() == Role::Initialize
            && !self.is_bound()
            && self.transitions.is_empty()
    }

    /// Whether it wants its addresses now.
    pub(super) fn wants_addresses(&self) -> bool {
        self.instance.as_ref().is_some_and(Instance::wants_addresses)
    }

    /// The addresses that are to be announced, and from which MAC address.
    pub(super) fn announcement(&self) -> Option<(Footing, Vec<IpAddr>)> {
        let instance = self.instance.as_ref().filter(|instance| instance.wants_addresses())?;
        Some((self.footing?, instance.config().addresses().to_vec()))
    }

    /// The frame that makes this claim.
    pub(super) fn frame(&mut self, claim: Claim) -> Option<(u32, Arc<[u8]>)> {
        let footing = self.footing?;
        if self.frame.as_ref().is_none_or(|frame| frame.claim != claim) {
            let config = self.instance.as_ref()?.config();
            let checksum = translate::checksum_form(self.desired.checksum);
            self.frame = PrebuiltAdvertisement::build(config, claim, checksum, footing.mac);
        }
        Some((footing.ifindex, Arc::clone(&self.frame.as_ref()?.octets)))
    }

    /// The interface offers this footing, or this fault keeps it from offering any. Starts, stops and moves the
    /// instance accordingly.
    pub(super) fn set_footing(
        &mut self,
        footing: Result<Footing, Fault>,
        now: Instant,
        effects: &mut Effects,
    ) {
        match footing {
            Ok(footing) => self.stand_on(footing, now, effects),
            Err(_) if self.departure.is_some() => {
                if let Some(instance) = &mut self.instance {
                    instance.fault();
                }
                self.drain(now, effects);
            }
            Err(fault) => self.enter_fault(fault, now, effects),
        }
    }

    /// Goes on as Active where an earlier worker left off.
    pub(super) fn adopt(
        &mut self,
        footing: Footing,
        last_sent: Instant,
        since: Instant,
        now: Instant,
        effects: &mut Effects,
    ) {
        let Some(config) = translate::config(&self.desired, footing.source) else { return };
        let mut instance = Instance::new(config);
        instance.adopt(now, last_sent);
        self.instance = Some(instance);
        (self.footing, self.state, self.since) = (Some(footing), State::Active, since);
        self.last_sent = Some(last_sent);
        effects.wishes.push((self.handle, Some(self.wish())));
        self.drain(now, effects);
    }

    /// Takes over a changed desired state of the same virtual router on the same interface, which offers this
    /// footing now.
    pub(super) fn change(
        &mut self,
        desired: DesiredGroup,
        footing: Result<Footing, Fault>,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.desired = desired;
        if let Ok(footing) = footing
            && self.footing.is_some_and(|old| old.ifindex == footing.ifindex)
        {
            self.footing = Some(footing);
            self.reconfigure(now, effects);
        }
        self.set_footing(footing, now, effects);
    }

    /// Leaves: an Active member hands over first.
    pub(super) fn leave(&mut self, departure: Departure, now: Instant, effects: &mut Effects) {
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
    pub(super) fn leave_at_once(&mut self, departure: Departure, now: Instant, effects: &mut Effects) {
        self.departure = Some(departure);
        self.fault = None;
        if let Some(instance) = &mut self.instance {
            instance.fault();
        }
        self.drain(now, effects);
        self.become_state(State::Initialize, translate::reason_of(departure), now);
    }

    /// An advertisement for this virtual router was heard.
    pub(super) fn handle_advertisement(
        &mut self,
        advertisement: &Advertisement,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<(), vrrp::Refusal> {
        let Some(instance) = &mut self.instance else { return Ok(()) };
        instance
            .handle_advertisement(advertisement, now)
            .inspect_err(|_| self.counters.packets_dropped += 1)?;
        self.counters.advertisements_received += 1;
        if advertisement.claim == Claim::Resigns {
            self.counters.priority_zero_received += 1;
        }
        self.drain(now, effects);
        Ok(())
    }

    /// Acts on what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, effects: &mut Effects) {
        self.transitions.expire(now);
        if let Some(instance) = &mut self.instance {
            instance.handle_timeout(now);
        }
        self.drain(now, effects);
    }

    /// The addresses it wants are bound.
    pub(super) fn handle_held(&mut self, now: Instant, effects: &mut Effects) {
        effects.touched.insert(self.handle);
        effects.news = true;
        if !self.wants_addresses() {
            return;
        }
        self.bound_at.get_or_insert(now);
        if matches!(self.fault, Some(Fault::BindFailed(_))) {
            self.fault = None;
            self.become_state(State::Backup, TransitionReason::FaultCleared, now);
        }
        if let Some(instance) = &mut self.instance {
            instance.handle_held(now);
        }
        self.drain(now, effects);
    }

    /// The addresses it wants could not be bound, or not again.
    pub(super) fn handle_hold_failed(&mut self, error: &AddressError, now: Instant, effects: &mut Effects) {
        if self.departure.is_none() {
            self.fault = Some(Fault::BindFailed(error.to_string()));
        }
        if let Some(instance) = &mut self.instance {
            instance.handle_hold_failed(now);
        }
        self.drain(now, effects);
        if let Some(fault) = &self.fault {
            self.become_state(State::Fault, fault.reason(), now);
        }
    }

    /// Nothing is bound for it any longer.
    pub(super) fn handle_released(&mut self, at: Instant, effects: &mut Effects) {
        effects.touched.insert(self.handle);
        effects.news = true;
        if self.wants_addresses() {
            return;
        }
        self.bound_at = None;
        self.transitions.released(at);
    }

    /// An announcement of it was due; `None` when nothing could leave.
    pub(super) fn handle_announced(&mut self, at: Option<Instant>) {
        self.transitions.announced(at);
    }

    /// An advertisement left.
    pub(super) fn handle_sent(&mut self, claim: Claim, at: Instant) {
        self.last_sent = Some(at);
        self.counters.advertisements_sent += 1;
        if claim == Claim::Resigns {
            self.counters.priority_zero_sent += 1;
        }
    }

    /// The transitions about which everything is known, oldest first.
    pub(super) fn take_transitions(&mut self) -> Vec<ObservedTransition> {
        self.transitions.take_complete()
    }

    /// Whether transitions wait to be taken.
    pub(super) fn has_transitions(&self) -> bool {
        !self.transitions.is_empty()
    }

    fn stand_on(&mut self, footing: Footing, now: Instant, effects: &mut Effects) {
        let moved = self.footing.is_some_and(|old| old.ifindex != footing.ifindex);
        let changed = self.footing != Some(footing);
        if moved && let Some(instance) = &mut self.instance {
            instance.fault();
            self.drain(now, effects);
        }
        self.footing = Some(footing);
        let was_lame = matches!(&self.fault, Some(fault) if !matches!(fault, Fault::BindFailed(_)));
        if was_lame {
            self.fault = None;
            self.become_state(State::Initialize, TransitionReason::FaultCleared, now);
        }
        if changed {
            self.reconfigure(now, effects);
        }
        if self.departure.is_some() {
            return;
        }
        if self.instance.is_none() {
            self.instance = translate::config(&self.desired, footing.source).map(Instance::new);
        }
        if let Some(instance) = &mut self.instance {
            // A running instance ignores it.
            instance.start(now);
        }
        self.drain(now, effects);
    }

    fn enter_fault(&mut self, fault: Fault, now: Instant, effects: &mut Effects) {
        if self.fault.as_ref() == Some(&fault) {
            return;
        }
        self.fault = Some(fault);
        if let Some(instance) = &mut self.instance {
            instance.fault();
        }
        self.drain(now, effects);
        if let Some(fault) = &self.fault {
            self.become_state(State::Fault, fault.reason(), now);
        }
        // It begins anew, with the settings of that time.
        self.instance = None;
    }

    fn reconfigure(&mut self, now: Instant, effects: &mut Effects) {
        self.frame = None;
        effects.touched.insert(self.handle);
        effects.news = true;
        let (Some(footing), Some(instance)) = (self.footing, &mut self.instance) else { return };
        let Some(config) = translate::config(&self.desired, footing.source) else { return };
        let same_router = instance.reconfigure(config, now);
        debug_assert!(same_router.is_ok(), "a group keeps its VRID, family and version while it runs");
        self.drain(now, effects);
    }

    /// Carries out what the instance asks for.
    fn drain(&mut self, now: Instant, effects: &mut Effects) {
        while let Some(action) = self.instance.as_mut().and_then(Instance::poll_action) {
            effects.touched.insert(self.handle);
            effects.news |= !matches!(action, Action::Advertise(_));
            match action {
                Action::Hold => effects.wishes.push((self.handle, Some(self.wish()))),
                Action::Release => effects.wishes.push((self.handle, None)),
                Action::Advertise(claim) => effects.advertisements.push((self.handle, claim)),
                Action::Announce => effects.announcements.push(self.handle),
                Action::Report(change) => self.follow(change, now),
            }
        }
    }

    fn wish(&self) -> Wish {
        let ifindex = self.footing.map_or(0, |footing| footing.ifindex);
        let addresses = self
            .desired
            .virtual_addresses
            .iter()
            .map(|a| HostAddress { ifindex, address: a.address() })
            .collect();
        Wish { addresses, owner: self.desired.priority.is_owner() }
    }

    fn follow(&mut self, change: Change, now: Instant) {
        let Change { to, reason, .. } = change;
        let state = match to {
            Role::Active => State::Active,
            Role::Backup | Role::Initialize if self.fault.is_some() => State::Fault,
            Role::Backup => State::Backup,
            Role::Initialize => State::Initialize,
        };
        let reason = translate::reason(reason, self.fault.as_ref(), self.departure);
        self.become_state(state, reason, now);
    }

    fn become_state(&mut self, to: State, reason: TransitionReason, now: Instant) {
        let from = self.state;
        if from == to {
            return;
        }
        (self.state, self.since) = (to, now);
        let waits_for = match (from, to) {
            (_, State::Active) => WaitsFor::Announcement,
            (State::Active, _) if self.is_bound() => WaitsFor::Release,
            _ => WaitsFor::Nothing,
        };
        let bound_at = self.bound_at.filter(|_| to == State::Active);
        let transition = ObservedTransition {
            group_id: self.desired.id,
            group: self.desired.name.to_string(),
            family: self.desired.family,
            vrid: self.desired.vrid,
            interface: self.desired.interface.clone(),
            from,
            to,
            reason,
            priority: self.desired.priority,
            at_boottime_ns: clock::nanoseconds(now),
            last_advertisement: self.instance.as_ref().and_then(Instance::last_heard).map(translate::heard),
            bound_at_boottime_ns: bound_at.map(clock::nanoseconds),
            announced_at_boottime_ns: None,
            released_at_boottime_ns: None,
        };
        self.transitions.push(transition, waits_for, now);
    }
}

#[cfg(test)]
mod tests;
