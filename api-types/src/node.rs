//! Nodes: hosts with an agent.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::channel::Revision;
use crate::condition::Condition;
use crate::counters::InterfaceCounters;
use crate::drain::Drain;
use crate::fences::Fences;
use crate::timing::Timing;
use crate::{Name, Timestamp};

/// A node as an operator writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// Unique among nodes.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "lb1"))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub description: String,
}

/// A node as the server answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Node {
    /// Never changes.
    pub id: Uuid,
    /// Unique among nodes.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    pub description: String,
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
    pub status: NodeStatus,
}

/// What the server observes of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeStatus {
    /// Whether an agent has enrolled under this name.
    pub enrolled: bool,
    /// Whether its agent has a session with a server now.
    pub connected: bool,
    /// When the server last heard the agent; `null` before the first time.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_seen_at: Option<Timestamp>,
    /// The version of the agent's software.
    pub agent_version: Option<String>,
    /// Drawn by the agent at each start.
    pub boot_id: Option<Uuid>,
    /// What the agent says it can do beyond the first version of the channel: `switchover`, `drain`,
    /// `assist`, `fast_start`, `checks`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub capabilities: Vec<String>,
    /// Since when the node takes no part in its groups, and why; `null` when it does.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub drain: Option<Drain>,
    /// The interfaces as the agent last reported them; `null` before it ever reported.
    pub interfaces: Option<Vec<Interface>>,
    /// What was dropped on each interface since the agent's worker started; `null` before the agent has said.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub interface_counters: Option<Vec<InterfaceCounters>>,
    /// How the fences stand that take the node's addresses away when its agent cannot; `null` before the agent
    /// has said.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub fences: Option<Fences>,
    /// How punctual the node's dataplane is; `null` before the agent has said.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub timing: Option<Timing>,
    /// The revision of the desired state that the server wants on the node.
    pub desired_revision: Revision,
    /// The revision that the agent runs.
    pub applied_revision: Option<Revision>,
    /// Why the agent refused the newest desired state, if it did.
    pub rejection: Option<Rejection>,
    /// What is not as it should be.
    pub conditions: Vec<Condition>,
}

/// A network interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Interface {
    /// As the kernel names it.
    pub name: String,
    /// The hardware address, `aa:bb:cc:dd:ee:ff`; `null` where it has none.
    pub mac: Option<String>,
    /// Administratively up.
    pub up: bool,
    /// The carrier is there.
    pub carrier: bool,
    /// The interface's own addresses, virtual addresses left out.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub addresses: Vec<IpNet>,
}

impl Interface {
    /// Whether `address` is one of the interface's own.
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.addr() == address)
    }
}

/// Why an agent refused a desired state. It goes on with the one it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rejection {
    /// The revision that was refused.
    pub revision: Revision,
    /// One entry for each group that was at fault.
    pub reasons: Vec<RejectionReason>,
}

/// Why one group made the agent refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RejectionReason {
    /// The name of the group; `null` when the message as a whole was at fault.
    pub group: Option<String>,
    /// What was wrong, and what is allowed.
    pub detail: String,
}
