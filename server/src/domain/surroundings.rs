//! What stands around a group (its segment, its nodes, other groups), and whether the group fits in.
//!
//! A node that has not reported its interfaces yet cannot be held against a group: the group is accepted, with the
//! condition `interface_unverified` for as long as that lasts (`condition.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api_types::Name;
use api_types::group::GroupSpec;
use api_types::node::Interface;
use api_types::problem::FieldProblem;
use ipnet::IpNet;
use uuid::Uuid;
use vrrp::{Family, Vrid};

use super::conflict::Conflict;
use super::faults::Faults;
use super::group::{GroupDraft, MemberDraft};
use super::segment::check_address;

/// What stands around a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The segment that the group names; `None` when there is none of this name.
    pub segment: Option<SegmentFacts>,
    /// Those of the nodes that the group names that exist.
    pub nodes: BTreeMap<Name, NodeFacts>,
    /// Those of the checks that the group tracks that exist.
    pub checks: BTreeSet<Name>,
}

/// What a group needs to know of its segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Its id.
    pub id: Uuid,
    /// Its prefixes.
    pub prefixes: Vec<IpNet>,
}

/// What a group needs to know of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its id.
    pub id: Uuid,
    /// Its interfaces as its agent last reported them; `None` before it ever did.
    pub interfaces: Option<Vec<Interface>>,
}

/// Another group that the same routers would hear: one of the segment, or with a member on the same interface of the
/// same node. It has the same VRID and family, or an address of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name.
    pub group: Name,
    /// The name of its segment.
    pub segment: Name,
    /// Its family.
    pub family: Family,
    /// Its VRID.
    pub vrid: Vrid,
    /// Those of its virtual addresses that the group has too.
    pub addresses: Vec<IpAddr>,
}

/// Every field of the group that is wrong where the group would live.
#[must_use]
pub fn faults_of(draft: &GroupDraft, around: &Surroundings) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    if let Some(name) = &draft.segment {
        match &around.segment {
            Some(segment) => {
                check_virtual_addresses(draft, name, segment, &mut faults);
                check_external_addresses(draft, name, segment, &mut faults);
            }
            None => faults.add(
                "/segment",
                format_args!("there is no segment {name}: allowed is the name of one that exists"),
            ),
        }
    }
    check_ownership(draft, around, &mut faults);
    for (position, member) in draft.members() {
        match member {
            MemberDraft::Node { node: Some(node), interface, .. } => match around.nodes.get(node) {
                Some(facts) => {
                    let place = Place { position, node, interface: interface.as_deref() };
                    check_node(&place, member.is_owner(), facts, draft, &mut faults);
                }
                None => faults.add(
                    format!("/members/{position}/node"),
                    format_args!("there is no node {node}: allowed is the name of one that exists"),
                ),
            },
            // Reports and failovers name members by name alone; a router that shares a node's name could not be
            // told from it.
            MemberDraft::External { name: Some(name), .. } if around.nodes.contains_key(name) => faults.add(
                format!("/members/{position}/name"),
                format_args!("{name} is the name of a node: allowed is a name that no node has"),
            ),
            MemberDraft::Node { .. } | MemberDraft::External { .. } | MemberDraft::Unread => {}
        }
    }
    for (position, track) in draft.track() {
        if !around.checks.contains(&track.check) {
            faults.add(
                format!("/track/{position}/check"),
                format_args!("there is no check {}: allowed is the name of one that exists", track.check),
            );
        }
    }
    faults.into_fields()
}

fn check_virtual_addresses(draft: &GroupDraft, name: &Name, segment: &SegmentFacts, faults: &mut Faults) {
    for (position, virtual_address) in draft.addresses() {
        let pointer = format!("/virtual_addresses/{position}");
        check_fit(&pointer, virtual_address.address(), name, segment, faults);
    }
}

/// A router that is not on the segment cannot be heard there.
fn check_external_addresses(draft: &GroupDraft, name: &Name, segment: &SegmentFacts, faults: &mut Faults) {
    for (position, member) in draft.members() {
        if let MemberDraft::External { address: Some(address), .. } = member {
            check_fit(&format!("/members/{position}/address"), *address, name, segment, faults);
        }
    }
}

fn check_fit(pointer: &str, address: IpAddr, name: &Name, segment: &SegmentFacts, faults: &mut Faults) {
    if let Err(why) = check_address(&segment.prefixes, address) {
        let prefixes: Vec<_> = segment.prefixes.iter().map(ToString::to_string).collect();
        faults.add(
            pointer,
            format_args!(
                "{address} does not fit segment {name}: it {why}; allowed are hosts of {}",
                prefixes.join(", ")
            ),
        );
    }
}

/// Only the owner of a virtual address may have it as an address of its own (RFC 9568 §5.2.4): any other member would
/// answer for it whoever is Active.
fn check_ownership(draft: &GroupDraft, around: &Surroundings, faults: &mut Faults) {
    for (_, member) in draft.members() {
        let MemberDraft::Node { node: Some(node), priority: Some(_), interface: used } = member else {
            continue;
        };
        let interfaces = around.nodes.get(node).and_then(|facts| facts.interfaces.as_deref());
        for interface in interfaces.unwrap_or_default().iter().filter(|_| !member.is_owner()) {
            let is_used = used.as_ref() == Some(&interface.name);
            let or =
                if is_used { format!(", or priority 255 for {node} if it owns it") } else { String::new() };
            for (position, virtual_address) in draft.addresses() {
                let address = virtual_address.address();
                if interface.has_address(address) {
                    faults.add(
                        format!("/virtual_addresses/{position}"),
                        format_args!(
                            "{address} is an address of interface {} of node {node}: allowed is an address that no \
                             member has as its own{or}",
                            interface.name
                        ),
                    );
                }
            }
        }
    }
}

/// Where a member would live.
struct Place<'a> {
    position: usize,
    node: &'a Name,
    interface: Option<&'a str>,
}

fn check_node(place: &Place<'_>, owner: bool, facts: &NodeFacts, draft: &GroupDraft, faults: &mut Faults) {
    let Place { position, node, interface } = place;
    let (Some(interfaces), Some(name)) = (&facts.interfaces, interface) else { return };
    let Some(interface) = interfaces.iter().find(|interface| interface.name == *name) else {
        let reported: Vec<_> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
        let reported = if reported.is_empty() { "none".to_owned() } else { reported.join(", ") };
        faults.add(
            format!("/members/{position}/interface"),
            format_args!(
                "node {node} has no interface {}: allowed are those it reported ({reported})",
                name.escape_debug()
            ),
        );
        return;
    };
    if !owner {
        return;
    }
    for (_, virtual_address) in draft.addresses() {
        let address = virtual_address.address();
        if !interface.has_address(address) {
            faults.add(
                format!("/members/{position}/priority"),
                format_args!(
                    "255 says that {node} owns the addresses, but {address} is not an address of its interface {name}: \
                     allowed are 1 to 254"
                ),
            );
        }
    }
}

/// Every other group that stands in the way of this one.
#[must_use]
pub fn conflicts_of(spec: &GroupSpec, neighbours: &[Neighbour]) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for neighbour in neighbours {
        if (neighbour.family, neighbour.vrid) == (spec.family, spec.vrid) {
            conflicts.push(Conflict::VridTaken {
                vrid: spec.vrid,
                family: spec.family,
                group: neighbour.group.clone(),
                segment: neighbour.segment.clone(),
            });
        }
    }
    for (position, virtual_address) in spec.virtual_addresses.iter().enumerate() {
        let address = virtual_address.address();
        for neighbour in neighbours.iter().filter(|neighbour| neighbour.addresses.contains(&address)) {
            conflicts.push(Conflict::AddressTaken {
                position,
                address,
                group: neighbour.group.clone(),
                segment: neighbour.segment.clone(),
            });
        }
    }
    conflicts
}

#[cfg(test)]
mod tests;
