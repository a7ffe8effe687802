//! Keeps packets to virtual addresses from being accepted (RFC 9568 §6.1, `Accept_Mode` False), by nftables.
//!
//! One table of the agent's own drops what comes in for the addresses of every group that asks for it; a
//! packet that is forwarded is none of its business. ARP never passes there; neighbour solicitations and
//! advertisements must be accepted for the address to be reachable at all, and are.
//!
//! The table is there from the time when a group comes until it has gone, not only while it is Active:
//! nothing comes in for an address that the host does not have, and so the failover never waits for `nft`,
//! which takes some 10 ms. A group whose addresses the table does not have yet waits for it before it binds
//! them.
//!
//! When the program can no longer say what the table has, it is taken to have what it had, and that nobody
//! can tell is said of every group that asked for it. When it says that the table is not as it was written
//! and cannot write it again, no group takes over on the strength of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

use super::address_table::AgentNumber;
use super::background::Background;
use super::nft::TableName;
use super::nft_table::{Applied, Contents, TableKeeper};

/// How long a group waits for the table.
const SHUT_WITHIN: Duration = Duration::from_secs(3);

/// Packets to the addresses cannot be kept from being accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("accept_mode is false and packets to the addresses cannot be shut out: {0}")]
pub(super) struct GateError(String);

/// The addresses for which no packet is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shut(BTreeSet<IpAddr>);

impl Contents for Shut {
    const FAMILY: &'static str = "inet";
    const PURPOSE: &'static str = "keeps packets to virtual addresses from being accepted";
    /// Packets that were shut out stay so.
    const FAILS_OPEN: bool = false;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn fill(&self, table: &TableName) -> String {
        let list = |is_meant: fn(&&IpAddr) -> bool| {
            let meant: Vec<_> = self.0.iter().filter(is_meant).map(ToString::to_string).collect();
            (!meant.is_empty()).then(|| meant.join(", "))
        };
        let mut rules = vec!["icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept".to_owned()];
        rules.extend(list(|address| address.is_ipv4()).map(|list| format!("ip daddr {{ {list} }} drop")));
        rules.extend(list(|address| address.is_ipv6()).map(|list| format!("ip6 daddr {{ {list} }} drop")));
        let mut script =
            format!("add chain {table} input {{ type filter hook input priority -10; policy accept; }}\n");
        rules.iter().for_each(|rule| script.push_str(&format!("add rule {table} input {rule}\n")));
        script
    }
}

/// Keeps the table as the groups want it.
pub(super) struct AcceptGate(TableKeeper<Shut>);

/// The view of whoever binds addresses.
#[derive(Debug, Clone)]
pub(super) struct GateView(watch::Receiver<Applied<Shut>>);

impl GateView {
    /// Returns once packets to these addresses are shut out.
    pub(super) async fn shut(&self, addresses: impl Iterator<Item = IpAddr>) -> Result<(), GateError> {
        let addresses: BTreeSet<_> = addresses.collect();
        let mut applied = self.0.clone();
        let is_shut = |applied: &Applied<Shut>| addresses.is_subset(&applied.contents.0);
        let settled = |applied: &Applied<Shut>| applied.refused.is_some() || is_shut(applied);
        let outcome = tokio::time::timeout(SHUT_WITHIN, applied.wait_for(settled)).await;
        match outcome {
            Ok(Ok(applied)) if is_shut(&applied) => Ok(()),
            Ok(Ok(applied)) => Err(GateError(applied.refused.clone().unwrap_or_default())),
            Ok(Err(_)) => Err(GateError("the agent is ending".to_owned())),
            Err(_) => Err(GateError(format!("nft has not answered for {} s", SHUT_WITHIN.as_secs()))),
        }
    }
}

impl AcceptGate {
    /// A gate that has not looked yet what an earlier life of the agent has left.
    pub(super) fn new(agent: AgentNumber, background: Background) -> Self {
        Self(TableKeeper::new(agent, background))
    }

    /// What a binder needs.
    pub(super) fn view(&self) -> GateView {
        GateView(self.0.applied())
    }

    /// Exactly packets to these addresses are to be shut out.
    pub(super) fn want(&mut self, addresses: BTreeSet<IpAddr>) {
        self.0.want(Shut(addresses));
    }

    /// Whether the table is as it is wanted, or cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.0.is_settled()
    }

    /// What keeps the table from being as it is wanted.
    pub(super) fn failure(&self) -> Option<GateError> {
        self.0.now().refused.clone().map(GateError)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_drops_what_is_for_the_addresses_and_lets_neighbour_discovery_pass() {
        let shut = Shut(["192.0.2.10", "fe80::51"].map(|address| address.parse().unwrap()).into());
        let script = shut.fill(&TableName { family: Shut::FAMILY, name: "t".to_owned() });
        let at = |words: &str| script.find(words).unwrap_or_else(|| panic!("{words} is missing in {script}"));
        assert!(at("nd-neighbor-solicit, nd-neighbor-advert } accept") < at("ip6 daddr { fe80::51 } drop"));
        assert!(at("add chain inet t input") < at("add rule inet t input ip daddr { 192.0.2.10 } drop"));
    }
}
