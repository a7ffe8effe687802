//! What an earlier life of the agent has left in the kernel, looked at before anything of it is changed.
//!
//! An agent that was killed whole can tell nobody how its addresses fell silent. What is left of them says
//! it.

use std::time::Duration;

use tokio::time::timeout;

use super::interfaces::Interfaces;
use super::lease::{LeaseKey, Leases};
use crate::messages::{Found, FoundRouter};
use crate::sys::clock;

/// How long the first worker of an agent waits for nftables to say what it silences.
const WITHIN: Duration = Duration::from_secs(1);

/// Looks.
pub(super) async fn look(interfaces: &Interfaces, leases: &Leases) -> Found {
    let silenced = timeout(WITHIN, leases.silenced_before()).await.unwrap_or_default();
    let name = |ifindex| interfaces.get(interfaces.physical(ifindex)).map(|state| state.name.clone());
    let router = |key: &LeaseKey| {
        Some(FoundRouter { interface: name(key.ifindex)?, family: key.family, vrid: key.vrid })
    };
    Found {
        at_boottime_ns: clock::nanoseconds(clock::boottime()),
        interfaces: interfaces.iter().map(|(_, state)| state.name.clone()).collect(),
        bound: interfaces.ours().iter().filter_map(|at| Some((name(at.ifindex)?, at.address))).collect(),
        silenced: silenced.iter().filter_map(router).collect(),
    }
}
