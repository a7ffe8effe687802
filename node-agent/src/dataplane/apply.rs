//! From the groups that run to the groups that shall: what must be refused, and what must change.
//!
//! A desired state is taken whole or not at all. Groups that did not change are not touched, those that did are
//! changed while they run wherever the protocol allows it. What decides is the virtual router (interface, family,
//! VRID): another group that takes one over goes on where the old one stood, and so does a member that becomes the
//! owner of its addresses or no longer is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api_types::channel::DesiredGroup;
use api_types::node::RejectionReason;
use api_types::protocol::{MacMode, Transport};
use vrrp::{Config, Family, Vrid};

use super::binder::GroupHandle;
use super::group::Departure;
use super::{policy, translate};
use crate::policy::Policy;
use crate::shared_memory::MAX_GROUPS;

/// What the checks need to know of this host.
pub(super) trait Host {
    /// Whether the interface exists and has all of these addresses as its own; `None` when it does not exist.
    fn owns(&self, interface: &str, addresses: &[IpAddr]) -> Option<bool>;

    /// Whether it has the program that changes nftables.
    fn has_nft(&self) -> bool;

    /// The interface's effective `arp_ignore`; `None` when it does not exist.
    fn arp_ignore(&self, interface: &str) -> Option<u32>;
}

/// A group that runs and stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running<'a> {
    /// Its handle.
    pub(super) handle: GroupHandle,
    /// What it was told to be.
    pub(super) desired: &'a DesiredGroup,
    /// Whether it is on its way out.
    pub(super) leaving: bool,
}

/// What must change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Groups that leave and hand over.
    pub(super) leave: Vec<(GroupHandle, Departure)>,
    /// Groups that leave at once, because another takes their place on the wire.
    pub(super) leave_at_once: Vec<(GroupHandle, Departure)>,
    /// Groups that change while they run.
    pub(super) change: Vec<(GroupHandle, DesiredGroup)>,
    /// Groups that begin.
    pub(super) start: Vec<DesiredGroup>,
}

/// Whether this agent can run all of these groups on this host, and may.
///
/// # Errors
/// One reason for each fault; not empty.
pub(super) fn check(
    desired: &[DesiredGroup],
    host: &impl Host,
    policy: &Policy,
) -> Result<(), Vec<RejectionReason>> {
    let mut reasons = Vec::new();
    let mut routers = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    let mut ids = BTreeMap::new();
    if desired.len() > MAX_GROUPS {
        let detail = format!("{} groups: allowed are at most {MAX_GROUPS}", desired.len());
        reasons.push(RejectionReason { group: None, detail });
    }
    for group in desired {
        let mut refuse = |detail: String| {
            reasons.push(RejectionReason { group: Some(group.name.to_string()), detail });
        };
        if let Some(other) = ids.insert(group.id, &group.name) {
            refuse(format!("id: {} is the id of group {other} too", group.id));
        }
        if let Some(other) = routers.insert(router_of(group), &group.name) {
            refuse(format!(
                "vrid: {} on {} ({}) is used by group {other} too",
                group.vrid, group.interface, group.family
            ));
        }
        for address in &group.virtual_addresses {
            let place = (group.interface.as_str(), address.address());
            if let Some(other) = addresses.insert(place, &group.name)
                && *other != group.name
            {
                refuse(format!("virtual_addresses: {address} is an address of group {other} too"));
            }
        }
        if let Err(detail) = check_settings(group) {
            refuse(detail);
        } else if let Err(detail) = check_host(group, host) {
            refuse(detail);
        }
        if let Err(forbidden) = policy::permits(policy, group) {
            reasons.extend(forbidden);
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// What must change so that exactly `desired` runs.
pub(super) fn plan(running: &[Running<'_>], desired: Vec<DesiredGroup>) -> Plan {
    let mut plan = Plan::default();
    let mut kept = BTreeSet::new();
    for group in desired {
        let here = running.iter().find(|running| router_of(running.desired) == router_of(&group));
        match here {
            Some(here) if !here.leaving && here.desired.version == group.version => {
                kept.insert(here.handle);
                if *here.desired != group {
                    plan.change.push((here.handle, group));
                }
            }
            Some(here) => {
                kept.insert(here.handle);
                let departure = match here.desired.id == group.id {
                    true => Departure::Reconfigured,
                    false => Departure::Removed,
                };
                // One that is leaving has resigned already: whoever is to succeed it has heard so.
                plan.leave_at_once.push((here.handle, departure));
                plan.start.push(group);
            }
            None => plan.start.push(group),
        }
    }
    let moved: BTreeSet<_> = plan.start.iter().map(|group| group.id).collect();
    let leaves = |running: &&Running<'_>| !running.leaving && !kept.contains(&running.handle);
    plan.leave = running
        .iter()
        .filter(leaves)
        .map(|running| match moved.contains(&running.desired.id) {
            true => (running.handle, Departure::Reconfigured),
            false => (running.handle, Departure::Removed),
        })
        .collect();
    plan
}

/// What tells one virtual router of a node from another.
fn router_of(group: &DesiredGroup) -> (&str, Family, Vrid) {
    (&group.interface, group.family, group.vrid)
}

fn check_settings(group: &DesiredGroup) -> Result<(), String> {
    if !is_interface_name(&group.interface) {
        return Err(format!(
            "interface: {:?} is no name of an interface: allowed are 1 to 15 characters without / and white space",
            group.interface
        ));
    }
    if group.options.mac_mode == MacMode::Virtual && group.priority.is_owner() {
        return Err(
            "mac_mode: an owner's addresses are its interface's own and answer from that interface's MAC address: \
             allowed is interface"
                .to_owned(),
        );
    }
    if group.drained && group.priority.is_owner() {
        return Err("drained: an owner's addresses are its interface's own and stay there".to_owned());
    }
    if !group.track.is_empty() && group.priority.is_owner() {
        return Err("track: an owner's priority is 255 whatever a check finds".to_owned());
    }
    if group.sync_group.is_some() && group.priority.is_owner() {
        return Err("sync_group: an owner's addresses are its interface's own and stay there".to_owned());
    }
    if group.pre_active.is_some() && group.priority.is_owner() {
        return Err("pre_active: an owner's addresses are its interface's own and always answer".to_owned());
    }
    if group.options.transport == Transport::Unicast && group.peers.is_empty() {
        return Err("transport: unicast needs another member to speak to".to_owned());
    }
    match Config::new(translate::settings(group, stand_in_source(group))) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{}: {}", error.field(), with_sources(&error))),
    }
}

fn check_host(group: &DesiredGroup, host: &impl Host) -> Result<(), String> {
    let addresses: Vec<_> = group.virtual_addresses.iter().map(|address| address.address()).collect();
    if group.priority.is_owner() && host.owns(&group.interface, &addresses) == Some(false) {
        return Err(format!(
            "priority: 255 says that the node owns the virtual addresses, but interface {} does not have all of \
             them: allowed are 1 to 254",
            group.interface
        ));
    }
    if !group.options.accept_mode && !group.priority.is_owner() && !host.has_nft() {
        return Err("accept_mode: false needs nftables, and this host has no nft: allowed is true".to_owned());
    }
    if group.pre_active.is_some() && !host.has_nft() {
        return Err("pre_active: it needs nftables, and this host has no nft".to_owned());
    }
    let arp_ignore = if group.family == Family::Ipv4 { host.arp_ignore(&group.interface) } else { None };
    match arp_ignore {
        Some(arp_ignore) if arp_ignore >= 2 => Err(format!(
            "interface: arp_ignore of {} is {arp_ignore}, so that the kernel would not answer for a virtual address: \
             allowed are 0 and 1",
            group.interface
        )),
        Some(_) | None => Ok(()),
    }
}

/// As the kernel's `dev_valid_name` has it.
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|letter: char| letter == '/' || letter == ':' || letter.is_whitespace())
}

/// An address to check the settings with; the interface's own may not be there yet.
fn stand_in_source(group: &DesiredGroup) -> IpAddr {
    let is_virtual =
        |address: &IpAddr| group.virtual_addresses.iter().any(|other| other.address() == *address);
    (1..=u8::MAX)
        .map(|last| match group.family {
            Family::Ipv4 => IpAddr::from(Ipv4Addr::new(192, 0, 2, last)),
            Family::Ipv6 => IpAddr::from(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last))),
        })
        .find(|address| !is_virtual(address))
        .unwrap_or(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)))
}

fn with_sources(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", with_sources(source)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
