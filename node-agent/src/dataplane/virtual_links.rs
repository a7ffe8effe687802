//! Keeps one macvlan for each virtual router that has a MAC address of its own.
//!
//! Level-triggered: it is told which are wanted and what the kernel has, and makes what is missing and
//! removes what is too many. A macvlan is made when its group comes, DOWN, so that a takeover has only to
//! bring it up; and it is removed a while after its group has gone, together with the others that nobody
//! wants by then: that keeps the kernel from changing any address for 20 to 40 ms, however many they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::address_table::AgentNumber;
use super::host;
use super::interfaces::{InterfaceState, Interfaces, Macvlan};
use super::link_table::{Blueprint, LinkError, LinkSwitch, NetlinkLinks};
use super::virtual_link::{ArpSettings, LinkKey, Tag};

/// How soon what was refused is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What others change in the kernel because a group has gone, a takeover above all, is over by then.
const REST: Duration = Duration::from_millis(100);
/// How many are made or removed in one go, after which others have their turn.
const AT_ONCE: usize = 64;
/// How many an interface may have for each to be given at once what is broadcast.
const FEW: usize = 64;

enum Done {
    Made(Vec<(LinkKey, Result<(), LinkError>)>),
    Removed,
}

/// The macvlans that may not be touched although no group wants them.
#[derive(Debug, Default)]
pub(super) struct InUse {
    /// Those that something is or shall be on.
    pub(super) held: BTreeSet<u32>,
    /// Those that nothing is on any longer and that somebody else is about to take down.
    pub(super) lowering: BTreeSet<u32>,
}

/// The macvlans of this agent.
pub(super) struct VirtualLinks {
    links: Arc<NetlinkLinks>,
    agent: AgentNumber,
    wanted: BTreeSet<LinkKey>,
    refused: BTreeMap<LinkKey, String>,
    /// How interfaces below answered ARP before the first macvlan came: a macvlan says it too, and may be deleted.
    before: BTreeMap<u32, ArpSettings>,
    /// Those that were made and that the kernel has not told of yet.
    unseen: BTreeSet<LinkKey>,
    busy: Option<BoxFuture<'static, Done>>,
    /// Until then nothing is made that was refused or is not seen yet.
    nap: Option<BoxFuture<'static, ()>>,
    /// Until then nothing is removed.
    rest: Option<BoxFuture<'static, ()>>,
    rested: bool,
}

impl VirtualLinks {
    /// A keeper that wants nothing yet.
    pub(super) const fn new(links: Arc<NetlinkLinks>, agent: AgentNumber) -> Self {
        Self {
            links,
            agent,
            wanted: BTreeSet::new(),
            refused: BTreeMap::new(),
            before: BTreeMap::new(),
            unseen: BTreeSet::new(),
            busy: None,
            nap: None,
            rest: None,
            rested: false,
        }
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

    /// Begins whatever brings the kernel nearer to what is wanted.
    pub(super) fn follow(&mut self, interfaces: &Interfaces, in_use: &InUse) {
        self.remember(interfaces);
        self.unseen.retain(|key| interfaces.virtual_link(*key).is_none());
        if self.busy.is_some() {
            return;
        }
        let is_lacking = |key: &&LinkKey| {
            interfaces.virtual_link(**key).is_none()
                && !self.unseen.contains(*key)
                && (self.nap.is_none() || !self.refused.contains_key(*key))
        };
        let lacking = self.wanted.iter().filter(is_lacking);
        let lacking: Vec<_> =
            lacking.filter_map(|key| self.blueprint(*key, interfaces)).take(AT_ONCE).collect();
        if !lacking.is_empty() {
            self.busy = Some(self.make(lacking));
            return;
        }
        let names: BTreeSet<_> = self.wanted.iter().map(|key| key.name()).collect();
        let idle: Vec<_> =
            interfaces.macvlans().filter(|(ifindex, ..)| !in_use.held.contains(ifindex)).collect();
        let unwanted: Vec<_> =
            idle.iter().filter(|(_, state, _)| !names.contains(&state.name)).take(AT_ONCE).collect();
        if !unwanted.is_empty() || self.before.keys().any(|parent| !self.is_used(*parent, interfaces)) {
            if std::mem::take(&mut self.rested) {
                let unwanted = unwanted.iter().map(|(ifindex, _, macvlan)| (*ifindex, *macvlan)).collect();
                self.busy = Some(self.remove(unwanted, interfaces));
            } else if self.rest.is_none() {
                self.rest = Some(Box::pin(tokio::time::sleep(REST)));
            }
            return;
        }
        self.rested = false;
        let is_left_up = |(ifindex, state, _): &&(u32, &InterfaceState, Macvlan)| {
            state.up && !in_use.lowering.contains(ifindex)
        };
        if let Some((ifindex, ..)) = idle.iter().find(is_left_up) {
            // An earlier life of the agent was Active.
            let lowered = self.links.lower(*ifindex);
            self.busy = Some(Box::pin(async move {
                rest_after(lowered.await).await;
                Done::Removed
            }));
        }
    }

    /// Whether nothing is wanted and nothing is left.
    pub(super) fn is_idle(&self, interfaces: &Interfaces) -> bool {
        let is_done = self.busy.is_none() && self.unseen.is_empty();
        let is_restored = self.before.is_empty();
        self.wanted.is_empty() && is_done && is_restored && interfaces.macvlans().next().is_none()
    }

    /// Returns once something that was begun has been done. May be dropped and called again.
    pub(super) async fn done(&mut self) {
        tokio::select! {
            done = end(&mut self.busy) => if let Done::Made(outcomes) = done {
                outcomes.into_iter().for_each(|(key, outcome)| self.follow_made(key, outcome));
            },
            () = end(&mut self.nap) => self.unseen.clear(),
            () = end(&mut self.rest) => self.rested = true,
        }
    }

    fn follow_made(&mut self, key: LinkKey, outcome: Result<(), LinkError>) {
        match outcome {
            Ok(()) => {
                self.refused.remove(&key);
                self.unseen.insert(key);
            }
            Err(error) => drop(self.refused.insert(key, error.to_string())),
        }
        self.nap.get_or_insert_with(|| Box::pin(tokio::time::sleep(RETRY_AFTER)));
    }

    /// What is to be made; `None` while there is nothing to make it on.
    fn blueprint(&self, key: LinkKey, interfaces: &Interfaces) -> Option<Blueprint> {
        let below = interfaces.get(key.parent)?.name.clone();
        let beside = interfaces.macvlans().find(|(_, _, macvlan)| macvlan.parent == key.parent);
        let before = match (self.before.get(&key.parent), beside) {
            (Some(before), _) => *before,
            (None, Some((_, _, macvlan))) => macvlan.before,
            (None, None) => host::arp_settings(&below),
        };
        let tag = Tag { agent: self.agent, before };
        let is_of_few = self.wanted.iter().filter(|wanted| wanted.parent == key.parent).count() <= FEW;
        Some(Blueprint { key, below, tag, is_first: beside.is_none(), is_of_few })
    }

    fn make(&self, blueprints: Vec<Blueprint>) -> BoxFuture<'static, Done> {
        let made = self.links.make(blueprints);
        Box::pin(async move { Done::Made(made.await) })
    }

    /// Learns from the macvlans that are there, and forgets interfaces that are gone.
    fn remember(&mut self, interfaces: &Interfaces) {
        self.before.retain(|parent, _| interfaces.get(*parent).is_some());
        for key in &self.wanted {
            if self.before.contains_key(&key.parent) {
                continue;
            }
            let state = interfaces.virtual_link(*key).and_then(|ifindex| interfaces.get(ifindex));
            if let Some(macvlan) = state.and_then(|state| state.macvlan) {
                self.before.insert(key.parent, macvlan.before);
            }
        }
    }

    /// Whether the interface has a macvlan or is to have one.
    fn is_used(&self, parent: u32, interfaces: &Interfaces) -> bool {
        self.wanted.iter().any(|key| key.parent == parent)
            || interfaces.macvlans().any(|(_, _, macvlan)| macvlan.parent == parent)
    }

    /// Removes them, and has the interfaces that have none any longer answer ARP as they did before.
    fn remove(&mut self, unwanted: Vec<(u32, Macvlan)>, interfaces: &Interfaces) -> BoxFuture<'static, Done> {
        let going: BTreeSet<_> = unwanted.iter().map(|(ifindex, _)| *ifindex).collect();
        let stays = |parent| {
            let mut others = interfaces.macvlans().filter(|(ifindex, ..)| !going.contains(ifindex));
            others.any(|(_, _, other)| other.parent == parent)
                || self.wanted.iter().any(|key| key.parent == parent)
        };
        let mut before: BTreeMap<u32, ArpSettings> =
            unwanted.iter().map(|(_, macvlan)| (macvlan.parent, macvlan.before)).collect();
        before.extend(&self.before);
        let restore: Vec<_> = before.into_iter().filter(|(parent, _)| !stays(*parent)).collect();
        self.before.retain(|parent, _| restore.iter().all(|(restored, _)| restored != parent));
        let removed = self.links.remove(going, restore);
        Box::pin(async move {
            rest_after(removed.await).await;
            Done::Removed
        })
    }
}

/// What it brings, once there is something that ends.
async fn end<T>(begun: &mut Option<BoxFuture<'static, T>>) -> T {
    match begun {
        Some(future) => {
            let brought = future.await;
            *begun = None;
            brought
        }
        None => std::future::pending().await,
    }
}

/// What cannot be removed is there at the next look, and is tried again then.
async fn rest_after(outcome: Result<(), LinkError>) {
    if outcome.is_err() {
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
