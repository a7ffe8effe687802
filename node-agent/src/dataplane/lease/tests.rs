use std::net::IpAddr;
use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions, Transport};
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

use super::fenced::Lease;
use super::*;
use crate::dataplane::group::{Departure, Effects, Footing};
use crate::dataplane::interfaces::InterfaceState;
use crate::dataplane::nft::TableName;
use crate::dataplane::test_data::desired;

fn interfaces() -> Interfaces {
    let mut interfaces = Interfaces::default();
    let name = "eth0".to_owned();
    let state = InterfaceState {
        name,
        mac: None,
        mtu: 1_500,
        up: true,
        carrier: true,
        loopback: false,
        macvlan: None,
    };
    interfaces.set(3, state);
    interfaces
}

fn group(number: u8, desired: DesiredGroup) -> Group {
    let desired = DesiredGroup {
        name: format!("g{number}").parse().unwrap(),
        vrid: Vrid::new(number).unwrap(),
        ..desired
    };
    let mut group = Group::new(number.into(), desired, Instant::ORIGIN);
    let footing = Footing {
        ifindex: 3,
        mac: [2, 0, 0, 0, 0, 1],
        own_mac: [2, 0, 0, 0, 0, 1],
        holder: Some(3),
        source: "192.0.2.1".parse().unwrap(),
        mtu: 1_500,
    };
    group.set_footing(Ok(footing), Instant::ORIGIN, &mut Effects::default());
    group
}

fn key(number: u8) -> LeaseKey {
    LeaseKey { ifindex: 3, family: Family::Ipv4, vrid: Vrid::new(number).unwrap() }
}

fn with(options: ProtocolOptions) -> DesiredGroup {
    DesiredGroup { options, ..desired(200) }
}

#[test]
fn owners_and_very_short_intervals_have_no_lease_and_the_rest_has_one_of_three_intervals() {
    let short = AdvertisementInterval::from_millis(Version::V3, 40).unwrap();
    let groups = [
        group(1, desired(200)),
        group(2, DesiredGroup { priority: Priority::new(255).unwrap(), ..desired(200) }),
        group(3, DesiredGroup { advertisement_interval_ms: short, ..desired(200) }),
        group(4, with(ProtocolOptions { transport: Transport::Unicast, ..ProtocolOptions::default() })),
        group(5, with(ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() })),
    ];
    let plan = Plan::of(groups.iter(), &interfaces());
    let leases: Vec<_> = plan.fenced.0.iter().map(|(key, lease)| (key.vrid.get(), lease.lasts)).collect();
    let lasts = Duration::from_millis(300);
    assert_eq!(leases, [(1, lasts), (4, lasts), (5, lasts)]);
    let reasons: Vec<_> = plan.uncovered.into_iter().collect();
    assert_eq!(
        reasons,
        ["g2 (it owns its addresses)", "g3 (its interval is 40 ms, and at least 50 are needed)"]
    );
    let source: IpAddr = "192.0.2.1".parse().unwrap();
    assert_eq!((plan.fenced.0[&key(1)].source, plan.fenced.0[&key(4)].source), (Some(source), None));
    assert_eq!(plan.fenced.0[&key(5)].mac, Some([0, 0, 0x5e, 0, 1, 5]));
}

#[test]
fn an_address_that_moves_from_one_group_to_another_is_silenced_by_neither() {
    let mut leaving = group(1, desired(200));
    let plan = Plan::of([&leaving].into_iter(), &interfaces());
    assert_eq!(plan.fenced.0[&key(1)].addresses.len(), 1);
    leaving.leave(Departure::Removed, Instant::ORIGIN, &mut Effects::default());
    let plan = Plan::of([&leaving, &group(2, desired(200))].into_iter(), &interfaces());
    assert!(plan.fenced.0.values().all(|lease| lease.addresses.is_empty()), "{plan:?}");
}

fn lease(source: Option<&str>, milliseconds: u64) -> Lease {
    Lease {
        interface: "eth0".to_owned(),
        addresses: ["192.0.2.10".parse().unwrap()].into(),
        source: source.map(|source| source.parse().unwrap()),
        mac: Some([0, 0, 0x5e, 0, 1, 1]),
        lasts: Duration::from_millis(milliseconds),
    }
}

#[test]
fn the_agent_renews_what_no_rule_renews_long_enough() {
    let fenced = |leases: &[(u8, Lease)]| {
        Fenced(leases.iter().map(|(number, lease)| (key(*number), lease.clone())).collect())
    };
    let wanted = fenced(&[
        (1, lease(Some("192.0.2.1"), 300)),
        (2, lease(Some("192.0.2.1"), 3_000)),
        (3, lease(Some("192.0.2.2"), 300)),
        (4, lease(None, 300)),
        (5, lease(Some("192.0.2.1"), 300)),
        (6, lease(Some("192.0.2.1"), 300)),
    ]);
    let written = fenced(&[
        (1, lease(Some("192.0.2.1"), 300)),
        (2, lease(Some("192.0.2.1"), 300)),
        (3, lease(Some("192.0.2.1"), 300)),
        (4, lease(None, 300)),
        (5, lease(Some("192.0.2.1"), 300)),
    ]);
    let renewed = wanted.renewed_here(&written, &[key(5)].into());
    let numbers: Vec<_> = renewed.iter().map(|key| key.vrid.get()).collect();
    assert_eq!(
        numbers,
        [2, 3, 4, 5],
        "the interval has grown, the source is another, there is no rule, it is doubtful"
    );
}

#[test]
fn what_tells_of_another_holder_comes_in_before_anything_is_dropped() {
    let table = TableName { family: Fenced::FAMILY, name: "t".to_owned() };
    let script = Fenced([(key(1), lease(Some("192.0.2.1"), 300))].into()).fill(&table);
    let at = |words: &str| script.find(words).unwrap_or_else(|| panic!("{words} is missing in {script}"));
    let accepted = at("ingress_3 arp saddr ip { 192.0.2.10 } accept");
    assert!(
        accepted < at("ingress_3 arp operation request arp daddr ip vmap { 192.0.2.10 : jump in_v4_3_1 }")
    );
    assert!(at("egress_3 ip protocol 112 ip saddr 192.0.2.1") < at("egress_3 ip saddr vmap"));
    assert!(at("timeout 300ms; elements = { 3 timeout 301ms expires 301ms }") < accepted);
    assert!(at("ether daddr vmap { 00:00:5e:00:01:01 : jump in_v4_3_1 }") > accepted);
}

#[test]
fn a_set_names_its_virtual_router_and_other_sets_name_none() {
    let ipv6 = LeaseKey { family: Family::Ipv6, ..key(255) };
    for wanted in [key(1), ipv6] {
        assert_eq!(LeaseKey::of_set(&wanted.name()), Some(wanted));
    }
    for other in ["__map0", "v4", "v4_3", "v4_3_0", "v4_3_256", "v5_3_1", "v4_x_1", "v4_3_1_1"] {
        assert_eq!(LeaseKey::of_set(other), None, "{other}");
    }
}
