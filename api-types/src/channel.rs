//! The agent channel: WebSocket messages between an agent and a server, JSON.
//!
//! `GET /api/v1/agent/session`, subprotocol [`SUBPROTOCOL`]. The agent speaks first, with `hello`. Everything
//! is level-triggered: the server always sends the full desired state of the node, so a lost message costs
//! time, never correctness.
//!
//! Both sides pass over messages of a kind that they do not know. A side says none that the other one cannot
//! read: what each can do beyond the first version stands in [`Hello::capabilities`] and
//! [`Welcome::capabilities`], in the words of [`crate::boost::CAPABILITY`], [`crate::assist::CAPABILITY`],
//! [`crate::fast_start::CAPABILITY`], [`crate::check::CAPABILITY`],
//! [`crate::hook::CAPABILITY`], [`crate::sync_group::CAPABILITY`] and [`DRAIN_CAPABILITY`].

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

use crate::assist::{Assist, RelayedAssist};
use crate::boost::Boost;
use crate::check::{CheckSpec, CheckStatus, Track};
use crate::convergence::Convergence;
use crate::counters::{GroupCounters, InterfaceCounters};
use crate::fast_start::FastStart;
use crate::fences::Fences;
use crate::group::Checksum;
use crate::hook::{Hook, HookStatus, PreActive};
use crate::node::{Interface, RejectionReason};
use crate::peer::Peer;
use crate::protocol::ProtocolOptions;
use crate::timing::Timing;
use crate::transition::{State, TransitionRecord};
use crate::{Name, Timestamp, VirtualAddress};

/// The WebSocket subprotocol of this version of the channel.
pub const SUBPROTOCOL: &str = "baton.agent.v1";

/// The largest message either side may send, in octets.
pub const MAX_MESSAGE_OCTETS: usize = 1024 * 1024;

/// The most transitions in one message; an agent sends the next batch after the acknowledgement.
pub const MAX_TRANSITIONS: usize = 100;

/// The word, among the capabilities of an agent, that it understands [`DesiredGroup::drained`]. One that does not would
/// take a state with it for damaged.
pub const DRAIN_CAPABILITY: &str = "drain";

/// Which desired state of a node: grows with every change, never goes back while the node is the same.
///
/// Compared by epoch, then by counter. Revisions of two nodes have nothing to do with each other: one that
/// was deleted and enrolled anew is counted from the beginning, and so is one of another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Revision {
    /// For a count that begins anew above everything before; the server leaves it at 1.
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub epoch: i64,
    /// Counts the changes within an epoch.
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub counter: i64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}

/// What an agent tells the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AgentMessage {
    /// The first message of a session.
    Hello(Hello),
    /// The desired state of this revision runs.
    Applied {
        /// Which.
        revision: Revision,
        /// Its digest, as [`DesiredState::digest`] computed it on the agent.
        digest: String,
    },
    /// The desired state of this revision was refused; the one before goes on.
    Rejected {
        /// Which.
        revision: Revision,
        /// Why.
        reasons: Vec<RejectionReason>,
    },
    /// Transitions in the order of their sequence, at most [`MAX_TRANSITIONS`], all of one boot.
    Transitions {
        /// The records; not empty.
        transitions: Vec<TransitionRecord>,
    },
    /// How things stand now; sent after `hello`, on change and as a slow refresh.
    Status(AgentStatus),
    /// The node has let go of addresses and could not say so on the LAN. Only to a server that passes it on.
    Assist(Assist),
    /// The LAN has followed another member's takeover. Only to a server that records it.
    Converged(Convergence),
}

/// The first message of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Drawn by the agent at each start.
    pub boot_id: Uuid,
    /// The version of the agent's software.
    pub agent_version: String,
    /// What this agent can do beyond the first version of the channel.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The interfaces of the node.
    pub interfaces: Vec<Interface>,
    /// The desired state that runs; `null` when none does.
    pub applied_revision: Option<Revision>,
}

/// How things stand on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// When this was observed, by the node's wall clock.
    pub at: Timestamp,
    /// The interfaces of the node.
    pub interfaces: Vec<Interface>,
    /// The groups that run.
    pub groups: Vec<GroupReport>,
    /// What was dropped on each interface; `null` for as before.
    #[serde(default)]
    pub interface_counters: Option<Vec<InterfaceCounters>>,
    /// How the fences stand; `null` for as before in this session, and always from an older agent.
    #[serde(default)]
    pub fences: Option<Fences>,
    /// How punctual the dataplane is; `null` for as before in this session, and always from an older agent.
    #[serde(default)]
    pub timing: Option<Timing>,
}

/// How one group stands on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// The group.
    pub group_id: Uuid,
    /// The state of this node's member.
    pub state: State,
    /// Since when, by the node's wall clock.
    pub since: Timestamp,
    /// The priority it advertises or would advertise.
    pub effective_priority: Priority,
    /// As Backup: the address of the router whose advertisements it obeys.
    pub active_source: Option<IpAddr>,
    /// The virtual addresses that are bound on this node.
    pub addresses_present: Vec<VirtualAddress>,
    /// What more there is to know; `null` for as before in this session, and always from an older agent.
    #[serde(default)]
    pub details: Option<MemberDetails>,
}

/// What a member knows beyond its state: it changes with every advertisement, and is told at a measured pace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberDetails {
    /// Why it is in `fault`, or what was asked of it and it lacks in another state; `None` when nothing is
    /// wrong.
    pub fault: Option<String>,
    /// The switchover whose boost is in effect.
    pub boost: Option<Uuid>,
    /// Why the switchover that the member was told of is not under way.
    pub boost_refused: Option<String>,
    /// The form of the version 3 checksum that it sends over IPv4; `null` where there is but one.
    pub checksum: Option<Checksum>,
    /// What it has sent, heard and dropped.
    pub counters: GroupCounters,
    /// Why it has been dropping packets that name its virtual router lately, in the words of
    /// [`vrrp::DropCause`].
    pub dropping: Vec<String>,
    /// The routers that it has heard, by address.
    pub heard: Vec<Peer>,
    /// How the checks stand that the group tracks, in the order of its `track`.
    pub checks: Vec<CheckStatus>,
    /// As Backup that would take over: what another group of its sync group waits for.
    pub waits_for: Option<String>,
    /// How the hooks of the group went that have run, in the order in which they ended.
    pub hooks: Vec<HookStatus>,
}

impl MemberDetails {
    /// The same but for what every advertisement changes: counters, and when it came.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        (&self.fault, self.boost, &self.boost_refused, self.checksum, &self.dropping)
            == (&other.fault, other.boost, &other.boost_refused, other.checksum, &other.dropping)
            && self.checks == other.checks
            && self.waits_for == other.waits_for
            && self.hooks == other.hooks
            && self.heard.len() == other.heard.len()
            && self.heard.iter().zip(&other.heard).all(|(one, another)| one.says_the_same(another))
    }
}

/// What a server tells an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The answer to `hello`.
    Welcome(Welcome),
    /// What the node shall run, in full.
    DesiredState(DesiredState),
    /// Every transition of this boot up to and including this sequence is committed.
    Ack(Acknowledged),
    /// Every boost of this node; what is not among them is over. Once a session has begun, and on every change; only
    /// to an agent that knows them.
    Boosts {
        /// All of them; at most one for each group.
        boosts: Vec<Boost>,
    },
    /// Another member has let go of addresses. Only to an agent that knows it.
    Assist(RelayedAssist),
    /// The node may begin to hold the addresses of a new group at once. Only to an agent that knows it.
    FastStart(FastStart),
}

/// The answer to `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The name of the node.
    pub node: Name,
    /// The server's wall clock.
    pub server_time: Timestamp,
    /// How far the server has committed each boot of this node that it knows; the agent sends again from
    /// there.
    pub acknowledged: Vec<Acknowledged>,
    /// What this server can do beyond the first version of the channel.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// How far the transitions of one boot are committed, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Which boot.
    pub boot_id: Uuid,
    /// The highest sequence up to which nothing is missing; 0 for none.
    pub sequence: u64,
}

/// What a node shall run, in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredState {
    /// Which.
    pub revision: Revision,
    /// SHA-256 of the canonical JSON (RFC 8785) of `groups`, in hex; where there are checks, of an object of `checks`
    /// and `groups`.
    pub digest: String,
    /// Every group that the node is a member of, by name.
    pub groups: Vec<DesiredGroup>,
    /// Every check that one of these groups tracks, by name. Only to an agent that knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckSpec>,
}

impl DesiredState {
    /// A desired state with its digest.
    ///
    /// # Errors
    /// When it cannot be written as canonical JSON.
    pub fn new(
        revision: Revision,
        groups: Vec<DesiredGroup>,
        checks: Vec<CheckSpec>,
    ) -> Result<Self, serde_json::Error> {
        let digest = digest_of(&groups, &checks)?;
        Ok(Self { revision, digest, groups, checks })
    }

    /// Whether groups and checks are the ones that the digest was made for.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        digest_of(&self.groups, &self.checks).is_ok_and(|digest| digest == self.digest)
    }
}

/// What is not there leaves the digest as it was before there could be any.
fn digest_of(groups: &[DesiredGroup], checks: &[CheckSpec]) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Whole<'a> {
        groups: &'a [DesiredGroup],
        checks: &'a [CheckSpec],
    }
    let canonical = match checks {
        [] => serde_json_canonicalizer::to_vec(&groups)?,
        checks => serde_json_canonicalizer::to_vec(&Whole { groups, checks })?,
    };
    Ok(Sha256::digest(canonical).iter().map(|octet| format!("{octet:02x}")).collect())
}

/// One group as one of its members shall run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredGroup {
    /// The group.
    pub id: Uuid,
    /// Its name.
    pub name: Name,
    /// The generation of the group that this was made from.
    pub generation: i64,
    /// The interface that the member runs on.
    pub interface: String,
    /// The address family.
    pub family: Family,
    /// The VRID.
    pub vrid: Vrid,
    /// The protocol version.
    pub version: Version,
    /// The advertisement interval.
    pub advertisement_interval_ms: AdvertisementInterval,
    /// Whether the member preempts.
    pub preempt_mode: bool,
    /// Which form of the checksum it sends.
    pub checksum: Checksum,
    /// The addresses.
    pub virtual_addresses: Vec<VirtualAddress>,
    /// The member's own priority.
    pub priority: Priority,
    /// The other members.
    pub peers: Vec<DesiredPeer>,
    /// How the members speak, where it is not as usual.
    #[serde(default)]
    pub options: ProtocolOptions,
    /// Whether the member takes no part: an Active resigns make-before-break. Left out unless it is so, which keeps
    /// the digests of other states as they were.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
    /// What the member's priority depends on, of [`DesiredState::checks`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub track: Vec<Track>,
    /// The groups that are to be active on the node together with this one, or not at all, by the name they share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_group: Option<Name>,
    /// What must succeed before the member answers for the addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_active: Option<PreActive>,
    /// What follows the state of the member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
}

/// Another member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredPeer {
    /// Its name.
    pub name: Name,
    /// The address its advertisements come from, where it is known.
    pub address: Option<IpAddr>,
    /// Its priority, configured or expected.
    pub priority: Priority,
    /// Whether it is a router without an agent.
    #[serde(default)]
    pub external: bool,
}

#[cfg(test)]
mod tests;
