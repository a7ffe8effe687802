//! What the checks of a desired state ask of this host.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;

use vrrp::Family;

use super::apply::Host;
use super::interfaces::Interfaces;
use super::nft;
use super::virtual_link::ArpSettings;

/// The host as the kernel tells it.
pub(super) struct ThisHost<'a> {
    interfaces: &'a Interfaces,
    /// What was read already: a file for each of a thousand groups keeps advertisements waiting.
    arp_ignore: RefCell<BTreeMap<String, Option<u32>>>,
    nft: OnceCell<bool>,
    /// Nothing could run on in place of what is refused.
    is_idle: bool,
}

impl<'a> ThisHost<'a> {
    /// The host, looked at once for all groups. `is_idle` says that it runs none yet.
    pub(super) const fn new(interfaces: &'a Interfaces, is_idle: bool) -> Self {
        Self { interfaces, arp_ignore: RefCell::new(BTreeMap::new()), nft: OnceCell::new(), is_idle }
    }
}

impl Host for ThisHost<'_> {
    fn owns(&self, interface: &str, addresses: &[IpAddr]) -> Option<bool> {
        let ifindex = self.interfaces.index_of(interface)?;
        Some(addresses.iter().all(|address| self.interfaces.owns(ifindex, *address)))
    }

    fn has_nft(&self) -> bool {
        // Groups that need no nft must not pay at the next start for a program that was removed meanwhile.
        // Those that do find out by themselves.
        *self.nft.get_or_init(|| self.is_idle || nft::find().is_some())
    }

    fn arp_ignore(&self, interface: &str) -> Option<u32> {
        self.interfaces.index_of(interface)?;
        let mut known = self.arp_ignore.borrow_mut();
        *known.entry(interface.to_owned()).or_insert_with(|| {
            // The kernel uses the larger of the two (`networking/ip-sysctl`).
            ["all", interface].into_iter().filter_map(|name| read_setting(name, "arp_ignore")).max()
        })
    }
}

/// Whether the host forwards packets of the family that come in through this interface
/// (`networking/ip-sysctl`, `conf/interface/forwarding`): in IPv6, whether it is a router there.
pub(super) fn forwards(family: Family, interface: &str) -> bool {
    let family = match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    let path = format!("/proc/sys/net/{family}/conf/{interface}/forwarding");
    std::fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}

/// What the interface itself is told to do about ARP.
pub(super) fn arp_settings(interface: &str) -> ArpSettings {
    let read = |setting| read_setting(interface, setting).unwrap_or_default();
    ArpSettings { ignore: read("arp_ignore"), announce: read("arp_announce") }
}

/// How many frames the interface has received (`proc_pid_net(5)`, `dev`), as the network namespace of this
/// thread has it.
pub(super) fn frames_received(interface: &str) -> Option<u64> {
    frames_in(&std::fs::read_to_string("/proc/thread-self/net/dev").ok()?, interface)
}

fn frames_in(table: &str, interface: &str) -> Option<u64> {
    let (_, counters) = table
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim_start() == interface)?;
    // Octets come first.
    counters.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn read_setting(interface: &str, setting: &str) -> Option<u32> {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/{setting}");
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_from_the_line_of_the_interface() {
        let table = "Inter-|   Receive                                                |  Transmit\n \
                     face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n    \
                     lo:  123       4    0    0    0     0          0         0      123       4    0\n  \
                     eth0:1848   22    0    0    0     0          0         0     4930      49    0\n";
        assert_eq!((frames_in(table, "eth0"), frames_in(table, "lo")), (Some(22), Some(4)));
        assert_eq!(frames_in(table, "th0"), None);
        assert!(frames_received("lo").is_some(), "the kernel writes it so");
    }
}
