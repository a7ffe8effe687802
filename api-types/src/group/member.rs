//! The members of a group: nodes, and routers without an agent.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vrrp::Priority;

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
