//! Conditions: what is not as it should be, for as long as it is so.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Something about an object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Condition {
    /// Which.
    pub kind: ConditionKind,
    /// In a sentence, with the names of what is involved.
    pub detail: String,
    /// Since when.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
}

/// The conditions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConditionKind {
    /// No member of the group is active.
    NoHolder,
    /// More than one member of the group is active.
    TwoHolders,
    /// The agent of the node has no session with a server.
    AgentDisconnected,
    /// The agent refused the newest desired state and runs an older one.
    ConfigRejected,
    /// A member names an interface of a node that has not reported its interfaces yet.
    InterfaceUnverified,
}

impl ConditionKind {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoHolder => "no_holder",
            Self::TwoHolders => "two_holders",
            Self::AgentDisconnected => "agent_disconnected",
            Self::ConfigRejected => "config_rejected",
            Self::InterfaceUnverified => "interface_unverified",
        }
    }
}
