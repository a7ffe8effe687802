//! Switchovers: an operator moves the addresses of a group to one member, and they stay there.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::Actor;
use crate::failover::GapMethod;
use crate::{Name, Timestamp};

/// A switchover as an operator asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SwitchoverSpec {
    /// The node that shall hold the addresses.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "lb2"))]
    pub to: Name,
}

/// A switchover: the record of one planned move, and of what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Switchover {
    /// Names the switchover.
    pub id: Uuid,
    /// The name of the group when it was requested.
    pub group: String,
    /// The group.
    pub group_id: Uuid,
    /// The member that held the addresses when it was requested.
    pub from: String,
    /// The node that shall hold them.
    pub to: String,
    /// Who asked for it.
    pub actor: Actor,
    /// How it stands.
    pub state: SwitchoverState,
    /// Why it is in effect no longer, in a sentence; `null` while it is.
    pub reason: Option<String>,
    /// When it was requested.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub requested_at: Timestamp,
    /// When the server heard that the node holds the addresses; it holds them before that.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub active_at: Option<Timestamp>,
    /// When it was in effect no longer.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub ended_at: Option<Timestamp>,
    /// When the node had bound the addresses, by its own clock; known with the failover.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub bound_at: Option<Timestamp>,
    /// The failover that it was; known up to a second after the move.
    pub failover: Option<Uuid>,
    /// How long nobody answered, in milliseconds, as that failover says.
    #[cfg_attr(feature = "openapi", schema(minimum = 0.0))]
    pub gap_ms: Option<f64>,
    /// How `gap_ms` was measured; by `release_to_announcement` it is as exact as the clocks of the two nodes
    /// agree.
    pub gap_method: Option<GapMethod>,
}

/// How a switchover stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SwitchoverState {
    /// The node was told to take over.
    Requested,
    /// The node has taken over, and keeps the addresses.
    Active,
    /// Taken back: who holds is what priorities say.
    Undone,
    /// The node has lost the addresses, was restarted, or may hold them no longer.
    Ended,
    /// The node did not take over in time, and was told to let it be.
    Failed,
    /// A later one moves the addresses to another node.
    Superseded,
}

impl SwitchoverState {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::Requested, Self::Active, Self::Undone, Self::Ended, Self::Failed, Self::Superseded];

    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Undone => "undone",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    /// Whether the node is still told to hold the addresses.
    #[must_use]
    pub const fn is_in_effect(self) -> bool {
        matches!(self, Self::Requested | Self::Active)
    }
}

/// The switchover that is in effect in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SwitchoverInEffect {
    /// Which.
    pub id: Uuid,
    /// The node that shall hold the addresses.
    pub to: String,
    /// `requested` or `active`.
    pub state: SwitchoverState,
    /// When it was requested.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub requested_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_written_as_its_word() {
        for state in SwitchoverState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
