//! Keeps the addresses of a member silent until its `pre_active` hook has succeeded, by nftables.
//!
//! The member holds and advertises meanwhile, so that no other takes over, and is as if it did not have the addresses:
//! nothing asks for them or speaks from them (`silence.rs`). A virtual router is closed from the time when its
//! group comes, and again whenever it has let go of the addresses, so that a failover never waits for `nft`; only to
//! open it, `nft` must run.
//!
//! Without the table nothing is bound: what must not answer yet would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

use super::address_table::AgentNumber;
use super::background::Background;
use super::group::Group;
use super::interfaces::Interfaces;
use super::lease::LeaseKey;
use super::nft::TableName;
use super::nft_table::{Applied, Contents, TableKeeper};
use super::silence::{Router, Script, Unless};
use super::virtual_link::LinkKey;

/// How long a group waits for the table.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// The addresses cannot be kept silent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the addresses cannot be kept silent until the pre_active hook has succeeded: {0}")]
pub(super) struct EntryFenceError(String);

/// What is silenced of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Silenced {
    interface: String,
    addresses: BTreeSet<IpAddr>,
    mac: Option<[u8; 6]>,
}

/// The virtual routers that are closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Closed(BTreeMap<LeaseKey, Silenced>);

impl Contents for Closed {
    const FAMILY: &'static str = "netdev";
    const SUFFIX: &'static str = "_entry";
    const PURPOSE: &'static str = "keeps addresses silent until a pre_active hook has succeeded";
    /// Who has not been let in stays out.
    const FAILS_OPEN: bool = false;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn fill(&self, table: &TableName) -> String {
        let router = |(key, silenced): (&LeaseKey, &'_ Silenced)| (*key, silenced.clone());
        let closed: Vec<_> = self.0.iter().map(router).collect();
        let routers: Vec<_> = closed
            .iter()
            .map(|(key, silenced)| Router {
                key: *key,
                interface: &silenced.interface,
                addresses: &silenced.addresses,
                mac: silenced.mac,
            })
            .collect();
        let mut script = Script::new(table);
        routers.iter().for_each(|router| script.silence(router, Unless::Never));
        script.interfaces(&routers, |_, _, _, _| {});
        script.into_text()
    }
}

/// Keeps the table as the groups want it.
pub(super) struct EntryFence(TableKeeper<Closed>);

/// The view of whoever binds addresses.
#[derive(Debug, Clone)]
pub(super) struct EntryFenceView(watch::Receiver<Applied<Closed>>);

impl EntryFenceView {
    /// Returns once the virtual router is silent about all of these.
    pub(super) async fn closed(
        &self,
        router: LeaseKey,
        addresses: impl Iterator<Item = IpAddr>,
    ) -> Result<(), EntryFenceError> {
        let addresses: BTreeSet<_> = addresses.collect();
        let mut applied = self.0.clone();
        let is_closed = |applied: &Applied<Closed>| {
            let silenced = applied.contents.0.get(&router);
            silenced.is_some_and(|silenced| addresses.is_subset(&silenced.addresses))
        };
        let settled = |applied: &Applied<Closed>| applied.refused.is_some() || is_closed(applied);
        let outcome = tokio::time::timeout(CLOSED_WITHIN, applied.wait_for(settled)).await;
        match outcome {
            Ok(Ok(applied)) if is_closed(&applied) => Ok(()),
            Ok(Ok(applied)) => Err(EntryFenceError(applied.refused.clone().unwrap_or_default())),
            Ok(Err(_)) => Err(EntryFenceError("the agent is ending".to_owned())),
            Err(_) => Err(EntryFenceError(format!("nft has not answered for {} s", CLOSED_WITHIN.as_secs()))),
        }
    }
}

impl EntryFence {
    /// A fence that has not looked yet what an earlier life of the agent has left.
    pub(super) fn new(agent: AgentNumber, background: Background) -> Self {
        Self(TableKeeper::new(agent, background))
    }

    /// What a binder needs.
    pub(super) fn view(&self) -> EntryFenceView {
        EntryFenceView(self.0.applied())
    }

    /// Exactly those of these groups are to be closed that are.
    pub(super) fn want<'a>(&mut self, groups: impl Iterator<Item = &'a Group>, interfaces: &Interfaces) {
        let closed = groups.filter(|group| group.is_closed());
        self.0.want(Closed(closed.filter_map(|group| silenced(group, interfaces)).collect()));
    }

    /// Whether the rules that are written let this virtual router pass.
    pub(super) fn is_open(&self, router: LeaseKey) -> bool {
        !self.0.now().contents.0.contains_key(&router)
    }

    /// Whether the table is as it is wanted, or cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.0.is_settled()
    }

    /// What keeps the table from being as it is wanted.
    pub(super) fn failure(&self) -> Option<EntryFenceError> {
        self.0.now().refused.clone().map(EntryFenceError)
    }

    /// What people should read in the log, each once.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        self.0.take_notices()
    }

    /// Returns once something that was begun has been done. May be dropped and called again.
    pub(super) async fn done(&mut self) {
        self.0.done().await;
    }
}

/// What to silence of a group whose interface is known.
fn silenced(group: &Group, interfaces: &Interfaces) -> Option<(LeaseKey, Silenced)> {
    let desired = group.desired();
    let ifindex = group.footing()?.ifindex;
    let interface = interfaces.get(ifindex)?.name.clone();
    let addresses = desired.virtual_addresses.iter().map(|address| address.address()).collect();
    let key = LeaseKey { ifindex, family: desired.family, vrid: desired.vrid };
    let link = LinkKey { parent: ifindex, family: desired.family, vrid: desired.vrid };
    let is_virtual = group.footing()?.mac != group.footing()?.own_mac;
    Some((key, Silenced { interface, addresses, mac: is_virtual.then(|| link.mac()) }))
}

#[cfg(test)]
mod tests {
    use vrrp::{Family, Vrid};

    use super::*;

    #[test]
    fn a_closed_router_neither_answers_nor_is_asked() {
        let key = LeaseKey { ifindex: 7, family: Family::Ipv4, vrid: Vrid::new(51).unwrap() };
        let addresses = BTreeSet::from(["192.0.2.10".parse().unwrap()]);
        let silenced = Silenced { interface: "eth0".to_owned(), addresses, mac: None };
        let closed = Closed(BTreeMap::from([(key, silenced)]));
        let script = closed.fill(&TableName { family: Closed::FAMILY, name: "t".to_owned() });
        for rule in [
            "add rule netdev t in_v4_7_51 meta protocol arp drop",
            "add rule netdev t in_v4_7_51 fib daddr type local drop",
            "add rule netdev t out_v4_7_51 meta protocol arp drop",
            "add rule netdev t ingress_7 arp operation request arp daddr ip vmap { 192.0.2.10 : jump in_v4_7_51 }",
            "add rule netdev t egress_7 arp saddr ip vmap { 192.0.2.10 : jump out_v4_7_51 }",
        ] {
            assert!(script.contains(rule), "{rule} is missing in {script}");
        }
        assert!(!script.contains("return"), "{script}");
        assert!(Closed::default().is_empty());
    }
}
