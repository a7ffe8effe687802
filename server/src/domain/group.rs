//! The rules of a VIP group that need to know nothing but the group.
//!
//! What depends on the segment, the nodes and other groups is in `surroundings.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api_types::Name;
use api_types::group::{ExternalMember, GroupSpec, Member, NodeMember};
use api_types::problem::FieldProblem;
use vrrp::{Family, Version};

use super::faults::{Faults, check_description};

/// The most virtual addresses of one group.
pub const MAX_VIRTUAL_ADDRESSES: usize = 64;
/// The most members of one group.
pub const MAX_MEMBERS: usize = 32;
/// The most octets of an interface's name (`IFNAMSIZ` without the final NUL).
const MAX_INTERFACE_OCTETS: usize = 15;

/// Every bad field of a group, by the rules that need to know nothing else.
#[must_use]
pub fn faults_of(spec: &GroupSpec) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    check_description(&spec.description, &mut faults);
    check_protocol(spec, &mut faults);
    check_virtual_addresses(spec, &mut faults);
    check_members(spec, &mut faults);
    faults.into_fields()
}

fn check_protocol(spec: &GroupSpec, faults: &mut Faults) {
    if spec.family == Family::Ipv6 {
        faults.add("/family", "ipv6 is not supported by this release: allowed is \"ipv4\"");
    }
    if spec.version == Version::V2 {
        faults.add("/version", "version 2 is not supported by this release: allowed is 3");
    }
    if let Err(error) = spec.advertisement_interval_ms.checked_for(spec.version) {
        faults.add("/advertisement_interval_ms", error);
    }
}

fn check_virtual_addresses(spec: &GroupSpec, faults: &mut Faults) {
    let addresses = &spec.virtual_addresses;
    let count = addresses.len();
    if count == 0 || count > MAX_VIRTUAL_ADDRESSES {
        faults.add(
            "/virtual_addresses",
            format_args!("it has {count} entries: allowed are 1 to {MAX_VIRTUAL_ADDRESSES}"),
        );
    }
    let mut seen = BTreeMap::new();
    for (position, virtual_address) in addresses.iter().enumerate() {
        let pointer = format!("/virtual_addresses/{position}");
        let address = virtual_address.address();
        if virtual_address.family() != spec.family {
            faults.add(
                &pointer,
                format_args!("{address} is not of the family {}: allowed are its addresses", spec.family),
            );
        }
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

fn check_members(spec: &GroupSpec, faults: &mut Faults) {
    let count = spec.members.len();
    if count == 0 || count > MAX_MEMBERS {
        faults.add("/members", format_args!("it has {count} entries: allowed are 1 to {MAX_MEMBERS}"));
    }
    check_single_owner(&spec.members, faults);
    let mut names: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut sources: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (position, member) in spec.members.iter().enumerate() {
        if let Some(first) = names.get(member.name()) {
            faults.add(
                format!("/members/{position}/{}", name_field(member)),
                format_args!(
                    "{} is the member at /members/{first} already: allowed is each name once",
                    member.name()
                ),
            );
        } else {
            names.insert(member.name(), position);
        }
        match member {
            Member::Node(node) => check_interface(position, node, faults),
            Member::External(external) => {
                check_external_address(position, external, spec, faults);
                if let Some(first) = sources.get(&external.address) {
                    faults.add(
                        format!("/members/{position}/address"),
                        format_args!(
                            "{} is the address of /members/{first} already: allowed is each address once",
                            external.address
                        ),
                    );
                } else {
                    sources.insert(external.address, position);
                }
            }
        }
    }
}

const fn name_field(member: &Member) -> &'static str {
    match member {
        Member::Node(_) => "node",
        Member::External(_) => "name",
    }
}

/// 255 belongs to the router that has the addresses as its own (RFC 9568 §5.2.4); two cannot have them.
fn check_single_owner(members: &[Member], faults: &mut Faults) {
    let mut owners = members.iter().enumerate().filter(|(_, member)| member.priority().is_owner());
    let Some((first, owner)) = owners.next() else { return };
    for (position, _) in owners {
        faults.add(
            format!("/members/{position}/priority"),
            format_args!(
                "255 says that a member owns the addresses, and {} (/members/{first}) does: allowed are 1 to 254",
                owner.name()
            ),
        );
    }
}

/// The kernel's own rule (`dev_valid_name`), less the characters outside ASCII.
fn check_interface(position: usize, member: &NodeMember, faults: &mut Faults) {
    let name = member.interface.as_str();
    let printable = name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/' && octet != b':');
    let length_fits = (1..=MAX_INTERFACE_OCTETS).contains(&name.len());
    if !length_fits || !printable || name == "." || name == ".." {
        faults.add(
            format!("/members/{position}/interface"),
            format_args!(
                "{name:?} is not the name of an interface: allowed are 1 to {MAX_INTERFACE_OCTETS} printable ASCII \
                 characters but '/' and ':'"
            ),
        );
    }
}

fn check_external_address(position: usize, member: &ExternalMember, spec: &GroupSpec, faults: &mut Faults) {
    let pointer = format!("/members/{position}/address");
    let address = member.address;
    if address.is_ipv4() != (spec.family == Family::Ipv4) {
        faults.add(
            &pointer,
            format_args!("{address} is not of the family {}: allowed are its addresses", spec.family),
        );
    }
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() || is_broadcast {
        faults.add(
            &pointer,
            format_args!(
                "{address} is not the address of a host: allowed is where its advertisements come from"
            ),
        );
    }
    let is_virtual =
        spec.virtual_addresses.iter().any(|virtual_address| virtual_address.address() == address);
    if is_virtual && !member.priority.is_owner() {
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
