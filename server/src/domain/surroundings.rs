//! What stands around a group (its segment, its nodes, other groups), and whether the group fits in.
//!
//! A node that has not reported its interfaces yet cannot be held against a group: the group is accepted, with the
//! condition `interface_unverified` for as long as that lasts (`condition.rs`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use api_types::group::{GroupSpec, Member, NodeMember};
use api_types::node::Interface;
use api_types::problem::FieldProblem;
use api_types::{Name, VirtualAddress};
use ipnet::IpNet;
use uuid::Uuid;
use vrrp::{Family, Vrid};

use super::conflict::Conflict;
use super::faults::Faults;
use super::segment::check_address;

/// What stands around a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The segment that the group names; `None` when there is none of this name.
    pub segment: Option<SegmentFacts>,
    /// Those of the nodes that the group names that exist.
    pub nodes: BTreeMap<Name, NodeFacts>,
    /// Other groups that the same routers would hear: those of the segment, and those with a member on the same
    /// interface of the same node. Only the ones with the same VRID and family, or with an address of the group.
    pub neighbours: Vec<Neighbour>,
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

/// What a group needs to know of another group.
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
pub fn faults_of(spec: &GroupSpec, around: &Surroundings) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    match &around.segment {
        Some(segment) => check_addresses(spec, segment, &mut faults),
        None => faults.add(
            "/segment",
            format_args!("there is no segment {}: allowed is the name of one that exists", spec.segment),
        ),
    }
    for (position, member) in spec.members.iter().enumerate() {
        let Member::Node(member) = member else { continue };
        match around.nodes.get(&member.node) {
            Some(node) => check_node(position, member, node, &spec.virtual_addresses, &mut faults),
            None => faults.add(
                format!("/members/{position}/node"),
                format_args!("there is no node {}: allowed is the name of one that exists", member.node),
            ),
        }
    }
    check_external_names(spec, around, &mut faults);
    faults.into_fields()
}

fn check_addresses(spec: &GroupSpec, segment: &SegmentFacts, faults: &mut Faults) {
    for (position, virtual_address) in spec.virtual_addresses.iter().enumerate() {
        let address = virtual_address.address();
        if let Err(why) = check_address(&segment.prefixes, address) {
            let prefixes: Vec<_> = segment.prefixes.iter().map(ToString::to_string).collect();
            faults.add(
                format!("/virtual_addresses/{position}"),
                format_args!(
                    "{address} does not fit segment {}: it {why}; allowed are hosts of {}",
                    spec.segment,
                    prefixes.join(", ")
                ),
            );
        }
    }
}

fn check_node(
    position: usize,
    member: &NodeMember,
    node: &NodeFacts,
    virtual_addresses: &[VirtualAddress],
    faults: &mut Faults,
) {
    let Some(interfaces) = &node.interfaces else { return };
    let Some(interface) = interfaces.iter().find(|interface| interface.name == member.interface) else {
        let reported: Vec<_> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
        let reported = if reported.is_empty() { "none".to_owned() } else { reported.join(", ") };
        faults.add(
            format!("/members/{position}/interface"),
            format_args!(
                "node {} has no interface {}: allowed are those it reported ({reported})",
                member.node, member.interface
            ),
        );
        return;
    };
    if !member.priority.is_owner() {
        return;
    }
    for virtual_address in virtual_addresses {
        let address = virtual_address.address();
        if !interface.has_address(address) {
            faults.add(
                format!("/members/{position}/priority"),
                format_args!(
                    "255 says that {} owns the addresses, but {address} is not an address of its interface {}: \
                     allowed are 1 to 254",
                    member.node, member.interface
                ),
            );
        }
    }
}

/// Reports and failovers name members by name alone; a router that shares a node's name could not be told from it.
fn check_external_names(spec: &GroupSpec, around: &Surroundings, faults: &mut Faults) {
    for (position, member) in spec.members.iter().enumerate() {
        let Member::External(member) = member else { continue };
        if around.nodes.contains_key(&member.name) {
            faults.add(
                format!("/members/{position}/name"),
                format_args!("{} is the name of a node: allowed is a name that no node has", member.name),
            );
        }
    }
}

/// Every other group that stands in the way of this one.
#[must_use]
pub fn conflicts_of(spec: &GroupSpec, around: &Surroundings) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for neighbour in &around.neighbours {
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
        for neighbour in around.neighbours.iter().filter(|neighbour| neighbour.addresses.contains(&address)) {
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
