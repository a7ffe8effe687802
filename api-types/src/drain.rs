//! Drains: a node that takes no part in its groups until an operator says so.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::audit::Actor;

/// A drain as an operator asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DrainSpec {
    /// Why, for people, at most 500 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 500, example = "new power supply"))]
    pub reason: String,
}

/// The drain of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Drain {
    /// Why, for people.
    pub reason: String,
    /// Since when.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
    /// Who asked for it.
    pub actor: Actor,
}
