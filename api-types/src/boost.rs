//! Boosts: what lets one member of a group take over now, whatever its configured priority.
//!
//! A server tells an agent all boosts of its node, in full: once a session has begun, and whenever they change.
//! What is not among them is over. An agent obeys a boost only in the boot that it was made for, never
//! from a disk, and never one whose sequence is not above every one that it has seen of the group; so a boost
//! that came late or twice, and one that was withdrawn, moves nothing.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vrrp::BoostedPriority;

/// The word for it among the capabilities of an agent.
pub const CAPABILITY: &str = "switchover";

/// Lets a member take over at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boost {
    /// The group.
    pub group_id: Uuid,
    /// The switchover that it belongs to.
    pub switchover_id: Uuid,
    /// Grows with every boost of the group, from 1.
    pub sequence: u64,
    /// The boot of the agent that it was made for.
    pub boot_id: Uuid,
    /// What the member advertises while it lasts.
    pub priority: BoostedPriority,
}
