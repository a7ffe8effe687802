use serde_json::{Value, json};

use super::*;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn group(virtual_addresses: &[&str], members: Value) -> GroupSpec {
    serde_json::from_value(json!({
        "name": "web",
        "segment": "frontend",
        "vrid": 51,
        "virtual_addresses": virtual_addresses,
        "members": members,
    }))
    .expect("a group")
}

fn lb1_on_eth0(priority: u8) -> Value {
    json!([{"kind": "node", "node": "lb1", "interface": "eth0", "priority": priority}])
}

fn interface(name: &str, addresses: &[&str]) -> Interface {
    Interface {
        name: name.to_owned(),
        mac: None,
        up: true,
        carrier: true,
        addresses: addresses.iter().map(|text| text.parse().expect("an address")).collect(),
    }
}

fn around(interfaces: Option<Vec<Interface>>) -> Surroundings {
    Surroundings {
        segment: Some(SegmentFacts {
            id: Uuid::from_u128(1),
            prefixes: vec!["192.0.2.0/24".parse().expect("a prefix")],
        }),
        nodes: BTreeMap::from([(name("lb1"), NodeFacts { id: Uuid::from_u128(2), interfaces })]),
        checks: BTreeSet::new(),
    }
}

fn found(spec: &GroupSpec, around: &Surroundings) -> Vec<(String, String)> {
    faults_of(&spec.clone().into(), around).into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
}

#[test]
fn a_segment_or_node_that_is_not_there_is_named() {
    let spec = group(&["192.0.2.10/24"], lb1_on_eth0(240));
    assert_eq!(
        found(&spec, &Surroundings::default()),
        [
            (
                "/segment".to_owned(),
                "there is no segment frontend: allowed is the name of one that exists".to_owned()
            ),
            (
                "/members/0/node".to_owned(),
                "there is no node lb1: allowed is the name of one that exists".to_owned()
            ),
        ]
    );
}

#[test]
fn each_address_must_be_a_host_of_the_segment() {
    let spec = group(&["192.0.2.10/24", "198.51.100.1/24", "192.0.2.255/32"], lb1_on_eth0(240));
    let found = found(&spec, &around(None));
    assert_eq!(
        found.iter().map(|(pointer, _)| pointer.as_str()).collect::<Vec<_>>(),
        ["/virtual_addresses/1", "/virtual_addresses/2"]
    );
    assert_eq!(
        found[0].1,
        "198.51.100.1 does not fit segment frontend: it is outside its prefixes; allowed are hosts of 192.0.2.0/24"
    );
    assert!(found[1].1.contains("broadcast address"), "{}", found[1].1);
}

#[test]
fn an_interface_that_the_node_reported_not_to_have_is_refused_and_the_ones_it_has_are_listed() {
    let spec = group(&["192.0.2.10/24"], lb1_on_eth0(240));
    assert_eq!(found(&spec, &around(Some(vec![interface("eth0", &[])]))), []);
    let other = around(Some(vec![interface("ens3", &[]), interface("ens4", &[])]));
    assert_eq!(
        found(&spec, &other),
        [(
            "/members/0/interface".to_owned(),
            "node lb1 has no interface eth0: allowed are those it reported (ens3, ens4)".to_owned()
        )]
    );
    assert!(found(&spec, &around(Some(vec![])))[0].1.ends_with("(none)"));
}

#[test]
fn a_node_that_has_not_reported_is_accepted() {
    let spec = group(&["192.0.2.10/24"], lb1_on_eth0(255));
    assert_eq!(found(&spec, &around(None)), []);
}

#[test]
fn an_owner_must_have_every_virtual_address_on_its_interface() {
    let spec = group(&["192.0.2.10/24", "192.0.2.11/24"], lb1_on_eth0(255));
    let owns = |addresses: &[&str]| around(Some(vec![interface("eth0", addresses)]));
    assert_eq!(found(&spec, &owns(&["192.0.2.10/24", "192.0.2.11/24"])), []);

    let lacking = found(&spec, &owns(&["192.0.2.10/24"]));
    assert_eq!(lacking.len(), 1);
    assert_eq!(lacking[0].0, "/members/0/priority");
    assert!(lacking[0].1.contains("192.0.2.11 is not an address of its interface eth0"), "{}", lacking[0].1);

    let backup = group(&["192.0.2.10/24"], lb1_on_eth0(254));
    assert_eq!(found(&backup, &owns(&["192.0.2.2/24"])), [], "only the owner needs them");
}

#[test]
fn a_virtual_address_that_a_member_has_as_its_own_needs_that_member_as_the_owner() {
    let eth1 = interface("eth1", &["192.0.2.12/24"]);
    let here = around(Some(vec![interface("eth0", &["192.0.2.2/24", "192.0.2.11/24"]), eth1]));
    let addresses = &["192.0.2.10/24", "192.0.2.11/24", "192.0.2.12/24"];
    assert_eq!(
        found(&group(addresses, lb1_on_eth0(254)), &here),
        [
            (
                "/virtual_addresses/1".to_owned(),
                "192.0.2.11 is an address of interface eth0 of node lb1: allowed is an address that no member has as \
                 its own, or priority 255 for lb1 if it owns it"
                    .to_owned()
            ),
            (
                "/virtual_addresses/2".to_owned(),
                "192.0.2.12 is an address of interface eth1 of node lb1: allowed is an address that no member has as \
                 its own"
                    .to_owned()
            ),
        ]
    );
    assert_eq!(found(&group(&["192.0.2.11/24"], lb1_on_eth0(255)), &here), []);
}

#[test]
fn an_external_router_must_be_a_host_of_the_segment() {
    let members = |address: &str| {
        json!([{"kind": "external", "name": "old", "address": address, "priority": 100},
               {"kind": "node", "node": "lb1", "interface": "eth0", "priority": 240}])
    };
    assert_eq!(found(&group(&["192.0.2.10/24"], members("192.0.2.4")), &around(None)), []);
    for (address, why) in [("198.51.100.4", "outside its prefixes"), ("192.0.2.255", "broadcast address")] {
        let found = found(&group(&["192.0.2.10/24"], members(address)), &around(None));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "/members/0/address");
        assert!(found[0].1.contains(why) && found[0].1.contains("hosts of 192.0.2.0/24"), "{}", found[0].1);
    }
}

#[test]
fn an_external_router_cannot_have_the_name_of_any_node() {
    let members = json!([{"kind": "external", "name": "lb1", "address": "192.0.2.4", "priority": 100}]);
    let found = found(&group(&["192.0.2.10/24"], members), &around(None));
    assert_eq!(found[0].0, "/members/0/name");
}

#[test]
fn conflicts_name_the_other_group_and_only_what_really_clashes() {
    let spec = group(&["192.0.2.10/24", "192.0.2.11/24"], lb1_on_eth0(240));
    let neighbour = |group: &str, family, vrid, addresses: &[&str]| Neighbour {
        group: name(group),
        segment: name("frontend"),
        family,
        vrid: Vrid::new(vrid).expect("a VRID"),
        addresses: addresses.iter().map(|text| text.parse().expect("an address")).collect(),
    };
    let cases = [
        (neighbour("a", Family::Ipv4, 51, &[]), vec!["/vrid"]),
        (neighbour("b", Family::Ipv6, 51, &[]), vec![]),
        (neighbour("c", Family::Ipv4, 52, &["192.0.2.11"]), vec!["/virtual_addresses/1"]),
        (
            neighbour("d", Family::Ipv4, 51, &["192.0.2.10", "192.0.2.11"]),
            vec!["/vrid", "/virtual_addresses/0", "/virtual_addresses/1"],
        ),
        (neighbour("e", Family::Ipv4, 52, &[]), vec![]),
    ];
    for (other, wanted) in cases {
        let called = other.group.clone();
        let conflicts = conflicts_of(&spec, &[other]);
        let pointers: Vec<_> = conflicts.iter().filter_map(Conflict::pointer).collect();
        assert_eq!(pointers, wanted, "{called}");
        let named = format!("group {called}");
        assert!(conflicts.iter().all(|conflict| conflict.to_string().contains(&named)), "{conflicts:?}");
    }
}
