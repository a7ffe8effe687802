//! What the checks of a desired state ask of this host.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;

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
}

impl<'a> ThisHost<'a> {
    /// The host, looked at once for all groups.
    pub(super) const fn new(interfaces: &'a Interfaces) -> Self {
        Self { interfaces, arp_ignore: RefCell::new(BTreeMap::new()), nft: OnceCell::new() }
    }
}

impl Host for ThisHost<'_> {
    fn owns(&self, interface: &str, addresses: &[IpAddr]) -> Option<bool> {
        let ifindex = self.interfaces.index_of(interface)?;
        Some(addresses.iter().all(|address| self.interfaces.owns(ifindex, *address)))
    }

    fn has_nft(&self) -> bool {
        *self.nft.get_or_init(|| nft::find().is_some())
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

/// Whether the host is an IPv6 router on this interface (`networking/ip-sysctl`,
/// `conf/interface/forwarding`).
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
