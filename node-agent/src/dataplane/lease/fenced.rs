//! Which virtual routers have a lease, and the rules that make it one.
//!
//! Every virtual router has a set of its own, whose only element is the interface: while that lives, the
//! rules let everything pass. What goes out through the interface renews it if it is one of the member's own
//! advertisements: from the address that it advertises from, for its VRID, not resigning.
//!
//! While it does not live, the interface neither lets out what speaks for the addresses (ARP with one as the
//! sender, neighbour advertisements about one, packets from one) nor lets in what asks for them (ARP requests
//! and neighbour solicitations for one, packets to one, frames to the virtual router's MAC address). What
//! tells of another holder always comes in: ARP whose sender is a virtual address, neighbour and router
//! advertisements. Packets that the host only forwards pass, since an address that is not its own is somebody
//! else's to answer for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::{Family, IP_PROTOCOL, Vrid};

use crate::dataplane::nft::TableName;
use crate::dataplane::nft_table::Contents;

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
    pub(super) fn name(self) -> String {
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
        let mut script = Script { table: table.to_string(), text: String::new() };
        // Whoever is Active has advertised within an interval before the rules were asked for, and none was
        // renewed by what it sends until they are there. Whoever is not Active holds nothing.
        let writing = WRITING * u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        for (key, lease) in &self.0 {
            script.router(*key, lease, lease.lasts + writing);
        }
        let interfaces: BTreeMap<u32, &str> =
            self.0.iter().map(|(key, lease)| (key.ifindex, lease.interface.as_str())).collect();
        for (ifindex, name) in interfaces {
            let here: Vec<_> = self.0.iter().filter(|(key, _)| key.ifindex == ifindex).collect();
            script.interface(ifindex, name, &here);
        }
        script.text
    }
}

struct Script {
    table: String,
    text: String,
}

impl Script {
    fn chain(&mut self, name: &str) {
        self.line(&format!("add chain {} {name}", self.table));
    }

    fn hook(&mut self, name: &str, hook: &str, device: &str) {
        let properties = format!("type filter hook {hook} device \"{device}\" priority 0; policy accept;");
        self.line(&format!("add chain {} {name} {{ {properties} }}", self.table));
    }

    fn rule(&mut self, chain: &str, rule: &str) {
        self.line(&format!("add rule {} {chain} {rule}", self.table));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string does not fail.
        let _written = writeln!(self.text, "{line}");
    }

    /// The set of a virtual router, and the chains that ask it. What comes into these is about the virtual
    /// router.
    fn router(&mut self, key: LeaseKey, lease: &Lease, first: Duration) {
        let (name, first) = (key.name(), first.as_millis());
        let lasts = format!("{}ms", lease.lasts.as_millis());
        let element = format!("{} timeout {first}ms expires {first}ms", key.ifindex);
        let kind = format!("type iface_index; size {ROOM}; flags timeout,dynamic; timeout {lasts};");
        self.line(&format!("add set {} {name} {{ {kind} elements = {{ {element} }} ; }}", self.table));
        let (asks, answers) = match key.family {
            Family::Ipv4 => ("meta protocol arp", "meta protocol arp"),
            Family::Ipv6 => ("icmpv6 type nd-neighbor-solicit", "icmpv6 type nd-neighbor-advert"),
        };
        if lease.source.is_some() {
            self.chain(&format!("renew_{name}"));
            self.rule(&format!("renew_{name}"), &format!("update @{name} {{ oif timeout {lasts} }}"));
        }
        self.chain(&format!("in_{name}"));
        self.rule(&format!("in_{name}"), &format!("iif @{name} return"));
        self.rule(&format!("in_{name}"), &format!("{asks} drop"));
        if let Some(mac) = lease.mac {
            self.rule(&format!("in_{name}"), &format!("ether daddr {} drop", spell_mac(mac)));
        }
        self.rule(&format!("in_{name}"), "fib daddr type local drop");
        self.chain(&format!("out_{name}"));
        self.rule(&format!("out_{name}"), &format!("oif @{name} return"));
        self.rule(&format!("out_{name}"), &format!("{answers} drop"));
        self.rule(&format!("out_{name}"), "fib saddr type local drop");
    }

    /// What leads from an interface to the chains of its virtual routers.
    fn interface(&mut self, ifindex: u32, device: &str, here: &[(&LeaseKey, &Lease)]) {
        let (input, output) = (format!("ingress_{ifindex}"), format!("egress_{ifindex}"));
        self.hook(&input, "ingress", device);
        self.hook(&output, "egress", device);
        for family in [Family::Ipv4, Family::Ipv6] {
            let here: Vec<_> = here.iter().filter(|(key, _)| key.family == family).copied().collect();
            if !here.is_empty() {
                self.renewals(&output, family, &here);
                self.addresses(&input, &output, family, &here);
            }
        }
        let macs: Vec<_> = here
            .iter()
            .filter_map(|(key, lease)| Some(format!("{} : jump in_{}", spell_mac(lease.mac?), key.name())))
            .collect();
        if !macs.is_empty() {
            self.rule(&input, &format!("ether daddr vmap {{ {} }}", macs.join(", ")));
        }
    }

    /// Type 1 in the low bits of the first octet; the VRID; the priority, which is 0 for who resigns (RFC
    /// 9568 §5.1).
    fn renewals(&mut self, output: &str, family: Family, here: &[(&LeaseKey, &Lease)]) {
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
            self.rule(output, &format!("{own} @th,8,8 vmap {{ {} }}", routers.join(", ")));
        }
    }

    fn addresses(&mut self, input: &str, output: &str, family: Family, here: &[(&LeaseKey, &Lease)]) {
        let all = || {
            let of = |(key, lease): &(&LeaseKey, &Lease)| {
                let name = key.name();
                lease.addresses.clone().into_iter().map(move |address| (address, name.clone()))
            };
            here.iter().flat_map(of)
        };
        let jumps = |to: &str, spell: &dyn Fn(IpAddr) -> String| {
            let jumps: Vec<_> =
                all().map(|(address, name)| format!("{} : jump {to}_{name}", spell(address))).collect();
            jumps.join(", ")
        };
        let plain = |address: IpAddr| address.to_string();
        if all().next().is_none() {
            return;
        }
        match family {
            Family::Ipv4 => {
                let holders: Vec<_> = all().map(|(address, _)| address.to_string()).collect();
                self.rule(input, &format!("arp saddr ip {{ {} }} accept", holders.join(", ")));
                let asked = jumps("in", &plain);
                self.rule(input, &format!("arp operation request arp daddr ip vmap {{ {asked} }}"));
                self.rule(input, &format!("ip daddr vmap {{ {asked} }}"));
                let said = jumps("out", &plain);
                self.rule(output, &format!("arp saddr ip vmap {{ {said} }}"));
                self.rule(output, &format!("ip saddr vmap {{ {said} }}"));
            }
            Family::Ipv6 => {
                // The target follows the first 8 octets (RFC 4861 §4.3, §4.4).
                let target = "@th,64,128";
                self.rule(input, "icmpv6 type { nd-neighbor-advert, nd-router-advert } accept");
                let asked = jumps("in", &number);
                self.rule(input, &format!("icmpv6 type nd-neighbor-solicit {target} vmap {{ {asked} }}"));
                self.rule(input, &format!("ip6 daddr vmap {{ {} }}", jumps("in", &plain)));
                let said = jumps("out", &number);
                self.rule(output, &format!("icmpv6 type nd-neighbor-advert {target} vmap {{ {said} }}"));
                self.rule(output, &format!("ip6 saddr vmap {{ {} }}", jumps("out", &plain)));
            }
        }
    }
}

/// An address where the program expects any octets.
fn number(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("0x{:08x}", address.to_bits()),
        IpAddr::V6(address) => format!("0x{:032x}", address.to_bits()),
    }
}

fn spell_mac(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}
