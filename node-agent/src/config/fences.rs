//! `[fences]`: what may take addresses away when the agent is in no state to do so itself.

use serde::{Deserialize, Serialize};

/// Which fences shall stand ready. Each stands for itself, and all do unless the configuration says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FenceSettings {
    /// The parent process takes the addresses away when the worker is dead or hangs.
    pub guard: bool,
    /// The kernel answers for the addresses only while advertisements leave.
    pub nftables_lease: bool,
    /// The kernel removes the addresses when they are no longer refreshed.
    pub address_lease: bool,
    /// The agent lets go first when it finds that it was kept from running.
    pub self_check: bool,
}

impl Default for FenceSettings {
    fn default() -> Self {
        Self { guard: true, nftables_lease: true, address_lease: true, self_check: true }
    }
}

impl FenceSettings {
    /// None of them.
    pub const NONE: Self =
        Self { guard: false, nftables_lease: false, address_lease: false, self_check: false };
}
