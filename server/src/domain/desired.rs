//! What a node shall run: every group that it is a member of, as its agent needs to know it.

use std::collections::HashMap;
use std::net::IpAddr;

use api_types::Name;
use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::group::{GroupSpec, Member};
use api_types::node::Interface;
use uuid::Uuid;
use vrrp::Family;

use super::segment::is_link_local;
use super::sync_group::tracked_together;

/// A group as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGroup {
    /// The group.
    pub id: Uuid,
    /// Counts the changes of its specification.
    pub generation: i64,
    /// What its operators wrote.
    pub spec: GroupSpec,
    /// The sync group it is in.
    pub sync_group: Option<Name>,
}

/// The interfaces of each node, as it last reported them; a node that has not reported is absent.
pub type Interfaces = HashMap<Name, Vec<Interface>>;

/// Every group of `node`, by name. Groups that it is no member of are left out. `drained` lets it take no
/// part, but where it owns the addresses, which nobody else can hold.
#[must_use]
pub fn groups_of(
    node: &Name,
    drained: bool,
    groups: &[StoredGroup],
    interfaces: &Interfaces,
) -> Vec<DesiredGroup> {
    let mut desired: Vec<_> = groups
        .iter()
        .filter_map(|group| as_run_by(node, group, groups, interfaces))
        .map(|group| DesiredGroup { drained: drained && !group.priority.is_owner(), ..group })
        .collect();
    desired.sort_by(|one, other| one.name.cmp(&other.name));
    desired
}

fn as_run_by(
    node: &Name,
    group: &StoredGroup,
    groups: &[StoredGroup],
    interfaces: &Interfaces,
) -> Option<DesiredGroup> {
    let StoredGroup { id, generation, spec, sync_group } = group;
    // The groups of a sync group have the same nodes, so that all of them are here.
    let together = groups.iter().filter(|other| sync_group.is_some() && other.sync_group == *sync_group);
    let own = spec.members.iter().find_map(|member| match member {
        Member::Node(member) if member.node == *node => Some(member),
        Member::Node(_) | Member::External(_) => None,
    })?;
    let peers = spec
        .members
        .iter()
        .filter(|member| !matches!(member, Member::Node(member) if member.node == *node))
        .map(|member| DesiredPeer {
            name: member.name().clone(),
            address: advertises_from(member, spec.family, interfaces),
            priority: member.priority(),
            external: matches!(member, Member::External(_)),
        })
        .collect();
    Some(DesiredGroup {
        id: *id,
        name: spec.name.clone(),
        generation: *generation,
        interface: own.interface.clone(),
        family: spec.family,
        vrid: spec.vrid,
        version: spec.version,
        advertisement_interval_ms: spec.advertisement_interval(),
        preempt_mode: spec.preempt_mode,
        checksum: spec.checksum,
        virtual_addresses: spec.virtual_addresses.clone(),
        priority: own.priority,
        peers,
        options: spec.options(),
        drained: false,
        track: match sync_group {
            Some(_) => tracked_together(together),
            None => spec.track.clone(),
        },
        sync_group: sync_group.clone(),
        pre_active: spec.pre_active.clone(),
        hooks: spec.hooks.clone(),
    })
}

/// Where the advertisements of a member come from, where that is known.
fn advertises_from(member: &Member, family: Family, interfaces: &Interfaces) -> Option<IpAddr> {
    match member {
        Member::External(member) => Some(member.address),
        Member::Node(member) => primary_address(interfaces.get(&member.node)?, &member.interface, family),
    }
}

/// The address that an interface advertises from: its first one in IPv4, its first link-local one in IPv6 (RFC 9568
/// §5.1.2.1).
#[must_use]
pub fn primary_address(interfaces: &[Interface], interface: &str, family: Family) -> Option<IpAddr> {
    let of_family = |address: &IpAddr| match family {
        Family::Ipv4 => address.is_ipv4(),
        Family::Ipv6 => is_link_local(*address),
    };
    let interface = interfaces.iter().find(|candidate| candidate.name == interface)?;
    interface.addresses.iter().map(|net| net.addr()).find(of_family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::group::{ExternalMember, NodeMember};
    use vrrp::Priority;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn node(node: &str, priority: u8) -> Member {
        let priority = Priority::new(priority).unwrap();
        Member::Node(NodeMember { node: name(node), interface: "eth0".into(), priority })
    }

    fn external(address: &str) -> Member {
        Member::External(ExternalMember {
            name: name("keepalived"),
            address: address.parse().unwrap(),
            priority: Priority::new(100).unwrap(),
        })
    }

    fn group(group: &str, members: Vec<Member>) -> StoredGroup {
        StoredGroup {
            id: Uuid::from_u128(7),
            generation: 3,
            spec: serde_json::from_value(serde_json::json!({
                "name": group,
                "segment": "lan",
                "vrid": 51,
                "virtual_addresses": ["192.0.2.10/24"],
                "members": members,
            }))
            .unwrap(),
            sync_group: None,
        }
    }

    fn interface(name: &str, addresses: &[&str]) -> Interface {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Interface { name: name.into(), mac: None, up: true, carrier: true, addresses }
    }

    #[test]
    fn a_node_runs_the_groups_it_is_a_member_of_by_name() {
        let groups = [
            group("web", vec![node("n1", 240), node("n2", 200)]),
            group("other", vec![node("n2", 240)]),
            group("db", vec![node("n2", 240), node("n1", 200)]),
        ];
        let desired = groups_of(&name("n1"), false, &groups, &Interfaces::new());
        let shown: Vec<_> = desired.iter().map(|group| (group.name.as_str(), group.priority.get())).collect();
        assert_eq!(shown, [("db", 200), ("web", 240)]);
        assert_eq!(groups_of(&name("n3"), false, &groups, &Interfaces::new()), []);
    }

    #[test]
    fn a_drained_node_takes_no_part_but_where_it_owns_the_addresses() {
        let groups = [group("mine", vec![node("n1", 255)]), group("web", vec![node("n1", 240)])];
        let drained = |drained| -> Vec<bool> {
            let desired = groups_of(&name("n1"), drained, &groups, &Interfaces::new());
            desired.iter().map(|group| group.drained).collect()
        };
        assert_eq!((drained(false), drained(true)), (vec![false, false], vec![false, true]));
    }

    #[test]
    fn peers_come_with_the_addresses_that_are_known() {
        let groups =
            [group("web", vec![node("n1", 240), node("n2", 200), node("n3", 150), external("192.0.2.9")])];
        let interfaces = Interfaces::from([(
            name("n2"),
            vec![
                interface("lo", &["127.0.0.1/8"]),
                interface("eth0", &["2001:db8::2/64", "192.0.2.2/24", "192.0.2.22/24"]),
            ],
        )]);
        let desired = groups_of(&name("n1"), false, &groups, &interfaces);
        let peers: Vec<_> = desired[0]
            .peers
            .iter()
            .map(|peer| (peer.name.as_str(), peer.address.map(|address| address.to_string())))
            .collect();
        assert_eq!(
            peers,
            [("n2", Some("192.0.2.2".into())), ("n3", None), ("keepalived", Some("192.0.2.9".into()))]
        );
    }

    #[test]
    fn over_ipv6_a_peer_is_known_by_its_link_local_address() {
        let eth0 = [interface("eth0", &["192.0.2.2/24", "2001:db8::2/64", "fe80::2/64", "fe80::22/64"])];
        let address = |family| primary_address(&eth0, "eth0", family).map(|address| address.to_string());
        assert_eq!(address(Family::Ipv6).as_deref(), Some("fe80::2"));
        assert_eq!(address(Family::Ipv4).as_deref(), Some("192.0.2.2"));
    }
}
