//! What control knows at this moment: written where it is learnt, read by whoever must tell somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api_types::Timestamp;
use api_types::agent_status::{
    GroupCounters, JournalStatus, LocalGroupStatus, LocalStatus, RealtimeStatus, ServerLink,
};
use api_types::channel::{AgentStatus, GroupReport, MemberDetails, Revision};
use api_types::fences::Fences;
use api_types::group::Checksum;
use api_types::hook::{HookStatus, HookTime};
use api_types::node::{Interface, Rejection};
use api_types::transition::{State, TransitionReason};
use uuid::Uuid;
use vrrp::{Family, Vrid};

use super::aftermath::Deeds;
use super::checks::{Standings, of_group};
use super::clock;
use super::details::{self, Dropping};
use super::identity::Origin;
use crate::messages::{DroppedPackets, GroupSnapshot, ObservedTransition, Snapshot};

/// What does not change while the process lives.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) boot_id: Uuid,
    pub(crate) started_at: Timestamp,
    pub(crate) worker_starts: u64,
    pub(crate) worker_deaths: u64,
    pub(crate) url: String,
}

/// What control knows at this moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overview {
    /// The name of the node, once it enrolled.
    pub(crate) node: Option<String>,
    /// Whether the parent process has ended.
    pub(crate) parent_gone: bool,
    pub(crate) connected: bool,
    /// When the session was made or lost.
    pub(crate) link_since: Option<Timestamp>,
    pub(crate) last_error: Option<String>,
    /// Sessions after the first.
    pub(crate) reconnects: u64,
    /// The newest revision that a server offered or the disk held.
    pub(crate) desired: Option<Revision>,
    /// What runs, and who counted its revision.
    pub(crate) applied: Option<(Option<Origin>, Revision)>,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) snapshot: Snapshot,
    /// Whether the dataplane has said how it stands.
    pub(crate) snapshot_seen: bool,
    pub(crate) transitions: BTreeMap<TransitionKind, u64>,
    /// What the kernel's fences did to the agent before, which this one found out.
    pub(crate) silenced_before: u64,
    pub(crate) removed_before: u64,
    /// What each group has been dropping.
    pub(crate) dropping: Dropping,
    /// How the checks of this node stand.
    pub(crate) checks: Standings,
    /// How the hooks of each group went, by the id of the group.
    pub(crate) hooks: BTreeMap<Uuid, Vec<HookStatus>>,
    /// What the last transition of each group was, by the id of the group.
    pub(crate) last: BTreeMap<Uuid, LastTransition>,
}

/// What is remembered of the last transition of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastTransition {
    pub(crate) reason: TransitionReason,
    /// From the last advertisement of the router that fell silent or resigned to our first announcement, for the
    /// last time that we took over from one.
    pub(crate) failover: Option<Duration>,
}

/// By what transitions are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TransitionKind {
    pub(crate) group: String,
    pub(crate) vrid: Vrid,
    pub(crate) interface: String,
    pub(crate) family: Family,
    pub(crate) to: State,
    pub(crate) reason: TransitionReason,
}

impl TransitionKind {
    fn of(transition: &ObservedTransition) -> Self {
        Self {
            group: transition.group.clone(),
            vrid: transition.vrid,
            interface: transition.interface.clone(),
            family: transition.family,
            to: transition.to,
            reason: transition.reason,
        }
    }
}

impl Overview {
    /// Takes note of what the kernel's fences did to the agent before.
    pub(crate) fn count_deeds(&mut self, deeds: &Deeds) {
        for transition in &deeds.transitions {
            *self.transitions.entry(TransitionKind::of(transition)).or_default() += 1;
        }
        (self.silenced_before, self.removed_before) = (deeds.silenced, deeds.removed);
        add_deeds(&mut self.snapshot.fences, deeds.silenced, deeds.removed);
    }

    pub(crate) fn count(&mut self, transition: &ObservedTransition) {
        *self.transitions.entry(TransitionKind::of(transition)).or_default() += 1;

        let before = self.last.get(&transition.group_id).and_then(|last| last.failover);
        let failover = failover_of(transition).or(before);
        self.last.insert(transition.group_id, LastTransition { reason: transition.reason, failover });
    }

    /// Takes in how the dataplane stands. What was counted for a group that is gone goes with it.
    pub(crate) fn take(&mut self, snapshot: Snapshot) {
        let runs: BTreeSet<_> = snapshot.groups.iter().map(|group| group.desired.name.as_str()).collect();
        self.transitions.retain(|kind, _| runs.contains(kind.group.as_str()));
        let runs: BTreeSet<_> = snapshot.groups.iter().map(|group| group.desired.id).collect();
        self.last.retain(|group, _| runs.contains(group));
        self.hooks.retain(|group, _| runs.contains(group));
        self.dropping.compare(&self.snapshot.groups, &snapshot.groups, clock::boottime_ns());
        self.snapshot = snapshot;
        add_deeds(&mut self.snapshot.fences, self.silenced_before, self.removed_before);
        self.snapshot_seen = true;
    }

    /// The interfaces, once the dataplane has said which there are.
    pub(crate) fn known_interfaces(&self) -> Option<&[Interface]> {
        self.snapshot_seen.then_some(self.snapshot.interfaces.as_slice())
    }

    fn hooks_of(&self, group: &GroupSnapshot) -> Vec<HookStatus> {
        let desired = &group.desired;
        let is_named = |status: &HookStatus| {
            desired
                .hooks
                .iter()
                .any(|hook| HookTime::from(hook.on) == status.on && hook.hook.as_str() == status.hook)
                || desired.pre_active.as_ref().is_some_and(|first| {
                    status.on == HookTime::PreActive && first.hook.as_str() == status.hook
                })
        };
        let known = self.hooks.get(&desired.id).into_iter().flatten();
        known.filter(|status| is_named(status)).cloned().collect()
    }

    /// The revision that runs.
    pub(crate) fn applied_revision(&self) -> Option<Revision> {
        self.applied.as_ref().map(|(_, revision)| *revision)
    }

    /// What the server wants to know about at once when it changes: everything but counters
    /// and what changes with each advertisement, or when a stranger on the LAN wants it to.
    pub(crate) fn significant(&self) -> Snapshot {
        let mut snapshot = self.snapshot.clone();
        snapshot.dropped_packets.clear();
        snapshot.timing = None;
        for group in &mut snapshot.groups {
            group.counters = GroupCounters::default();
            group.last_heard_boottime_ns = None;
            group.heard.clear();
            group.checksum = Checksum::default();
        }
        snapshot
    }

    /// All that the server may be told.
    pub(crate) fn for_server(&self) -> AgentStatus {
        let now = clock::boottime_ns();
        let group = |group: &GroupSnapshot| GroupReport {
            group_id: group.desired.id,
            state: group.state,
            since: clock::wall_at(group.since_boottime_ns),
            effective_priority: group.effective_priority,
            active_source: group.active_source,
            addresses_present: group.addresses_present.clone(),
            details: Some(MemberDetails {
                hooks: self.hooks_of(group),
                ..details::of(group, &self.dropping, &self.checks, now)
            }),
        };
        AgentStatus {
            at: clock::wall_now().into(),
            interfaces: self.snapshot.interfaces.clone(),
            groups: self.snapshot.groups.iter().map(group).collect(),
            interface_counters: Some(details::of_interfaces(&self.snapshot.dropped_packets)),
            fences: self.snapshot_seen.then(|| self.snapshot.fences.clone()),
            timing: self.snapshot.timing,
        }
    }

    /// As the local socket answers.
    pub(crate) fn for_host(&self, fixed: &Fixed, journal: JournalStatus) -> LocalStatus {
        let group = |group: &GroupSnapshot| LocalGroupStatus {
            id: group.desired.id,
            name: group.desired.name.to_string(),
            interface: group.desired.interface.clone(),
            family: group.desired.family,
            vrid: group.desired.vrid,
            state: group.state,
            since: clock::wall_at(group.since_boottime_ns),
            reason: self.last.get(&group.desired.id).map(|last| last.reason),
            priority: group.desired.priority,
            effective_priority: group.effective_priority,
            virtual_addresses: group.desired.virtual_addresses.clone(),
            addresses_present: group.addresses_present.clone(),
            active_source: group.active_source,
            fault: group.fault.clone(),
            counters: group.counters,
            heard: group.heard.clone(),
            checksum: group.checksum,
            checks: of_group(&group.desired, &self.checks),
            hooks: self.hooks_of(group),
            sync_group: group.desired.sync_group.clone(),
            waits_for: group.waits_for.clone(),
        };
        let (mut dropped, mut by_interface) = (BTreeMap::new(), BTreeMap::<_, BTreeMap<_, _>>::new());
        for DroppedPackets { interface, cause, count } in &self.snapshot.dropped_packets {
            let word = || cause.as_str().to_owned();
            *dropped.entry(word()).or_default() += count;
            *by_interface.entry(interface.clone()).or_default().entry(word()).or_default() += count;
        }
        LocalStatus {
            node: self.node.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: fixed.boot_id,
            started_at: fixed.started_at,
            worker_starts: fixed.worker_starts,
            worker_deaths: fixed.worker_deaths,
            parent_gone: self.parent_gone,
            server: ServerLink {
                url: fixed.url.clone(),
                connected: self.connected,
                since: self.link_since,
                last_error: self.last_error.clone().filter(|_| !self.connected),
            },
            applied_revision: self.applied_revision(),
            rejection: self.rejection.clone(),
            journal,
            realtime: self.snapshot.realtime.clone().unwrap_or_else(not_known_yet),
            fences: self.snapshot.fences.clone(),
            timing: self.snapshot.timing,
            interfaces: self.snapshot.interfaces.clone(),
            groups: self.snapshot.groups.iter().map(group).collect(),
            dropped_packets: dropped,
            dropped_packets_by_interface: by_interface,
        }
    }
}

fn add_deeds(fences: &mut Fences, silenced: u64, removed: u64) {
    fences.nftables_lease.acted += silenced;
    fences.address_lease.acted += removed;
}

fn failover_of(transition: &ObservedTransition) -> Option<Duration> {
    let took_over =
        matches!(transition.reason, TransitionReason::NoResponse | TransitionReason::PriorityZero);
    if !took_over {
        return None;
    }
    let heard = transition.last_advertisement.as_ref()?.at_boottime_ns;
    Some(Duration::from_nanos(transition.announced_at_boottime_ns?.saturating_sub(heard)))
}

fn not_known_yet() -> RealtimeStatus {
    RealtimeStatus {
        scheduling: "other".to_owned(),
        memory_locked: false,
        detail: Some("the dataplane has not reported yet".to_owned()),
    }
}
