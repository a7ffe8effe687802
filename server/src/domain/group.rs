//! The rules of a VIP group that need to know nothing but the group.
//!
//! What depends on the segment, the nodes and other groups is in `surroundings.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api_types::problem::FieldProblem;
use api_types::{Name, VirtualAddress};
use vrrp::{Family, Priority};

use super::faults::{Faults, check_description};
use super::interface_name;

mod draft;
mod hooks;
mod priorities;
mod protocol;
mod track;

pub use draft::{GroupDraft, MemberDraft};
pub use hooks::MAX_HOOKS;
pub use track::MAX_TRACKED;

/// The most virtual addresses of one group.
pub const MAX_VIRTUAL_ADDRESSES: usize = vrrp::MAX_ADDRESSES;
/// The most routes, and the most rules, of one group.
pub const MAX_VIRTUAL_ROUTES: usize = 64;
/// The most members of one group.
pub const MAX_MEMBERS: usize = 32;

/// Those of the virtual addresses that an advertisement has no room for: it counts them in one octet, and over IPv6
/// they must fit the 1,500 octets of an Ethernet frame.
#[must_use]
pub fn unadvertised(family: Family, addresses: &[VirtualAddress]) -> &[VirtualAddress] {
    let room = match family {
        Family::Ipv4 => 255,
        Family::Ipv6 => 90,
    };
    addresses.get(room..).unwrap_or_default()
}

/// Every bad field of a group, by the rules that need to know nothing else.
#[must_use]
pub fn faults_of(draft: &GroupDraft) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    check_rules(draft, &mut faults);
    faults.into_fields()
}

fn check_rules(draft: &GroupDraft, faults: &mut Faults) {
    if let Some(description) = &draft.description {
        check_description(description, faults);
    }
    protocol::check(draft, faults);
    priorities::check(draft, faults);
    track::check(draft, faults);
    hooks::check(draft, faults);
    check_virtual_addresses(draft, faults);
    check_members(draft, faults);
}

fn check_virtual_addresses(draft: &GroupDraft, faults: &mut Faults) {
    if let Some(addresses) = &draft.virtual_addresses {
        check_count("/virtual_addresses", addresses.len(), MAX_VIRTUAL_ADDRESSES, faults);
    }
    let mut seen = BTreeMap::new();
    for (position, virtual_address) in draft.addresses() {
        let pointer = format!("/virtual_addresses/{position}");
        let address = virtual_address.address();
        check_family(&pointer, address, draft.family, faults);
        match seen.get(&address) {
            Some(first) => faults.add(
                &pointer,
                format_args!(
                    "{address} stands at /virtual_addresses/{first} already: allowed is each address once"
                ),
            ),
            None => drop(seen.insert(address, position)),
        }
    }
}

fn check_members(draft: &GroupDraft, faults: &mut Faults) {
    if let Some(members) = &draft.members {
        check_count("/members", members.len(), MAX_MEMBERS, faults);
    }
    check_single_owner(draft, faults);
    let mut names: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut sources: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (position, member) in draft.members() {
        if let Some(name) = member.name() {
            if let Some(first) = names.get(name) {
                faults.add(
                    format!("/members/{position}/{}", member.name_field()),
                    format_args!(
                        "{name} is the member at /members/{first} already: allowed is each name once"
                    ),
                );
            } else {
                names.insert(name, position);
            }
        }
        match member {
            MemberDraft::Node { interface: Some(interface), .. } => {
                if let Some(fault) = interface_name::fault(interface) {
                    faults.add(format!("/members/{position}/interface"), fault);
                }
            }
            MemberDraft::External { address: Some(address), priority, .. } => {
                check_external_address(position, *address, *priority, draft, faults);
                if let Some(first) = sources.get(address) {
                    faults.add(
                        format!("/members/{position}/address"),
                        format_args!(
                            "{address} is the address of /members/{first} already: allowed is each address once"
                        ),
                    );
                } else {
                    sources.insert(*address, position);
                }
            }
            MemberDraft::Node { .. } | MemberDraft::External { .. } | MemberDraft::Unread => {}
        }
    }
}

fn check_count(pointer: &str, count: usize, most: usize, faults: &mut Faults) {
    if count == 0 || count > most {
        faults.add(pointer, format_args!("it has {count} entries: allowed are 1 to {most}"));
    }
}

fn check_family(pointer: &str, address: IpAddr, family: Option<Family>, faults: &mut Faults) {
    if let Some(family) = family
        && address.is_ipv4() != (family == Family::Ipv4)
    {
        faults
            .add(pointer, format_args!("{address} is not of the family {family}: allowed are its addresses"));
    }
}

/// 255 belongs to the router that has the addresses as its own (RFC 9568 §5.2.4); two cannot have them.
fn check_single_owner(draft: &GroupDraft, faults: &mut Faults) {
    let mut owners = draft.members().filter(|(_, member)| member.is_owner());
    let Some((first, owner)) = owners.next() else { return };
    let who = owner.name().map_or_else(String::new, |name| format!("{name} "));
    for (position, _) in owners {
        faults.add(
            format!("/members/{position}/priority"),
            format_args!(
                "255 says that a member owns the addresses, and {who}(/members/{first}) does: allowed are 1 to 254"
            ),
        );
    }
}

fn check_external_address(
    position: usize,
    address: IpAddr,
    priority: Option<Priority>,
    draft: &GroupDraft,
    faults: &mut Faults,
) {
    let pointer = format!("/members/{position}/address");
    check_family(&pointer, address, draft.family, faults);
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() || is_broadcast {
        faults.add(
            &pointer,
            format_args!(
                "{address} is not the address of a host: allowed is where its advertisements come from"
            ),
        );
    }
    let is_virtual = draft.addresses().any(|(_, virtual_address)| virtual_address.address() == address);
    if is_virtual && priority.is_some_and(|priority| !priority.is_owner()) {
        faults.add(
            &pointer,
            format_args!(
                "{address} is a virtual address of the group: allowed is the router's own address, or priority 255 if \
                 it owns the virtual address"
            ),
        );
    }
}

#[cfg(test)]
mod tests;
