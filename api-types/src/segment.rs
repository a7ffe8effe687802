//! Segments: layer 2 broadcast domains. VRIDs and addresses are unique in one.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Name, Timestamp};

/// A segment as an operator writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SegmentSpec {
    /// Unique among segments.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "frontend"))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub description: String,
    /// The subnets of the segment; the virtual addresses and external members of its groups lie in them.
    /// 1 to 16, written as the network address with its prefix length.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, min_items = 1, max_items = 16, example = json!(["192.0.2.0/24"])))]
    pub prefixes: Vec<IpNet>,
}

/// A segment as the server answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Segment {
    /// Never changes.
    pub id: Uuid,
    /// Unique among segments.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: Name,
    /// Free text for people, at most 500 characters.
    pub description: String,
    /// The subnets of the segment; the virtual addresses and external members of its groups lie in them.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub prefixes: Vec<IpNet>,
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
    pub status: SegmentStatus,
}

/// What the server observes of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SegmentStatus {
    /// How many groups live on the segment.
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub groups: i64,
}
