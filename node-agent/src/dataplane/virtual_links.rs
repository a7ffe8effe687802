//! Keeps one macvlan for each virtual router that has a MAC address of its own.
//!
//! Level-triggered: it is told which are wanted and what the kernel has, and makes what is missing and removes what is
//! too many, one after the other. A macvlan is made when its group comes, DOWN, so that a takeover has only to bring it
//! up; and it is removed after its group has gone, since that takes the kernel 20 ms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::address_table::AgentNumber;
use super::host;
use super::interfaces::{Interfaces, Macvlan};
use super::link_table::{LinkError, LinkSwitch, NetlinkLinks};
use super::virtual_link::{LinkKey, Tag};

/// How soon what was refused is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long the kernel is left to others before a macvlan is removed.
const PAUSE: Duration = Duration::from_millis(10);

enum Done {
    Made(LinkKey, Result<(), LinkError>),
    Removed,
}

/// The macvlans of this agent.
pub(super) struct VirtualLinks {
    links: Arc<NetlinkLinks>,
    agent: AgentNumber,
    wanted: BTreeSet<LinkKey>,
    refused: BTreeMap<LinkKey, String>,
    busy: Option<BoxFuture<'static, Done>>,
    nap: Option<BoxFuture<'static, ()>>,
}

impl VirtualLinks {
    /// A keeper that wants nothing yet.
    pub(super) const fn new(links: Arc<NetlinkLinks>, agent: AgentNumber) -> Self {
        Self { links, agent, wanted: BTreeSet::new(), refused: BTreeMap::new(), busy: None, nap: None }
    }

    /// Exactly these are wanted.
    pub(super) fn want(&mut self, wanted: BTreeSet<LinkKey>) {
        self.refused.retain(|key, _| wanted.contains(key));
        self.wanted = wanted;
    }

    /// Why some of them cannot be had.
    pub(super) const fn refused(&self) -> &BTreeMap<LinkKey, String> {
        &self.refused
    }

    /// Begins whatever brings the kernel nearer to what is wanted. `used` are the macvlans that something is still on.
    pub(super) fn follow(&mut self, interfaces: &Interfaces, used: &BTreeSet<u32>) {
        if self.busy.is_some() {
            return;
        }
        let is_lacking = |key: &&LinkKey| {
            interfaces.virtual_link(**key).is_none()
                && interfaces.get(key.parent).is_some()
                && (self.nap.is_none() || !self.refused.contains_key(*key))
        };
        if let Some(key) = self.wanted.iter().find(is_lacking).copied() {
            self.busy = Some(self.make(key, interfaces));
            return;
        }
        let names: BTreeSet<_> = self.wanted.iter().map(|key| key.name()).collect();
        let idle = || interfaces.macvlans().filter(|(ifindex, ..)| !used.contains(ifindex));
        if let Some((ifindex, _, macvlan)) = idle().find(|(_, state, _)| !names.contains(&state.name)) {
            self.busy = Some(self.remove(ifindex, macvlan, interfaces));
        } else if let Some((ifindex, ..)) = idle().find(|(_, state, _)| state.up) {
            // An earlier life of the agent was Active.
            let lowered = self.links.lower(ifindex);
            self.busy = Some(Box::pin(async move {
                rest_after(lowered.await).await;
                Done::Removed
            }));
        }
    }

    /// Whether nothing is wanted and nothing is left.
    pub(super) fn is_idle(&self, interfaces: &Interfaces) -> bool {
        self.wanted.is_empty() && self.busy.is_none() && interfaces.macvlans().next().is_none()
    }

    /// Returns once something that was begun has been done. May be dropped and called again.
    pub(super) async fn done(&mut self) {
        if let Some(busy) = &mut self.busy {
            let done = busy.await;
            self.busy = None;
            if let Done::Made(key, outcome) = done {
                match outcome {
                    Ok(()) => drop(self.refused.remove(&key)),
                    Err(error) => {
                        self.refused.insert(key, error.to_string());
                        self.nap = Some(Box::pin(tokio::time::sleep(RETRY_AFTER)));
                    }
                }
            }
        } else if let Some(nap) = &mut self.nap {
            nap.await;
            self.nap = None;
        } else {
            std::future::pending::<()>().await;
        }
    }

    fn make(&self, key: LinkKey, interfaces: &Interfaces) -> BoxFuture<'static, Done> {
        let before = interfaces.macvlans().find(|(_, _, macvlan)| macvlan.parent == key.parent);
        let before = match before {
            Some((_, _, macvlan)) => macvlan.before,
            None => {
                interfaces.get(key.parent).map(|state| host::arp_settings(&state.name)).unwrap_or_default()
            }
        };
        let made = self.links.make(key, Tag { agent: self.agent, before });
        Box::pin(async move { Done::Made(key, made.await) })
    }

    fn remove(&self, ifindex: u32, macvlan: Macvlan, interfaces: &Interfaces) -> BoxFuture<'static, Done> {
        let Macvlan { parent, before } = macvlan;
        let is_last = interfaces.macvlans().filter(|(_, _, other)| other.parent == parent).count() == 1
            && !self.wanted.iter().any(|key| key.parent == parent);
        let links = Arc::clone(&self.links);
        Box::pin(async move {
            tokio::time::sleep(PAUSE).await;
            rest_after(links.remove(ifindex, is_last.then_some((parent, before))).await).await;
            Done::Removed
        })
    }
}

/// What cannot be removed is there at the next look, and is tried again then.
async fn rest_after(outcome: Result<(), LinkError>) {
    if outcome.is_err() {
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
