//! The interfaces of the node as the kernel last told them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api_types::node::Interface;
use ipnet::IpNet;
use vrrp::Family;

use super::address_table::HostAddress;
use super::virtual_link::{ArpSettings, LinkKey};

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InterfaceState {
    /// Its name.
    pub(super) name: String,
    /// Its hardware address, where it has one of Ethernet's length.
    pub(super) mac: Option<[u8; 6]>,
    /// The longest IP packet that it carries, in octets.
    pub(super) mtu: usize,
    /// Administratively up.
    pub(super) up: bool,
    /// The carrier is there.
    pub(super) carrier: bool,
    /// Whether it is a loopback interface.
    pub(super) loopback: bool,
    /// Set when it is a virtual router's macvlan that this agent has made.
    pub(super) macvlan: Option<Macvlan>,
}

/// What a macvlan of this agent says of the interface below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Macvlan {
    /// The interface below.
    pub(super) parent: u32,
    /// What it did about ARP before the first macvlan came.
    pub(super) before: ArpSettings,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InterfaceAddress {
    /// The address in its prefix.
    pub(super) net: IpNet,
    /// Whether this agent added it.
    pub(super) ours: bool,
    /// Whether it is another than the first of its subnet (`IFA_F_SECONDARY`).
    pub(super) secondary: bool,
    /// Whether other hosts can reach it.
    pub(super) global: bool,
    /// Whether the kernel does not know yet, or denies, that nobody else has it (RFC 4862 §5.4); IPv6 only.
    pub(super) unproven: bool,
}

/// All interfaces of the network namespace with their addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Interfaces {
    by_index: BTreeMap<u32, InterfaceState>,
    by_name: BTreeMap<String, u32>,
    /// In the order in which the kernel has them.
    addresses: BTreeMap<u32, Vec<InterfaceAddress>>,
}

impl Interfaces {
    /// Takes over how an interface stands; true when that is news.
    pub(super) fn set(&mut self, ifindex: u32, state: InterfaceState) -> bool {
        let before = self.by_index.insert(ifindex, state.clone());
        if before.as_ref() == Some(&state) {
            return false;
        }
        if let Some(before) = before {
            self.forget_name(ifindex, &before.name);
        }
        self.by_name.insert(state.name, ifindex);
        true
    }

    /// Forgets an interface; true when it was known.
    pub(super) fn remove(&mut self, ifindex: u32) -> bool {
        self.addresses.remove(&ifindex);
        let Some(state) = self.by_index.remove(&ifindex) else { return false };
        self.forget_name(ifindex, &state.name);
        true
    }

    /// Takes over an address; true when that is news.
    pub(super) fn set_address(&mut self, ifindex: u32, address: InterfaceAddress) -> bool {
        let addresses = self.addresses.entry(ifindex).or_default();
        match addresses.iter_mut().find(|known| known.net == address.net) {
            Some(known) => std::mem::replace(known, address) != address,
            None => {
                addresses.push(address);
                true
            }
        }
    }

    /// Forgets an address; true when it was known.
    pub(super) fn remove_address(&mut self, ifindex: u32, net: IpNet) -> bool {
        let Some(addresses) = self.addresses.get_mut(&ifindex) else { return false };
        let before = addresses.len();
        addresses.retain(|known| known.net != net);
        addresses.len() != before
    }

    /// The index of the interface called `name`.
    pub(super) fn index_of(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The macvlan of a virtual router, once it is complete.
    pub(super) fn virtual_link(&self, key: LinkKey) -> Option<u32> {
        let ifindex = self.index_of(&key.name())?;
        self.get(ifindex)?.macvlan.map(|_| ifindex)
    }

    /// The macvlans of this agent.
    pub(super) fn macvlans(&self) -> impl Iterator<Item = (u32, &InterfaceState, Macvlan)> {
        self.by_index.iter().filter_map(|(ifindex, state)| Some((*ifindex, state, state.macvlan?)))
    }

    /// The interface that a frame came in through: what has the source address of a macvlan the kernel hands
    /// to that macvlan, although another router sent it.
    pub(super) fn physical(&self, ifindex: u32) -> u32 {
        let macvlan = self.get(ifindex).and_then(|state| state.macvlan);
        macvlan.map_or(ifindex, |macvlan| macvlan.parent)
    }

    /// The interface called `name`, and how it stands.
    pub(super) fn named(&self, name: &str) -> Option<(u32, &InterfaceState)> {
        let ifindex = self.index_of(name)?;
        Some((ifindex, self.get(ifindex)?))
    }

    /// All interfaces, by index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &InterfaceState)> {
        self.by_index.iter().map(|(ifindex, state)| (*ifindex, state))
    }

    /// How the interface stands.
    pub(super) fn get(&self, ifindex: u32) -> Option<&InterfaceState> {
        self.by_index.get(&ifindex)
    }

    /// Whether the interface has this address, with whatever prefix length.
    pub(super) fn has_address(&self, ifindex: u32, address: IpAddr) -> bool {
        self.of(ifindex).any(|known| known.net.addr() == address)
    }

    /// Whether the interface has this address and not because of this agent.
    pub(super) fn owns(&self, ifindex: u32, address: IpAddr) -> bool {
        self.of(ifindex).any(|known| known.net.addr() == address && !known.ours)
    }

    /// Every address that carries the mark of this agent.
    pub(super) fn ours(&self) -> BTreeSet<HostAddress> {
        self.addresses
            .iter()
            .flat_map(|(&ifindex, addresses)| addresses.iter().map(move |address| (ifindex, address)))
            .filter(|(_, address)| address.ours)
            .map(|(ifindex, address)| HostAddress { ifindex, address: address.net.addr() })
            .collect()
    }

    /// The interface's own address to advertise from, none of `virtual_addresses`: its first primary one in
    /// IPv4, its first link-local one in IPv6 (RFC 9568 §5.1.1.1, §5.1.2.1).
    pub(super) fn primary(
        &self,
        ifindex: u32,
        family: Family,
        virtual_addresses: &BTreeSet<IpAddr>,
    ) -> Option<IpAddr> {
        let fits = |address: &InterfaceAddress| match (family, address.net.addr()) {
            (Family::Ipv4, IpAddr::V4(_)) => address.global,
            (Family::Ipv6, IpAddr::V6(own)) => own.is_unicast_link_local() && !address.unproven,
            (Family::Ipv4, IpAddr::V6(_)) | (Family::Ipv6, IpAddr::V4(_)) => false,
        };
        let usable = |address: &&InterfaceAddress| {
            fits(address) && !address.ours && !virtual_addresses.contains(&address.net.addr())
        };
        let mut candidates: Vec<_> = self.of(ifindex).filter(usable).collect();
        candidates.sort_by_key(|address| address.secondary);
        candidates.first().map(|address| address.net.addr())
    }

    /// Every interface but loopback and our macvlans as the contract writes it. Its own addresses are those
    /// that are neither ours nor among `virtual_addresses` of it.
    pub(super) fn to_contract(&self, virtual_addresses: &BTreeSet<HostAddress>) -> Vec<Interface> {
        let own = |ifindex: u32, address: &&InterfaceAddress| {
            let at = HostAddress { ifindex, address: address.net.addr() };
            !address.ours && !virtual_addresses.contains(&at)
        };
        self.by_index
            .iter()
            .filter(|(_, state)| !state.loopback && state.macvlan.is_none())
            .map(|(&ifindex, state)| Interface {
                name: state.name.clone(),
                mac: state.mac.map(spell_mac),
                up: state.up,
                carrier: state.carrier,
                addresses: self
                    .of(ifindex)
                    .filter(|address| own(ifindex, address))
                    .map(|address| address.net)
                    .collect(),
            })
            .collect()
    }

    /// Another interface may have taken the name already: of messages about the two either may come first.
    fn forget_name(&mut self, ifindex: u32, name: &str) {
        if self.by_name.get(name) == Some(&ifindex) {
            self.by_name.remove(name);
        }
    }

    fn of(&self, ifindex: u32) -> impl Iterator<Item = &InterfaceAddress> {
        self.addresses.get(&ifindex).into_iter().flatten()
    }
}

pub(super) fn spell_mac(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(net: &str, ours: bool, secondary: bool) -> InterfaceAddress {
        InterfaceAddress { net: net.parse().unwrap(), ours, secondary, global: true, unproven: false }
    }

    #[test]
    fn the_source_is_the_first_own_address_and_never_a_virtual_one() {
        let mut interfaces = Interfaces::default();
        interfaces.set_address(3, address("192.0.2.10/32", true, false));
        interfaces.set_address(3, address("192.0.2.11/24", false, false));
        interfaces.set_address(3, address("192.0.2.3/24", false, true));
        interfaces.set_address(3, address("198.51.100.3/24", false, false));
        let foreign_copy = BTreeSet::from(["192.0.2.11".parse().unwrap()]);
        assert_eq!(interfaces.primary(3, Family::Ipv4, &foreign_copy), Some("198.51.100.3".parse().unwrap()));
        assert_eq!(
            interfaces.primary(3, Family::Ipv4, &BTreeSet::new()),
            Some("192.0.2.11".parse().unwrap())
        );
        assert_eq!(interfaces.primary(4, Family::Ipv4, &BTreeSet::new()), None);
    }

    #[test]
    fn only_news_is_news() {
        let mut interfaces = Interfaces::default();
        let first = address("192.0.2.3/24", false, false);
        assert!(interfaces.set_address(3, first));
        assert!(!interfaces.set_address(3, first));
        assert!(interfaces.remove_address(3, first.net));
        assert!(!interfaces.remove_address(3, first.net));
    }

    fn named(name: &str) -> InterfaceState {
        let mac = Some([2, 0, 0, 0, 0, 0xa]);
        let name = name.to_owned();
        InterfaceState { name, mac, mtu: 1_500, up: true, carrier: true, loopback: false, macvlan: None }
    }

    #[test]
    fn an_interface_is_found_by_the_name_that_it_has_now() {
        let mut interfaces = Interfaces::default();
        assert!(interfaces.set(3, named("eth0")));
        assert!(!interfaces.set(3, named("eth0")), "no news");
        interfaces.set(3, named("old"));
        interfaces.set(4, named("eth0"));
        assert_eq!((interfaces.index_of("old"), interfaces.index_of("eth0")), (Some(3), Some(4)));
        // The kernel's word that 3 has gone comes after the one that 5 has its name.
        interfaces.set(5, named("old"));
        assert!(interfaces.remove(3));
        assert_eq!(interfaces.index_of("old"), Some(5));
        assert!(interfaces.remove(4) && !interfaces.remove(4));
        assert_eq!(interfaces.index_of("eth0"), None);
    }

    #[test]
    fn virtual_addresses_are_no_addresses_of_the_interface() {
        let mut interfaces = Interfaces::default();
        interfaces.set(3, named("eth0"));
        interfaces.set_address(3, address("192.0.2.3/24", false, false));
        interfaces.set_address(3, address("192.0.2.10/32", true, false));
        interfaces.set_address(3, address("192.0.2.11/32", false, false));
        let foreign = HostAddress { ifindex: 3, address: "192.0.2.11".parse().unwrap() };
        let shown = interfaces.to_contract(&BTreeSet::from([foreign]));
        assert_eq!(shown[0].addresses, ["192.0.2.3/24".parse().unwrap()]);
        assert_eq!(shown[0].mac.as_deref(), Some("02:00:00:00:00:0a"));
    }
}
