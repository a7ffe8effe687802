//! One group as this node runs it: the protocol's instance, and what the rest of the agent wants to know of it.
//!
//! Pure: a group is told what happened and when, and leaves what is to be done in [`Effects`].

mod checks;
mod course;
mod effects;
mod entry;
mod fast_start;
mod holder;
mod let_go;
mod outside;
mod status;
mod sync;
mod wish;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use api_types::agent_status::GroupCounters;
use api_types::channel::DesiredGroup;
use api_types::group::Checksum;
use api_types::transition::{State, TransitionReason};
use vrrp::{Action, Advertisement, Change, ChecksumForm, Claim, Instance, Instant, Role};

pub(super) use self::checks::Findings;
use self::checks::Verdict;
pub(super) use self::effects::{Effects, Want};
use self::entry::Entry;
use self::let_go::Numbering;
use self::outside::Switchover;
use super::binder::{GroupHandle, HoldError, Wish};
use super::fault::Fault;
use super::flaps::Flaps;
use super::heard::Heard;
use super::lateness::Late;
use super::oddities::Oddities;
use super::transition_log::{TransitionLog, WaitsFor};
use super::translate;
use super::transmit::{self, PeerMessage, PrebuiltAdvertisement, Saying};
use crate::messages::ObservedTransition;
use crate::sys::clock;

/// Where a group runs: what its interface offers it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footing {
    /// The interface.
    pub(super) ifindex: u32,
    /// The MAC address that answers for the group and that it advertises from: the interface's, or the virtual router's.
    pub(super) mac: [u8; 6],
    /// The interface's own MAC address.
    pub(super) own_mac: [u8; 6],
    /// What the addresses are bound to: the interface, or the virtual router's macvlan, once there is one.
    pub(super) holder: Option<u32>,
    /// The address to advertise from.
    pub(super) source: IpAddr,
    /// How many octets of an IP packet it carries.
    pub(super) mtu: usize,
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
    /// What the checks of the node have found, and what that comes to here.
    findings: Findings,
    verdict: Verdict,
    /// Whether it was adopted, and its checks have yet to find again what they had found before.
    settles: bool,
    /// Why it was stopped last although it stays.
    stopped_for: Option<TransitionReason>,
    departure: Option<Departure>,
    /// The fence that it lets go for.
    lapse: Option<TransitionReason>,
    bound_at: Option<Instant>,
    /// Whether its addresses are on their way to where another MAC address answers for them.
    announces_once_held: bool,
    last_sent: Option<Instant>,
    /// When the advertisement was due that is to leave now.
    due: Option<Instant>,
    frame: Option<PrebuiltAdvertisement>,
    /// Counts what changed of what it would hold, or say.
    changes: u64,
    /// Whom it speaks to one by one.
    peers: Option<Vec<IpAddr>>,
    /// The other members, as far as their addresses are known.
    members: Vec<IpAddr>,
    /// Who held the addresses last, as far as it knows.
    holder: Option<IpAddr>,
    heard: Heard,
    oddities: Oddities,
    /// The form of the checksum that it sends.
    checksum: ChecksumForm,
    transitions: TransitionLog,
    switchover: Switchover,
    numbering: Numbering,
    flaps: Flaps,
    entry: Entry,
    /// Counts the times that it has begun to wait for its `pre_active` hook.
    attempt: u64,
    /// How many of these have failed since one succeeded.
    failed_entries: u32,
    /// What was sent, heard and dropped.
    pub(super) counters: GroupCounters,
}

impl Group {
    /// A group that takes no part yet.
    pub(super) fn new(handle: GroupHandle, desired: DesiredGroup, now: Instant) -> Self {
        Self {
            handle,
            peers: translate::unicast_peers(&desired),
            members: translate::members(&desired),
            holder: None,
            heard: Heard::default(),
            oddities: Oddities::default(),
            checksum: translate::checksum_form(&desired, &[], &Heard::default()),
            findings: Findings::default(),
            verdict: Verdict::of(&desired.track, &BTreeMap::new()),
            settles: false,
            stopped_for: None,
            desired,
            footing: None,
            instance: None,
            state: State::Initialize,
            since: now,
            fault: None,
            departure: None,
            lapse: None,
            bound_at: None,
            announces_once_held: false,
            last_sent: None,
            due: None,
            frame: None,
            changes: 0,
            transitions: TransitionLog::default(),
            switchover: Switchover::default(),
            numbering: Numbering::from(transmit::any_number()),
            flaps: Flaps::default(),
            entry: Entry::Closed,
            attempt: 0,
            failed_entries: 0,
            counters: GroupCounters::default(),
        }
    }

    /// What form of the checksum its members spoke before the worker started.
    pub(super) fn recall(&mut self, spoke: &BTreeMap<IpAddr, Checksum>) {
        let form = |(member, word): (&IpAddr, &Checksum)| Some((*member, translate::spoken_form(*word)?));
        self.heard.recall(spoke.iter().filter_map(form).collect());
        self.choose_checksum();
    }

    /// The frame that says this to all of the LAN; `None` for a group that speaks to each router alone.
    pub(super) fn frame(&mut self, saying: Saying) -> Option<(u32, Arc<[u8]>)> {
        let footing = self.footing.filter(|_| self.peers.is_none())?;
        if self.frame.as_ref().is_none_or(|frame| frame.saying != saying) {
            let config = self.instance.as_ref()?.config();
            // Whoever yields must not pull the switch's entry for the shared MAC address back to its own port.
            let yields = saying.interval.is_some();
            let mac = if yields { footing.own_mac } else { footing.mac };
            self.frame = PrebuiltAdvertisement::build(config, saying, self.checksum, mac);
        }
        let frame = self.frame.as_mut()?;
        frame.number(self.numbering.next);
        Some((footing.ifindex, Arc::clone(&frame.octets)))
    }

    /// The messages that say this, one for each peer, and where they leave; `None` for a group that speaks to all of the
    /// LAN.
    pub(super) fn messages(&self, saying: Saying) -> Option<(Footing, Vec<PeerMessage>)> {
        let config = self.instance.as_ref()?.config();
        Some((self.footing?, transmit::messages(config, saying, self.checksum, self.peers.as_ref()?)))
    }

    /// Whether the group listens to this router: to any, unless it speaks to each of its peers alone.
    pub(super) fn listens_to(&self, source: IpAddr) -> bool {
        self.peers.as_ref().is_none_or(|peers| peers.contains(&source))
    }

    /// An advertisement for this virtual router was heard; its packet bore this running number.
    pub(super) fn handle_advertisement(
        &mut self,
        advertisement: &Advertisement,
        sequence: Option<u16>,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<(), vrrp::Refusal> {
        let Some(instance) = &mut self.instance else { return Ok(()) };
        instance
            .handle_numbered(advertisement, sequence, now)
            .inspect_err(|refusal| self.counters.count_dropped(refusal.cause()))?;
        let odd = self.heard.remember(advertisement, instance.config(), &self.members, now);
        let is_member = self.members.contains(&advertisement.source);
        if let Some(text) = self.oddities.note(advertisement.source, odd, is_member, now) {
            let DesiredGroup { name, interface, .. } = &self.desired;
            effects.notices.push(format!("group {name} on interface {interface}: {text}"));
        }
        self.choose_checksum();
        self.counters.advertisement_rcvd += 1;
        if advertisement.claim == Claim::Resigns {
            self.counters.priority_zero_pkts_rcvd += 1;
            self.succeed_who_resigned(advertisement.source, now);
        }
        self.drain(now, effects);
        self.try_to_boost_again(now, effects);
        self.note_holder(advertisement.source, now, effects);
        if self.waits_without_failing(now) {
            self.end_bind_fault(now, effects);
        }
        Ok(())
    }

    /// Acts on what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, effects: &mut Effects) {
        self.transitions.expire(now);
        self.expire_entry(now, effects);
        if let Some(instance) = &mut self.instance {
            self.due = instance.advertises_at().filter(|due| *due <= now);
            instance.handle_timeout(now);
        }
        self.drain(now, effects);
        self.take_part(now, effects);
    }

    /// The addresses it wants are bound.
    pub(super) fn handle_held(&mut self, now: Instant, effects: &mut Effects) {
        effects.touched.insert(self.handle);
        effects.news = true;
        if !self.wants_addresses() {
            return;
        }
        self.bound_at.get_or_insert(now);
        self.end_bind_fault(now, effects);
        if let Some(instance) = &mut self.instance {
            instance.handle_held(now);
        }
        if std::mem::take(&mut self.announces_once_held) {
            effects.announcements.push(self.handle);
        }
        self.drain(now, effects);
    }

    /// The addresses it wants could not be bound, or not again.
    pub(super) fn handle_hold_failed(&mut self, error: &HoldError, now: Instant, effects: &mut Effects) {
        self.fail_to_hold(Fault::BindFailed(error.to_string()), now, effects);
    }

    /// The addresses are not to be held, or not any longer, until another attempt succeeds.
    fn fail_to_hold(&mut self, fault: Fault, now: Instant, effects: &mut Effects) {
        let fault = Some(fault);
        if self.departure.is_none() && self.fault != fault {
            self.fault = fault;
            self.say_why(effects);
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
            return self.forget_let_go();
        }
        (self.bound_at, self.announces_once_held) = (None, false);
        self.close(effects);
        self.transitions.released(at);
        self.say_let_go(effects);
    }

    /// An announcement of it was due; `None` when nothing could leave.
    pub(super) fn handle_announced(&mut self, at: Option<Instant>) {
        self.transitions.announced(at);
    }

    /// An advertisement left; tells if it was more than an interval late.
    pub(super) fn handle_sent(&mut self, claim: Claim, at: Instant) -> Option<Late> {
        self.last_sent = Some(at);
        self.numbering.count();
        self.counters.advertisement_sent += 1;
        if claim == Claim::Resigns {
            self.counters.priority_zero_pkts_sent += 1;
        }
        let by = at.saturating_duration_since(self.due.take()?);
        let longest = &mut self.counters.longest_lateness_us;
        *longest = (*longest).max(u64::try_from(by.as_micros()).unwrap_or(u64::MAX));
        let interval = self.desired.advertisement_interval_ms.as_duration();
        if by <= interval {
            return None;
        }
        self.counters.advertisements_late += 1;
        Some(Late { group: self.desired.name.to_string(), by, interval })
    }

    /// The transitions about which everything is known, oldest first.
    pub(super) fn take_transitions(&mut self) -> Vec<ObservedTransition> {
        self.transitions.take_complete()
    }

    fn choose_checksum(&mut self) {
        let checksum = translate::checksum_form(&self.desired, &self.members, &self.heard);
        if std::mem::replace(&mut self.checksum, checksum) != checksum {
            self.frame = None;
            self.changes += 1;
        }
    }

    /// Carries out what the instance asks for.
    fn drain(&mut self, now: Instant, effects: &mut Effects) {
        while let Some(action) = self.instance.as_mut().and_then(Instance::poll_action) {
            effects.touched.insert(self.handle);
            effects.news |= !matches!(action, Action::Advertise(_));
            match action {
                Action::Hold => self.wish(effects),
                Action::Release => effects.wishes.push((self.handle, Want::Nothing)),
                Action::HandOver => effects.wishes.push((self.handle, Want::HandOver)),
                Action::Advertise(claim) => effects.advertisements.push((self.handle, claim.into())),
                Action::Concede(interval) => {
                    let claim = Claim::Holds(self.effective_priority());
                    effects.advertisements.push((self.handle, Saying { claim, interval: Some(interval) }));
                }
                // Who is not to be heard of yet announces once it is.
                Action::Announce if self.is_open() => effects.announcements.push(self.handle),
                Action::Announce => {}
                Action::Hush => effects.hushes.push(self.handle),
                Action::Report(change) => self.follow(change, now),
            }
        }
        self.follow_role(now, effects);
    }

    fn follow(&mut self, change: Change, now: Instant) {
        let Change { to, reason, .. } = change;
        let state = match to {
            Role::Active => State::Active,
            Role::Backup | Role::Initialize if self.fault.is_some() => State::Fault,
            Role::Initialize if self.verdict.fault.is_some() && self.departure.is_none() => State::Fault,
            Role::Backup => State::Backup,
            Role::Initialize => State::Initialize,
        };
        let reason = match (reason, self.stopped_for.take_if(|_| to == Role::Initialize)) {
            (vrrp::Reason::Stopped, Some(stopped_for)) if self.departure.is_none() => {
                if state == State::Fault { TransitionReason::CheckFailed } else { stopped_for }
            }
            _ => translate::reason(reason, self.fault.as_ref(), self.departure, self.lapse),
        };
        self.become_state(state, reason, now);
    }

    fn become_state(&mut self, to: State, reason: TransitionReason, now: Instant) {
        let waits_for = match (self.state, to) {
            (_, State::Active) => WaitsFor::Announcement,
            (State::Active, _) if self.is_bound() => WaitsFor::Release,
            _ => WaitsFor::Nothing,
        };
        self.record(to, reason, waits_for, now);
    }

    fn record(&mut self, to: State, reason: TransitionReason, waits_for: WaitsFor, now: Instant) {
        let from = self.state;
        if from == to {
            return;
        }
        (self.state, self.since) = (to, now);
        if to == State::Active {
            self.counters.active_transitions += 1;
            self.note_own_hold();
        }
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
            priority: self.effective_priority(),
            at_boottime_ns: clock::nanoseconds(now),
            last_advertisement: self.instance.as_ref().and_then(Instance::last_heard).map(translate::heard),
            bound_at_boottime_ns: bound_at.map(clock::nanoseconds),
            announced_at_boottime_ns: None,
            released_at_boottime_ns: None,
            failing_checks: self.verdict.failing.clone(),
        };
        self.transitions.push(transition, waits_for, now);
    }
}

#[cfg(test)]
mod tests;
