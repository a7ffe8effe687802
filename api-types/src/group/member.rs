//! The members of a group: nodes, and routers without an agent.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vrrp::{AdvertisementInterval, Priority};

use super::priorities::{self, NoRoom};
use crate::Name;

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
    /// The interface on the segment, as the node's kernel names it: 1 to 15 characters, no `/`, no white
    /// space.
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
    /// The address its advertisements come from, a host of the segment; a virtual address only with priority
    /// 255.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "192.0.2.4"))]
    pub address: IpAddr,
    /// The priority it is expected to advertise.
    #[cfg_attr(feature = "openapi", schema(value_type = u8, minimum = 1, maximum = 255, example = 100))]
    pub priority: Priority,
}

/// One member of a group as an operator may write it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MemberSpec {
    /// A host with an agent.
    Node(NodeMemberSpec),
    /// A router without an agent.
    External(ExternalMember),
}

/// A member that is a node, as an operator may write it. The fields are those of [`NodeMember`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NodeMemberSpec {
    /// The name of the node.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "lb1"))]
    pub node: Name,
    /// The interface on the segment, as the node's kernel names it: 1 to 15 characters, no `/`, no white
    /// space.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[^/\\s]{1,15}$", example = "eth0"))]
    pub interface: String,
    /// 1 to 254; 255 says that the node owns the addresses. Left out, it is given by the order of the
    /// members: 240, then as far apart as the interval needs, at least 8, and as far from those that are
    /// written.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u8, required = false, minimum = 1, maximum = 255, example = 240))]
    pub priority: Option<Priority>,
}

impl MemberSpec {
    /// Its priority, configured or expected; `None` when none is written.
    #[must_use]
    pub const fn priority(&self) -> Option<Priority> {
        match self {
            Self::Node(member) => member.priority,
            Self::External(member) => Some(member.priority),
        }
    }

    fn with_priority(self, priority: Priority) -> Member {
        match self {
            Self::Node(NodeMemberSpec { node, interface, .. }) => {
                Member::Node(NodeMember { node, interface, priority })
            }
            Self::External(member) => Member::External(ExternalMember { priority, ..member }),
        }
    }
}

/// The members of a group with this interval, each with its priority: the written one, or else the one it is
/// [given](priorities::assigned).
///
/// # Errors
/// [`NoRoom`] when the members without a written one are too many for the interval.
pub fn with_priorities(
    members: Vec<MemberSpec>,
    interval: AdvertisementInterval,
) -> Result<Vec<Member>, NoRoom> {
    let written: Vec<_> = members.iter().map(MemberSpec::priority).collect();
    let given = priorities::assigned(interval, &written)?;
    Ok(members.into_iter().zip(given).map(|(member, priority)| member.with_priority(priority)).collect())
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
