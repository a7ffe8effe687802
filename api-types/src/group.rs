//! VIP groups: one group is one VRRP virtual router.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

use crate::condition::Condition;
use crate::transition::State;
use crate::{Name, Timestamp, VirtualAddress};

/// A group as an operator writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// Unique among groups.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "web"))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub description: String,
    /// The name of the segment the group lives on.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "frontend"))]
    pub segment: Name,
    /// The address family. The same VRID in two families is two virtual routers.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Family, default = "ipv4"))]
    pub family: Family,
    /// The virtual router identifier, unique in the segment and family.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 255, example = 51))]
    pub vrid: Vrid,
    /// The protocol version.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 2, maximum = 3, default = 3))]
    pub version: Version,
    /// How often the active member advertises, in milliseconds: multiples of 10 from 10 to 40,950.
    #[serde(default = "default_advertisement_interval")]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 40950, multiple_of = 10, default = 100))]
    pub advertisement_interval_ms: AdvertisementInterval,
    /// Whether a member takes the addresses from an active one of lower priority. The owner always does.
    #[serde(default = "default_preempt_mode")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub preempt_mode: bool,
    /// Which form of the version 3 checksum the members send over IPv4.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(default = "auto"))]
    pub checksum: Checksum,
    /// The addresses that move, 1 to 64. No member has one as its own, but the owner (priority 255).
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, min_items = 1, max_items = 64, example = json!(["192.0.2.10/24"])))]
    pub virtual_addresses: Vec<VirtualAddress>,
    /// Who takes part. 1 to 32.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 32))]
    pub members: Vec<Member>,
}

/// The interval of a group that asks for none.
#[must_use]
pub const fn default_advertisement_interval() -> AdvertisementInterval {
    AdvertisementInterval::DEFAULT_V3
}

/// Whether a group preempts when it does not say.
#[must_use]
pub const fn default_preempt_mode() -> bool {
    true
}

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

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Member {
    /// A host with an agent.
    Node(NodeMember),
    /// A router without an agent, for example a keepalived: a peer that is never commanded.
    External(ExternalMember),
}

/// A member that is a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NodeMember {
    /// The name of the node.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "lb1"))]
    pub node: Name,
    /// The interface on the segment, as the node's kernel names it: 1 to 15 characters, no `/`, no white space.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[^/\\s]{1,15}$", example = "eth0"))]
    pub interface: String,
    /// 1 to 254; 255 says that the node owns the addresses.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 255, example = 240))]
    pub priority: Priority,
}

/// A member that is a router without an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExternalMember {
    /// What people call it; unique in the group.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "old-keepalived"))]
    pub name: Name,
    /// The address its advertisements come from, a host of the segment; a virtual address only with priority 255.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "192.0.2.4"))]
    pub address: IpAddr,
    /// The priority it is expected to advertise.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 255, example = 100))]
    pub priority: Priority,
}

impl Member {
    /// The name people know the member by: the node's, or the external router's.
    #[must_use]
    pub const fn name(&self) -> &Name {
        match self {
            Self::Node(member) => &member.node,
            Self::External(member) => &member.name,
        }
    }

    /// Its priority, configured or expected.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        match self {
            Self::Node(member) => member.priority,
            Self::External(member) => member.priority,
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
    /// How often the active member advertises, in milliseconds: multiples of 10 from 10 to 40,950.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, minimum = 10, maximum = 40950, multiple_of = 10))]
    pub advertisement_interval_ms: AdvertisementInterval,
    /// Whether a member takes the addresses from an active one of lower priority. The owner always does.
    pub preempt_mode: bool,
    /// Which form of the version 3 checksum the members send over IPv4.
    pub checksum: Checksum,
    /// The addresses that move.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub virtual_addresses: Vec<VirtualAddress>,
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
    /// Whether its agent has a session with a server, so that `state` is fresh; `null` for external members.
    pub connected: Option<bool>,
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
            advertisement_interval_ms: self.advertisement_interval_ms,
            preempt_mode: self.preempt_mode,
            checksum: self.checksum,
            virtual_addresses: self.virtual_addresses.clone(),
            members: self.members.clone(),
        }
    }
}
