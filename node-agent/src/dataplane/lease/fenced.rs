//! Which virtual routers have a lease, and the rules that make it one.
//!
//! Every virtual router has a set of its own, whose only element is the interface: while that lives, the
//! rules let everything pass. What goes out through the interface renews it if it is one of the member's own
//! advertisements: from the address that it advertises from, for its VRID, not resigning.
//!
//! While it does not live, the virtual router is silent (`silence.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use vrrp::{Family, IP_PROTOCOL, Vrid};

use crate::dataplane::nft::TableName;
use crate::dataplane::nft_table::Contents;
use crate::dataplane::silence::{Router, Script, Unless};

/// Names a virtual router of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct LeaseKey {
    /// Its interface.
    pub(in super::super) ifindex: u32,
    /// Its address family.
    pub(in super::super) family: Family,
    /// Its VRID.
    pub(in super::super) vrid: Vrid,
}

impl LeaseKey {
    /// The name of its set, and the end of those of its chains.
    pub(in super::super) fn name(self) -> String {
        let family = match self.family {
            Family::Ipv4 => "v4",
            Family::Ipv6 => "v6",
        };
        format!("{family}_{}_{}", self.ifindex, self.vrid.get())
    }

    /// Whose set this is; `None` for a set of another name.
    pub(super) fn of_set(name: &str) -> Option<Self> {
        let (family, rest) = name.split_once('_')?;
        let (ifindex, vrid) = rest.split_once('_')?;
        let family = match family {
            "v4" => Family::Ipv4,
            "v6" => Family::Ipv6,
            _ => return None,
        };
        Some(Self { ifindex: ifindex.parse().ok()?, family, vrid: Vrid::new(vrid.parse().ok()?)? })
    }
}

/// What one virtual router needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    /// The name of the interface.
    pub(super) interface: String,
    /// What the addresses are.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Where its advertisements come from; `None` when they need not leave through the interface's hook, so
    /// that the agent itself renews the lease.
    pub(super) source: Option<IpAddr>,
    /// The MAC address that is the virtual router's alone.
    pub(super) mac: Option<[u8; 6]>,
    /// How long it lasts after an advertisement.
    pub(super) lasts: Duration,
}

/// The virtual routers that have a lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fenced(pub(super) BTreeMap<LeaseKey, Lease>);

impl Fenced {
    /// The virtual routers whose leases the agent must renew as it advertises: those that no rule renews, and
    /// those for which the rules that are `written` do so from elsewhere, or for a shorter time, or are
    /// doubtful.
    pub(super) fn renewed_here(&self, written: &Self, doubtful: &BTreeSet<LeaseKey>) -> BTreeSet<LeaseKey> {
        let is_renewed_here = |(key, wanted): &(&LeaseKey, &Lease)| match written.0.get(key) {
            Some(written) => written != *wanted || wanted.source.is_none() || doubtful.contains(key),
            // There is nothing that could be renewed.
            None => false,
        };
        self.0.iter().filter(is_renewed_here).map(|(key, _)| *key).collect()
    }
}

/// How many elements a set has room for. Each that has ended still takes some until the kernel collects it,
/// which it does about once a second, and there is one for each time that the member took over meanwhile. A
/// set without room takes no new one, and is silence.
const ROOM: usize = 64;

/// What one more virtual router adds to the time that writing the table takes, generously.
const WRITING: Duration = Duration::from_millis(1);

impl Contents for Fenced {
    const FAMILY: &'static str = "netdev";
    const PURPOSE: &'static str = "silences virtual addresses whose member advertises no longer";
    /// An address that answers without a lease is better than one that is silenced by rules which nobody can
    /// change.
    const FAILS_OPEN: bool = true;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn fill(&self, table: &TableName) -> String {
        let mut script = Script::new(table);
        // Whoever is Active has advertised within an interval before the rules were asked for, and none was
        // renewed by what it sends until they are there. Whoever is not Active holds nothing.
        let writing = WRITING * u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        for (key, lease) in &self.0 {
            router(&mut script, *key, lease, lease.lasts + writing);
        }
        let routers: Vec<_> = self.0.iter().map(|(key, lease)| lease.router(*key)).collect();
        script.interfaces(&routers, |script, output, ifindex, family| {
            let is_here = |(key, _): &(&LeaseKey, &Lease)| (key.ifindex, key.family) == (ifindex, family);
            renewals(script, output, family, &self.0.iter().filter(is_here).collect::<Vec<_>>());
        });
        script.into_text()
    }
}

impl Lease {
    fn router(&self, key: LeaseKey) -> Router<'_> {
        Router { key, interface: &self.interface, addresses: &self.addresses, mac: self.mac }
    }
}

/// The set of a virtual router, and the chains that ask it. What comes into these is about the virtual
/// router.
fn router(script: &mut Script, key: LeaseKey, lease: &Lease, first: Duration) {
    let (name, first) = (key.name(), first.as_millis());
    let lasts = format!("{}ms", lease.lasts.as_millis());
    let element = format!("{} timeout {first}ms expires {first}ms", key.ifindex);
    let kind = format!("type iface_index; size {ROOM}; flags timeout,dynamic; timeout {lasts};");
    script.set(&name, &format!("{kind} elements = {{ {element} }} ;"));
    if lease.source.is_some() {
        script.chain(&format!("renew_{name}"));
        script.rule(&format!("renew_{name}"), &format!("update @{name} {{ oif timeout {lasts} }}"));
    }
    script.silence(&lease.router(key), Unless::InSet(&name));
}

/// Type 1 in the low bits of the first octet; the VRID; the priority, which is 0 for who resigns (RFC
/// 9568 §5.1).
fn renewals(script: &mut Script, output: &str, family: Family, here: &[(&LeaseKey, &Lease)]) {
    let (protocol, saddr) = match family {
        Family::Ipv4 => ("ip protocol", "ip saddr"),
        Family::Ipv6 => ("ip6 nexthdr", "ip6 saddr"),
    };
    let sources: BTreeSet<_> = here.iter().filter_map(|(_, lease)| lease.source).collect();
    for source in sources {
        let from = here.iter().filter(|(_, lease)| lease.source == Some(source));
        let routers: Vec<_> =
            from.map(|(key, _)| format!("{} : jump renew_{}", key.vrid.get(), key.name())).collect();
        let own = format!("{protocol} {IP_PROTOCOL} {saddr} {source} @th,4,4 1 @th,16,8 != 0");
        script.rule(output, &format!("{own} @th,8,8 vmap {{ {} }}", routers.join(", ")));
    }
}
