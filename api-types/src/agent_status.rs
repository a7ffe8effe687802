//! What an agent answers on its local socket (`baton-agent status`), with or without a server.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Claim, Family, Priority, Version, Vrid};

use crate::channel::Revision;
use crate::check::CheckStatus;
use crate::fences::Fences;
use crate::group::Checksum;
use crate::hook::HookStatus;
use crate::node::{Interface, Rejection};
use crate::timing::Timing;
use crate::transition::{State, TransitionReason};
use crate::{Name, Timestamp, VirtualAddress};

pub use crate::counters::GroupCounters;

/// How an agent stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalStatus {
    /// The name of the node; `null` before it enrolled.
    pub node: Option<String>,
    /// The version of the agent's software.
    pub agent_version: String,
    /// Drawn at each start of the agent.
    pub boot_id: Uuid,
    /// When the worker was started.
    pub started_at: Timestamp,
    /// How often the parent has started the worker in this boot, the first time included.
    pub worker_starts: u64,
    /// How many of these workers have died; one that handed over to another has not.
    #[serde(default)]
    pub worker_deaths: u64,
    /// Whether the parent has ended: then nobody starts another worker when this one dies.
    #[serde(default)]
    pub parent_gone: bool,
    /// The session with the server.
    pub server: ServerLink,
    /// The desired state that runs; `null` when none does.
    pub applied_revision: Option<Revision>,
    /// Why the newest desired state was refused, if it was.
    pub rejection: Option<Rejection>,
    /// How transitions are doing on their way to the server.
    pub journal: JournalStatus,
    /// What the dataplane thread was granted.
    pub realtime: RealtimeStatus,
    /// How the fences stand.
    #[serde(default)]
    pub fences: Fences,
    /// How punctual the dataplane is; `null` before it has said.
    #[serde(default)]
    pub timing: Option<Timing>,
    /// The interfaces of the node.
    pub interfaces: Vec<Interface>,
    /// The groups that run, by name.
    pub groups: Vec<LocalGroupStatus>,
    /// How many packets were dropped since the worker started, by cause, in the words of [`vrrp::DropCause`].
    #[serde(default)]
    pub dropped_packets: BTreeMap<String, u64>,
    /// The same by interface, and then by cause.
    #[serde(default)]
    pub dropped_packets_by_interface: BTreeMap<String, BTreeMap<String, u64>>,
}

/// The session with the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLink {
    /// The URL from the configuration.
    pub url: String,
    /// Whether there is a session now.
    pub connected: bool,
    /// When the session was made or lost.
    pub since: Option<Timestamp>,
    /// Why the last attempt failed, while there is no session.
    pub last_error: Option<String>,
}

/// How transitions are doing on their way to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Transitions that no server has acknowledged yet.
    pub unacknowledged: u64,
    /// Why the journal cannot be written now, if it cannot; transitions are kept in memory meanwhile.
    pub degraded: Option<String>,
}

/// What the dataplane thread was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealtimeStatus {
    /// `fifo`, or `other` where the kernel refused.
    pub scheduling: String,
    /// Whether memory is locked.
    pub memory_locked: bool,
    /// Why less than `fifo` with locked memory was granted, if so.
    pub detail: Option<String>,
}

/// How one group stands on this node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalGroupStatus {
    /// The group.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The interface it runs on.
    pub interface: String,
    /// The address family.
    pub family: Family,
    /// The VRID.
    pub vrid: Vrid,
    /// The state of this node's member.
    pub state: State,
    /// Since when, by the node's wall clock.
    pub since: Timestamp,
    /// Why it changed its state last; `null` when it has not since the worker started.
    #[serde(default)]
    pub reason: Option<TransitionReason>,
    /// The priority from the desired state.
    pub priority: Priority,
    /// The priority it advertises or would advertise.
    pub effective_priority: Priority,
    /// The addresses it shall hold when active.
    pub virtual_addresses: Vec<VirtualAddress>,
    /// The virtual addresses that are bound now.
    pub addresses_present: Vec<VirtualAddress>,
    /// The router whose advertisements it obeys.
    pub active_source: Option<IpAddr>,
    /// Why it is in `fault`, or what was asked of it and it lacks in another state; `None` when nothing is
    /// wrong.
    pub fault: Option<String>,
    /// What was sent, heard and dropped.
    pub counters: GroupCounters,
    /// The members that it has heard, and at most 16 other routers, by address.
    #[serde(default)]
    pub heard: Vec<HeardRouter>,
    /// The form of the checksum that it sends: `rfc9568` or `rfc5798`.
    #[serde(default)]
    pub checksum: Checksum,
    /// How the checks stand that the group tracks.
    #[serde(default)]
    pub checks: Vec<CheckStatus>,
    /// How the hooks of the group went.
    #[serde(default)]
    pub hooks: Vec<HookStatus>,
    /// The sync group that it belongs to.
    #[serde(default)]
    pub sync_group: Option<Name>,
    /// As Backup that would take over: what another group of its sync group waits for.
    #[serde(default)]
    pub waits_for: Option<String>,
}

/// A router that a member has heard, as it last spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardRouter {
    /// The address of its advertisements.
    pub source: IpAddr,
    /// What it claimed: its priority, 0 for a resignation.
    #[serde(with = "crate::transition::priority_octet")]
    pub priority: Claim,
    /// The version that it speaks; `null` from an older agent.
    #[serde(default)]
    pub version: Option<Version>,
    /// How often it says to advertise, in milliseconds; `null` from an older agent.
    #[serde(default)]
    pub advertisement_interval_ms: Option<AdvertisementInterval>,
    /// How many addresses it lists; `null` from an older agent.
    #[serde(default)]
    pub address_count: Option<u32>,
    /// Which member of the group it is; `null` for a router that is none.
    #[serde(default)]
    pub member: Option<String>,
    /// The form of its checksum where that tells.
    pub checksum: Option<Checksum>,
    /// When, in nanoseconds of the node's `CLOCK_BOOTTIME`.
    pub at_boottime_ns: u64,
    /// What was odd about it: `interval`, `address_list`, `equal_priority`, `duplicate_source`,
    /// `owners_addresses`.
    pub discrepancies: Vec<String>,
}
