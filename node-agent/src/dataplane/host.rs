//! What the checks of a desired state ask of this host.

use std::net::IpAddr;

use super::accept_gate;
use super::apply::Host;
use super::interfaces::Interfaces;
use super::virtual_link::ArpSettings;

/// The host as the kernel tells it.
pub(super) struct ThisHost<'a>(pub(super) &'a Interfaces);

impl Host for ThisHost<'_> {
    fn owns(&self, interface: &str, addresses: &[IpAddr]) -> Option<bool> {
        let ifindex = self.0.index_of(interface)?;
        Some(addresses.iter().all(|address| self.0.owns(ifindex, *address)))
    }

    fn has_nft(&self) -> bool {
        accept_gate::nft().is_some()
    }

    fn arp_ignore(&self, interface: &str) -> Option<u32> {
        self.0.index_of(interface)?;
        // The kernel uses the larger of the two (`networking/ip-sysctl`).
        ["all", interface].into_iter().filter_map(|name| read_setting(name, "arp_ignore")).max()
    }
}

/// Whether the host is an IPv6 router on this interface (`networking/ip-sysctl`, `conf/interface/forwarding`).
pub(super) fn forwards_ipv6(interface: &str) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}

/// What the interface itself is told to do about ARP.
pub(super) fn arp_settings(interface: &str) -> ArpSettings {
    let read = |setting| read_setting(interface, setting).unwrap_or_default();
    ArpSettings { ignore: read("arp_ignore"), announce: read("arp_announce") }
}

fn read_setting(interface: &str, setting: &str) -> Option<u32> {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/{setting}");
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
