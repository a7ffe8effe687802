//! The rules of nftables that keep a virtual router silent on this host, for good or for as long as a set says.
//!
//! The interface then neither lets out what speaks for the addresses (ARP with one as the sender, neighbour
//! advertisements about one, packets from one) nor lets in what asks for them (ARP requests and neighbour
//! solicitations for one, packets to one, frames to the virtual router's MAC address). What tells of another holder
//! always comes in: ARP whose sender is a virtual address, neighbour and router advertisements. Packets that the host
//! only forwards pass, since an address that is not its own is somebody else's to answer for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

use vrrp::Family;

use super::lease::LeaseKey;
use super::nft::TableName;

/// A virtual router that is to be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Router<'a> {
    /// Its name.
    pub(super) key: LeaseKey,
    /// The name of the interface.
    pub(super) interface: &'a str,
    /// What the addresses are.
    pub(super) addresses: &'a BTreeSet<IpAddr>,
    /// The MAC address that is the virtual router's alone.
    pub(super) mac: Option<[u8; 6]>,
}

/// When a virtual router is not silent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unless<'a> {
    /// While this set has its interface.
    InSet(&'a str),
    /// Never.
    Never,
}

/// The commands that fill a table of the family `netdev`.
pub(super) struct Script {
    table: String,
    text: String,
}

impl Script {
    /// None yet.
    pub(super) fn new(table: &TableName) -> Self {
        Self { table: table.to_string(), text: String::new() }
    }

    /// All of them.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// A set.
    pub(super) fn set(&mut self, name: &str, properties: &str) {
        self.line(&format!("add set {} {name} {{ {properties} }}", self.table));
    }

    /// A chain that others lead to.
    pub(super) fn chain(&mut self, name: &str) {
        self.line(&format!("add chain {} {name}", self.table));
    }

    /// A rule at the end of a chain.
    pub(super) fn rule(&mut self, chain: &str, rule: &str) {
        self.line(&format!("add rule {} {chain} {rule}", self.table));
    }

    /// The chains that keep a virtual router silent. What comes into these is about it.
    pub(super) fn silence(&mut self, router: &Router<'_>, unless: Unless<'_>) {
        let name = router.key.name();
        let (asks, answers) = match router.key.family {
            Family::Ipv4 => ("meta protocol arp", "meta protocol arp"),
            Family::Ipv6 => ("icmpv6 type nd-neighbor-solicit", "icmpv6 type nd-neighbor-advert"),
        };
        self.chain(&format!("in_{name}"));
        if let Unless::InSet(set) = unless {
            self.rule(&format!("in_{name}"), &format!("iif @{set} return"));
        }
        self.rule(&format!("in_{name}"), &format!("{asks} drop"));
        if let Some(mac) = router.mac {
            self.rule(&format!("in_{name}"), &format!("ether daddr {} drop", spell_mac(mac)));
        }
        self.rule(&format!("in_{name}"), "fib daddr type local drop");
        self.chain(&format!("out_{name}"));
        if let Unless::InSet(set) = unless {
            self.rule(&format!("out_{name}"), &format!("oif @{set} return"));
        }
        self.rule(&format!("out_{name}"), &format!("{answers} drop"));
        self.rule(&format!("out_{name}"), "fib saddr type local drop");
    }

    /// What leads from the interfaces to the chains of these virtual routers. `first` adds what comes before in the chain
    /// of its name, for what goes out through this interface in this family.
    pub(super) fn interfaces(
        &mut self,
        routers: &[Router<'_>],
        first: impl Fn(&mut Self, &str, u32, Family),
    ) {
        let interfaces: BTreeMap<u32, &str> =
            routers.iter().map(|router| (router.key.ifindex, router.interface)).collect();
        for (ifindex, device) in interfaces {
            let here = || routers.iter().filter(move |router| router.key.ifindex == ifindex);
            let (input, output) = (format!("ingress_{ifindex}"), format!("egress_{ifindex}"));
            self.hook(&input, "ingress", device);
            self.hook(&output, "egress", device);
            for family in [Family::Ipv4, Family::Ipv6] {
                let here: Vec<_> = here().filter(|router| router.key.family == family).collect();
                if !here.is_empty() {
                    first(self, &output, ifindex, family);
                    self.addresses(&input, &output, family, &here);
                }
            }
            let macs: Vec<_> = here()
                .filter_map(|router| {
                    Some(format!("{} : jump in_{}", spell_mac(router.mac?), router.key.name()))
                })
                .collect();
            if !macs.is_empty() {
                self.rule(&input, &format!("ether daddr vmap {{ {} }}", macs.join(", ")));
            }
        }
    }

    fn hook(&mut self, name: &str, hook: &str, device: &str) {
        let properties = format!("type filter hook {hook} device \"{device}\" priority 0; policy accept;");
        self.line(&format!("add chain {} {name} {{ {properties} }}", self.table));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string does not fail.
        let _written = writeln!(self.text, "{line}");
    }

    fn addresses(&mut self, input: &str, output: &str, family: Family, here: &[&Router<'_>]) {
        let all = || {
            let of = |router: &&Router<'_>| {
                let name = router.key.name();
                router.addresses.clone().into_iter().map(move |address| (address, name.clone()))
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
