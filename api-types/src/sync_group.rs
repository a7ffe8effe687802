//! Sync groups: groups that are to be active on one node, all of them or none.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Name, Timestamp};

/// The word, among the capabilities of an agent, that it moves the groups of a sync group together. One that does not
/// know them would take a state with them for damaged.
pub const CAPABILITY: &str = "sync_groups";
/// The most groups in one.
pub const MAX_GROUPS: usize = 32;

/// A sync group as an operator writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SyncGroupSpec {
    /// Unique among sync groups.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "edge"))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub description: String,
    /// The names of its groups, 2 to 32 of them, in any order. They have the same nodes as members, each with the same
    /// priority in all of them and no two with the same, and one mind about `preempt_mode`. None has an owner or an
    /// external member, and none is in another sync group.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, min_items = 2, max_items = 32, example = json!(["inside", "outside"])))]
    pub groups: Vec<Name>,
}

/// A sync group as the server answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncGroup {
    /// Never changes.
    pub id: Uuid,
    /// Unique among sync groups.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    pub description: String,
    /// Its groups, by name.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub groups: Vec<Name>,
    /// Counts the changes of the specification, from 1; it is the ETag.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub generation: i64,
    /// When it was created.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When its specification last changed.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
}

impl SyncGroup {
    /// The part of it that operators write.
    #[must_use]
    pub fn spec(&self) -> SyncGroupSpec {
        let Self { name, description, groups, .. } = self.clone();
        SyncGroupSpec { name, description, groups }
    }
}
