//! Convergence: whether the LAN has followed a takeover, as another member has seen it.
//!
//! A member that waits behind a new holder asks for the virtual addresses (ARP probes, neighbour
//! solicitations) until the MAC address of the holder alone answers, and an announcement of it has come through.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// The word for it, among the capabilities of a server that records it.
pub const CAPABILITY: &str = "convergence";

/// What a member has found out about a new holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Convergence {
    /// The group.
    pub group_id: Uuid,
    /// Where the new holder's advertisements come from.
    pub holder: IpAddr,
    /// When this member accepted the first of them, by its node's wall clock.
    pub heard_at: Timestamp,
    /// From then, on its node's `CLOCK_BOOTTIME`, until the holder alone had answered for the addresses that were
    /// asked for, and had been heard to announce them: microseconds.
    pub took_us: u64,
}
