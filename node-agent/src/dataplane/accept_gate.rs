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
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::sync::watch;

use super::address_table::AgentNumber;
use super::background::Background;
use super::nft::{self, NftError};

/// How long a group waits for the table.
const SHUT_WITHIN: Duration = Duration::from_secs(3);
/// How soon a table that was refused is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often to look whether the table is there as it was written.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Packets to the addresses cannot be kept from being accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("accept_mode is false and packets to the addresses cannot be shut out: {0}")]
pub(super) struct GateError(String);

/// What the table has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Applied {
    addresses: BTreeSet<IpAddr>,
    refused: Option<String>,
}

/// What the table has now.
#[derive(Debug)]
struct Written {
    addresses: BTreeSet<IpAddr>,
    /// As `nft` lists it.
    listing: Option<String>,
    /// Whether it was not as it had been written.
    restored: bool,
}

/// Why the table is not as it should be, as far as anybody can tell.
#[derive(Debug)]
struct Failure {
    reason: String,
    /// Whether what was written before is known not to be there.
    is_gone: bool,
}

impl From<NftError> for Failure {
    fn from(error: NftError) -> Self {
        Self { reason: error.to_string(), is_gone: false }
    }
}

/// The table, or why it is not as it should be.
type Outcome = Result<Written, Failure>;

/// Keeps the table as the groups want it.
pub(super) struct AcceptGate {
    background: Background,
    table: String,
    wanted: BTreeSet<IpAddr>,
    /// Whether the table is to be written although nothing else is wanted of it.
    stale: bool,
    /// As `nft` listed it when it was written; `None` when it is not looked for.
    listing: Option<String>,
    notices: Vec<String>,
    applied: Arc<watch::Sender<Applied>>,
    busy: Option<BoxFuture<'static, Option<Outcome>>>,
    nap: Option<BoxFuture<'static, ()>>,
}

/// The view of whoever binds addresses.
#[derive(Debug, Clone)]
pub(super) struct GateView(watch::Receiver<Applied>);

impl GateView {
    /// Returns once packets to these addresses are shut out.
    pub(super) async fn shut(&self, addresses: impl Iterator<Item = IpAddr>) -> Result<(), GateError> {
        let addresses: BTreeSet<_> = addresses.collect();
        let mut applied = self.0.clone();
        let settled =
            |applied: &Applied| applied.refused.is_some() || addresses.is_subset(&applied.addresses);
        let outcome = tokio::time::timeout(SHUT_WITHIN, applied.wait_for(settled)).await;
        match outcome {
            Ok(Ok(applied)) if addresses.is_subset(&applied.addresses) => Ok(()),
            Ok(Ok(applied)) => Err(GateError(applied.refused.clone().unwrap_or_default())),
            Ok(Err(_)) => Err(GateError("the agent is ending".to_owned())),
            Err(_) => Err(GateError(format!("nft has not answered for {} s", SHUT_WITHIN.as_secs()))),
        }
    }
}

impl AcceptGate {
    /// A gate that has not looked yet what an earlier life of the agent has left.
    pub(super) fn new(agent: AgentNumber, background: Background) -> Self {
        Self {
            background,
            table: format!("baton_{:08x}", agent.0),
            wanted: BTreeSet::new(),
            stale: true,
            listing: None,
            notices: Vec::new(),
            applied: Arc::new(watch::Sender::new(Applied::default())),
            busy: None,
            nap: None,
        }
    }

    /// What a binder needs.
    pub(super) fn view(&self) -> GateView {
        GateView(self.applied.subscribe())
    }

    /// Exactly packets to these addresses are to be shut out.
    pub(super) fn want(&mut self, addresses: BTreeSet<IpAddr>) {
        if self.wanted != addresses {
            self.wanted = addresses;
            self.stale = true;
            self.nap = None;
        }
        self.proceed();
    }

    /// Whether the table is as it is wanted, or cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.busy.is_none() && (!self.stale || self.applied.borrow().refused.is_some())
    }

    /// What keeps the table from being as it is wanted.
    pub(super) fn failure(&self) -> Option<GateError> {
        self.applied.borrow().refused.clone().map(GateError)
    }

    /// What people should read in the log, each once.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Returns once something that was begun has been done. May be dropped and called again.
    pub(super) async fn done(&mut self) {
        if let Some(busy) = &mut self.busy {
            let outcome = busy.await;
            self.busy = None;
            self.finish(outcome);
        } else if let Some(nap) = &mut self.nap {
            nap.await;
            self.nap = None;
            match self.listing.clone() {
                Some(listing) if !self.stale => self.look(listing),
                Some(_) | None => self.stale = true,
            }
        } else {
            std::future::pending::<()>().await;
        }
        self.proceed();
    }

    fn proceed(&mut self) {
        if !self.stale || self.busy.is_some() || self.nap.is_some() {
            return;
        }
        self.stale = false;
        let (table, addresses) = (self.table.clone(), self.wanted.clone());
        let work = move || {
            let outcome = write(&table, &addresses);
            // Without the program nothing can be there either.
            let listing = if addresses.is_empty() { None } else { outcome? };
            Ok(Written { addresses, listing, restored: false })
        };
        self.busy = Some(Box::pin(self.background.run(work)));
    }

    /// Sees to it that the table is as it was written.
    fn look(&mut self, written: String) {
        let (table, addresses) = (self.table.clone(), self.wanted.clone());
        let work = move || {
            let restored = nft::list(&table)?.as_ref() != Some(&written);
            let gone = |error: NftError| Failure { is_gone: true, ..Failure::from(error) };
            let listing = if restored { write(&table, &addresses).map_err(gone)? } else { Some(written) };
            Ok(Written { addresses, listing, restored })
        };
        self.busy = Some(Box::pin(self.background.run(work)));
    }

    fn tell(&mut self, outcome: &Outcome) {
        let before = self.applied.borrow().refused.clone();
        match outcome {
            Ok(written) if written.restored => self.notices.push(format!(
                "somebody changed or removed the nftables table {}, which keeps packets to virtual addresses \
                 from being accepted; it is there again",
                self.table
            )),
            Ok(_) if before.is_some() => {
                self.notices.push(format!("the nftables table {} is as it should be again", self.table));
            }
            Err(Failure { reason, .. }) if before.as_ref() != Some(reason) => self.notices.push(format!(
                "the nftables table {}, which keeps packets to virtual addresses from being \
                 accepted, cannot be written: {reason}",
                self.table
            )),
            Ok(_) | Err(_) => {}
        }
    }

    fn finish(&mut self, outcome: Option<Outcome>) {
        let ended = || Failure { reason: "the thread that runs nft has ended".to_owned(), is_gone: false };
        let outcome = outcome.unwrap_or_else(|| Err(ended()));
        let wait = match &outcome {
            Ok(_) => LOOK_EVERY,
            Err(_) => RETRY_AFTER,
        };
        let refused = outcome.is_err();
        self.tell(&outcome);
        self.listing = outcome.as_ref().ok().and_then(|written| written.listing.clone());
        self.applied.send_if_modified(|applied| {
            let before = applied.clone();
            match outcome {
                Ok(written) => *applied = Applied { addresses: written.addresses, refused: None },
                Err(Failure { reason, is_gone }) => {
                    applied.refused = Some(reason);
                    if is_gone {
                        applied.addresses.clear();
                    }
                }
            }
            *applied != before
        });
        self.stale |= refused;
        if refused || !self.wanted.is_empty() {
            // What is wanted by now and was not asked for does not wait.
            let behind = !refused && self.stale;
            self.nap = (!behind).then(|| Box::pin(tokio::time::sleep(wait)) as BoxFuture<'static, ()>);
        }
    }
}

/// Writes the table, and lists it.
fn write(table: &str, addresses: &BTreeSet<IpAddr>) -> Result<Option<String>, NftError> {
    nft::change(&script(table, addresses))?;
    nft::list(table)
}

/// What makes the table, or removes it, in one transaction.
fn script(table: &str, addresses: &BTreeSet<IpAddr>) -> String {
    let mut script = format!("add table inet {table}\ndelete table inet {table}\n");
    if addresses.is_empty() {
        return script;
    }
    let list = |is_meant: fn(&&IpAddr) -> bool| {
        let meant: Vec<_> = addresses.iter().filter(is_meant).map(ToString::to_string).collect();
        (!meant.is_empty()).then(|| meant.join(", "))
    };
    let mut rules = vec!["icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept".to_owned()];
    rules.extend(list(|address| address.is_ipv4()).map(|list| format!("ip daddr {{ {list} }} drop")));
    rules.extend(list(|address| address.is_ipv6()).map(|list| format!("ip6 daddr {{ {list} }} drop")));
    script.push_str(&format!("table inet {table} {{\n  chain input {{\n"));
    script.push_str("    type filter hook input priority -10; policy accept;\n");
    rules.iter().for_each(|rule| script.push_str(&format!("    {rule}\n")));
    script.push_str("  }\n}\n");
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_drops_what_is_for_the_addresses_and_lets_neighbour_discovery_pass() {
        let addresses = ["192.0.2.10", "fe80::51"].map(|address| address.parse().unwrap()).into();
        let script = script("baton_0badcafe", &addresses);
        let at = |words: &str| script.find(words).unwrap_or_else(|| panic!("{words} is missing in {script}"));
        assert!(at("nd-neighbor-solicit, nd-neighbor-advert } accept") < at("ip6 daddr { fe80::51 } drop"));
        assert!(at("delete table inet baton_0badcafe") < at("ip daddr { 192.0.2.10 } drop"));
    }

    #[test]
    fn without_addresses_there_is_no_table() {
        assert_eq!(script("t", &BTreeSet::new()), "add table inet t\ndelete table inet t\n");
    }
}
