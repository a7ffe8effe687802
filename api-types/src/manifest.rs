//! Manifests: the objects of a YAML file for `baton apply`.

use serde::{Deserialize, Serialize};

use crate::check::CheckSpec;
use crate::group::GroupSpec;
use crate::node::NodeSpec;
use crate::segment::SegmentSpec;
use crate::sync_group::SyncGroupSpec;

/// One object of a manifest. `kind` says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Manifest {
    /// A segment.
    Segment(SegmentSpec),
    /// A node.
    Node(NodeSpec),
    /// A check.
    Check(CheckSpec),
    /// A group.
    Group(GroupSpec),
    /// A sync group.
    #[serde(rename = "sync-group")]
    SyncGroup(SyncGroupSpec),
}
