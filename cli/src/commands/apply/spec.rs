//! Specifications that can be applied, and what they become on the server.

use api_types::check::{Check, CheckSpec};
use api_types::condition::Condition;
use api_types::group::{Group, GroupSpec};
use api_types::node::{Node, NodeSpec};
use api_types::segment::{Segment, SegmentSpec};
use api_types::sync_group::{SyncGroup, SyncGroupSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What operators write of an object.
pub(super) trait Spec: Serialize {
    /// The object as the server answers it.
    type Object: DeserializeOwned;
    /// Its list, below `/api/v1/`.
    const PATH: &'static str;

    /// The name under which it is put.
    fn name(&self) -> &str;

    /// The part of `object` that operators write.
    fn of(object: &Self::Object) -> Self;

    /// What the server thinks of the object.
    fn conditions(object: &Self::Object) -> &[Condition];
}

impl Spec for SegmentSpec {
    type Object = Segment;
    const PATH: &'static str = "segments";

    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn of(segment: &Segment) -> Self {
        Self {
            name: segment.name.clone(),
            description: segment.description.clone(),
            prefixes: segment.prefixes.clone(),
        }
    }

    fn conditions(_: &Segment) -> &[Condition] {
        &[]
    }
}

impl Spec for NodeSpec {
    type Object = Node;
    const PATH: &'static str = "nodes";

    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn of(node: &Node) -> Self {
        Self { name: node.name.clone(), description: node.description.clone() }
    }

    fn conditions(node: &Node) -> &[Condition] {
        &node.status.conditions
    }
}

impl Spec for CheckSpec {
    type Object = Check;
    const PATH: &'static str = "checks";

    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn of(check: &Check) -> Self {
        check.spec()
    }

    fn conditions(_: &Check) -> &[Condition] {
        &[]
    }
}

impl Spec for GroupSpec {
    type Object = Group;
    const PATH: &'static str = "groups";

    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn of(group: &Group) -> Self {
        group.spec()
    }

    fn conditions(group: &Group) -> &[Condition] {
        &group.status.conditions
    }
}

impl Spec for SyncGroupSpec {
    type Object = SyncGroup;
    const PATH: &'static str = "sync-groups";

    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn of(sync_group: &SyncGroup) -> Self {
        sync_group.spec()
    }

    fn conditions(_: &SyncGroup) -> &[Condition] {
        &[]
    }
}
