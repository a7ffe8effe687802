//! VIP groups: one group is one VRRP virtual router.

mod member;
pub mod priorities;
mod spec;
mod standby;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

use crate::check::{CheckStatus, Track};
use crate::condition::Condition;
use crate::counters::GroupCounters;
use crate::hook::{Hook, HookStatus, PreActive};
use crate::peer::Peer;
use crate::protocol::{Authentication, MacMode, MaxHops, PreemptDelay, Transport, VirtualRoute, VirtualRule};
use crate::switchover::SwitchoverInEffect;
use crate::transition::State;
use crate::{Name, Timestamp, VirtualAddress};

use spec::yes;

pub use member::{ExternalMember, Member, MemberSpec, NodeMember, NodeMemberSpec, with_priorities};
pub use spec::{GroupSpec, default_advertisement_interval};
pub use standby::{NotReady, Standby};

/// Which form of the version 3 checksum over IPv4 is sent. Both are always accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// Starts with the form `rfc5798`, which every router in the field accepts.
    #[default]
    Auto,
    /// Over the VRRP message only (RFC 9568 §5.2.8).
    Rfc9568,
    /// With the IPv4 pseudo-header (RFC 5798 §5.2.8), as keepalived and FRR send and require it.
    Rfc5798,
}

impl Checksum {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Rfc9568 => "rfc9568",
            Self::Rfc5798 => "rfc5798",
        }
    }
}

/// A group as the server answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    /// Never changes.
    pub id: Uuid,
    /// Unique among groups.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    pub description: String,
    /// The name of the segment it lives on.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub segment: Name,
    /// The address family.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Family))]
    pub family: Family,
    /// The virtual router identifier, unique in the segment and family.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 255))]
    pub vrid: Vrid,
    /// The protocol version.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 2, maximum = 3))]
    pub version: Version,
    /// How often the active member advertises, in milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 255_000, multiple_of = 10))]
    pub advertisement_interval_ms: AdvertisementInterval,
    /// Whether a member takes the addresses from an active one of lower priority. The owner always does.
    pub preempt_mode: bool,
    /// For how long a member must have heard an active one of lower priority before it takes the addresses from it, in
    /// milliseconds.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true, value_type = u32, minimum = 0, maximum = 3_600_000))]
    pub preempt_delay_ms: PreemptDelay,
    /// Whether the active member accepts packets to the virtual addresses.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub accept_mode: bool,
    /// Which MAC address answers for the virtual addresses.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub mac_mode: MacMode,
    /// How advertisements reach the other members.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub transport: Transport,
    /// How many routers may lie between members.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true, value_type = u8, minimum = 0, maximum = 254))]
    pub max_hops: MaxHops,
    /// Whether the first virtual address of an IPv6 group must be link-local.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub require_link_local: bool,
    /// What version 2 carries beside its addresses; `null` for nothing.
    pub authentication: Option<Authentication>,
    /// Which form of the version 3 checksum the members send over IPv4.
    pub checksum: Checksum,
    /// The addresses that move.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub virtual_addresses: Vec<VirtualAddress>,
    /// Routes that come and go with the addresses.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub virtual_routes: Vec<VirtualRoute>,
    /// Policy rules that come and go with the addresses.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub virtual_rules: Vec<VirtualRule>,
    /// The checks that say whether a member can hold the addresses.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub track: Vec<Track>,
    /// What must succeed before a member which has become active answers for the addresses; `null` for nothing.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub pre_active: Option<PreActive>,
    /// What follows the state of a member.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub hooks: Vec<Hook>,
    /// Who takes part.
    pub members: Vec<Member>,
    /// Counts the changes of the specification, from 1; it is the ETag.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub generation: i64,
    /// When it was created.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When its specification last changed.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// What the server observes.
    pub status: GroupStatus,
}

/// What the server observes of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupStatus {
    /// The names of the members that were last reported active; exactly one when all is well.
    /// An external member stands here when a node's agent yields to its advertisements.
    pub active: Vec<String>,
    /// Each member as it was last reported, in the order of the specification.
    pub members: Vec<MemberStatus>,
    /// Who could take over if the holder failed now.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub standby: Standby,
    /// Those of the virtual addresses that no advertisement has room for. They move with the others, but a router of
    /// another make does not learn of them.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true, value_type = Vec<String>))]
    pub unadvertised_addresses: Vec<VirtualAddress>,
    /// The switchover that is in effect; `null` when priorities alone say who holds.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub switchover: Option<SwitchoverInEffect>,
    /// What is not as it should be.
    pub conditions: Vec<Condition>,
}

/// What the server observes of one member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberStatus {
    /// The name of the member.
    pub name: String,
    /// The state its agent last reported; `null` before the first report and for external members.
    pub state: Option<State>,
    /// Since when it is in this state, by the node's clock.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub since: Option<Timestamp>,
    /// The priority that it last said it takes part with: the one of the specification, changed by the checks that
    /// count at this moment and by a switchover; `null` before the first report and for external members.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true, value_type = Option<u8>, minimum = 1, maximum = 255))]
    pub effective_priority: Option<Priority>,
    /// Whether its agent has a session with a server, so that `state` is fresh; `null` for external members.
    pub connected: Option<bool>,
    /// Whether it holds the addresses or could take them over now; `null` for external members.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub ready: Option<bool>,
    /// Why it is not ready, in a sentence; `null` when it is.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub not_ready_because: Option<String>,
    /// Why its agent says that it is in `fault`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub fault: Option<String>,
    /// Which form of the version 3 checksum it sends over IPv4, `rfc9568` or `rfc5798`; `null` where there is but one,
    /// or its agent has not said.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub checksum: Option<Checksum>,
    /// What it has sent, heard and dropped since its agent's worker started, at most some seconds old; `null` before
    /// its agent has said.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub counters: Option<GroupCounters>,
    /// Why it has been dropping packets that name the virtual router in the last seconds: `checksum`, `version`,
    /// `ttl`, `type`, `length`, `interval`, `address_list`, `auth` (authentication), `family`, `source`,
    /// `destination`, `peer` (no peer of a unicast group).
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub dropping: Vec<String>,
    /// The members that it has heard, and at most 16 other routers, by address.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub peers: Vec<Peer>,
    /// How the checks stand there that the group tracks, in the order of `track`; empty before its agent has said.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub checks: Vec<CheckStatus>,
    /// How the hooks of the group went there that have run since its agent's worker started.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub hooks: Vec<HookStatus>,
}

impl Group {
    /// The part of the group that operators write.
    #[must_use]
    pub fn spec(&self) -> GroupSpec {
        GroupSpec {
            name: self.name.clone(),
            description: self.description.clone(),
            segment: self.segment.clone(),
            family: self.family,
            vrid: self.vrid,
            version: self.version,
            advertisement_interval_ms: Some(self.advertisement_interval_ms),
            preempt_mode: self.preempt_mode,
            preempt_delay_ms: self.preempt_delay_ms,
            accept_mode: self.accept_mode,
            mac_mode: self.mac_mode,
            transport: self.transport,
            max_hops: self.max_hops,
            require_link_local: self.require_link_local,
            authentication: self.authentication.clone(),
            checksum: self.checksum,
            virtual_addresses: self.virtual_addresses.clone(),
            virtual_routes: self.virtual_routes.clone(),
            virtual_rules: self.virtual_rules.clone(),
            track: self.track.clone(),
            pre_active: self.pre_active.clone(),
            hooks: self.hooks.clone(),
            members: self.members.clone(),
        }
    }
}
