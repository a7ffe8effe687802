use api_types::channel::DesiredGroup;
use api_types::check::{Track, Weight};
use api_types::protocol::{MacMode, ProtocolOptions};
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

use super::*;

struct Lab {
    arp_ignore: u32,
    owned: Vec<IpAddr>,
    has_nft: bool,
}

impl Host for Lab {
    fn owns(&self, interface: &str, addresses: &[IpAddr]) -> Option<bool> {
        (interface != "missing").then(|| addresses.iter().all(|address| self.owned.contains(address)))
    }

    fn has_nft(&self) -> bool {
        self.has_nft
    }

    fn arp_ignore(&self, interface: &str) -> Option<u32> {
        (interface != "missing").then_some(self.arp_ignore)
    }
}

const LAB: Lab = Lab { arp_ignore: 0, owned: Vec::new(), has_nft: true };

fn group(number: u8) -> DesiredGroup {
    DesiredGroup {
        id: Uuid::from_u128(number.into()),
        name: format!("g{number}").parse().unwrap(),
        generation: 1,
        interface: "eth0".to_owned(),
        family: Family::Ipv4,
        vrid: Vrid::new(number).unwrap(),
        version: Version::V3,
        advertisement_interval_ms: AdvertisementInterval::DEFAULT_V3,
        preempt_mode: true,
        checksum: api_types::group::Checksum::Auto,
        virtual_addresses: vec![format!("192.0.2.{number}/24").parse().unwrap()],
        priority: Priority::new(240).unwrap(),
        peers: Vec::new(),
        options: ProtocolOptions::default(),
        drained: false,
        track: Vec::new(),
        sync_group: None,
        pre_active: None,
        hooks: Vec::new(),
    }
}

fn details(groups: &[DesiredGroup], host: &Lab) -> Vec<String> {
    check(groups, host, &Policy::default())
        .expect_err("refused")
        .into_iter()
        .map(|reason| reason.detail)
        .collect()
}

fn running(groups: &[DesiredGroup]) -> Vec<Running<'_>> {
    let run = |(handle, desired)| Running { handle, desired, leaving: false };
    groups.iter().enumerate().map(run).collect()
}

#[test]
fn groups_that_differ_in_vrid_and_addresses_are_taken() {
    assert_eq!(check(&[group(1), group(2)], &LAB, &Policy::default()), Ok(()));
}

#[test]
fn one_virtual_router_cannot_be_two_groups() {
    let twin = DesiredGroup { id: Uuid::from_u128(9), name: "twin".parse().unwrap(), ..group(1) };
    let reasons = check(&[group(1), twin], &LAB, &Policy::default()).expect_err("refused");
    assert!(reasons.iter().all(|reason| reason.group.as_deref() == Some("twin")));
    let details: Vec<_> = reasons.into_iter().map(|reason| reason.detail).collect();
    assert_eq!(
        details,
        [
            "vrid: 1 on eth0 (ipv4) is used by group g1 too",
            "virtual_addresses: 192.0.2.1/24 is an address of group g1 too",
        ]
    );
}

#[test]
fn the_same_vrid_on_another_interface_is_another_virtual_router() {
    let elsewhere = DesiredGroup { interface: "eth1".to_owned(), id: Uuid::from_u128(9), ..group(1) };
    assert_eq!(check(&[group(1), elsewhere], &LAB, &Policy::default()), Ok(()));
}

#[test]
fn what_this_agent_cannot_run_is_refused() {
    let ipv6 = DesiredGroup { family: Family::Ipv6, ..group(1) };
    let v2 = DesiredGroup { version: Version::V2, ..group(2) };
    let empty = DesiredGroup { virtual_addresses: Vec::new(), ..group(3) };
    let path = DesiredGroup { interface: "../all".to_owned(), ..group(4) };
    let virtual_mac = ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() };
    let owner = DesiredGroup { options: virtual_mac, priority: Priority::OWNER, ..group(5) };
    assert_eq!(
        details(&[ipv6, v2, empty, path, owner], &LAB),
        [
            "addresses: virtual address 192.0.2.1 is not ipv6: allowed are addresses of the group's family",
            "interval: the interval does not fit the version: 100 ms is not a version 2 interval: allowed are multiples \
             of 1000 from 1000 to 255000",
            "addresses: no virtual address: allowed are 1 to 1000",
            "interface: \"../all\" is no name of an interface: allowed are 1 to 15 characters without / and white \
             space",
            "mac_mode: an owner's addresses are its interface's own and answer from that interface's MAC address: \
             allowed is interface",
        ]
    );
}

#[test]
fn an_owner_must_have_its_addresses_unless_its_interface_is_still_missing() {
    let owner = DesiredGroup { priority: Priority::OWNER, ..group(1) };
    assert_eq!(details(std::slice::from_ref(&owner), &LAB).len(), 1);
    let having = Lab { arp_ignore: 0, owned: vec!["192.0.2.1".parse().unwrap()], has_nft: true };
    assert_eq!(check(std::slice::from_ref(&owner), &having, &Policy::default()), Ok(()));
    let missing = DesiredGroup { interface: "missing".to_owned(), ..owner };
    assert_eq!(check(&[missing], &LAB, &Policy::default()), Ok(()));
}

#[test]
fn an_interface_that_would_not_answer_is_refused() {
    assert_eq!(
        check(&[group(1)], &Lab { arp_ignore: 1, owned: Vec::new(), has_nft: true }, &Policy::default()),
        Ok(())
    );
    let details = details(&[group(1)], &Lab { arp_ignore: 2, owned: Vec::new(), has_nft: true });
    assert!(details[0].starts_with("interface: arp_ignore of eth0 is 2"), "{details:?}");
}

#[test]
fn an_unchanged_group_is_not_touched() {
    let groups = [group(1), group(2)];
    assert_eq!(plan(&running(&groups), groups.to_vec()), Plan::default());
}

#[test]
fn settings_change_while_the_group_runs() {
    let groups = [group(1)];
    let changed = DesiredGroup { priority: Priority::new(100).unwrap(), generation: 2, ..group(1) };
    let expected = Plan { change: vec![(0, changed.clone())], ..Plan::default() };
    assert_eq!(plan(&running(&groups), vec![changed]), expected);
}

#[test]
fn a_group_that_is_gone_hands_over() {
    let groups = [group(1), group(2)];
    let expected = Plan { leave: vec![(0, Departure::Removed)], ..Plan::default() };
    assert_eq!(plan(&running(&groups), vec![group(2)]), expected);
}

#[test]
fn another_vrid_is_another_virtual_router() {
    let groups = [group(1)];
    let moved = DesiredGroup { vrid: Vrid::new(77).unwrap(), ..group(1) };
    let expected =
        Plan { leave: vec![(0, Departure::Reconfigured)], start: vec![moved.clone()], ..Plan::default() };
    assert_eq!(plan(&running(&groups), vec![moved]), expected);
}

#[test]
fn a_new_group_takes_the_place_of_an_old_one_on_the_wire() {
    let groups = [group(1)];
    let new = DesiredGroup { id: Uuid::from_u128(99), name: "new".parse().unwrap(), ..group(1) };
    let expected = Plan { change: vec![(0, new.clone())], ..Plan::default() };
    assert_eq!(plan(&running(&groups), vec![new]), expected);
}

#[test]
fn an_owner_stays_the_same_virtual_router() {
    let owner = DesiredGroup { priority: Priority::OWNER, ..group(1) };
    for (old, new) in [(group(1), owner.clone()), (owner, group(1))] {
        let expected = Plan { change: vec![(0, new.clone())], ..Plan::default() };
        assert_eq!(plan(&running(&[old]), vec![new]), expected);
    }
}

#[test]
fn a_group_that_comes_back_while_it_leaves_begins_anew() {
    let desired = group(1);
    let leaving = [Running { handle: 0, desired: &desired, leaving: true }];
    let expected =
        Plan { leave_at_once: vec![(0, Departure::Reconfigured)], start: vec![group(1)], ..Plan::default() };
    assert_eq!(plan(&leaving, vec![group(1)]), expected);
}

#[test]
fn packets_can_be_shut_out_only_with_nftables_and_an_owner_never_does() {
    let shut = ProtocolOptions { accept_mode: false, ..ProtocolOptions::default() };
    let shut = DesiredGroup { options: shut, ..group(1) };
    assert_eq!(check(std::slice::from_ref(&shut), &LAB, &Policy::default()), Ok(()));
    let bare = Lab { has_nft: false, owned: vec!["192.0.2.1".parse().unwrap()], ..LAB };
    assert_eq!(
        details(std::slice::from_ref(&shut), &bare),
        ["accept_mode: false needs nftables, and this host has no nft: allowed is true"]
    );
    assert_eq!(
        check(&[DesiredGroup { priority: Priority::OWNER, ..shut }], &bare, &Policy::default()),
        Ok(())
    );
}

#[test]
fn what_the_policy_of_the_host_does_not_allow_is_refused_field_by_field_and_nothing_of_the_state_runs() {
    let policy: Policy = toml::from_str("interfaces = [\"eth1\"]\nvrids = [\"2-9\"]\n").expect("a policy");
    let allowed = DesiredGroup { interface: "eth1".to_owned(), ..group(2) };
    assert_eq!(check(std::slice::from_ref(&allowed), &LAB, &policy), Ok(()));
    let reasons = check(&[allowed, group(1)], &LAB, &policy).expect_err("refused");
    let reasons: Vec<_> =
        reasons.iter().map(|reason| (reason.group.as_deref(), reason.detail.as_str())).collect();
    assert_eq!(
        reasons,
        [
            (Some("g1"), "interface: the policy of this host does not allow eth0: allowed is eth1"),
            (Some("g1"), "vrid: the policy of this host does not allow 1: allowed is 2-9"),
        ]
    );
}

#[test]
fn an_owner_tracks_nothing() {
    let nginx = "nginx".parse().expect("a name");
    let track = vec![Track { check: nginx, weight: Weight::default(), reverse: false }];
    let owner = DesiredGroup { track, priority: Priority::OWNER, ..group(1) };
    let having = Lab { arp_ignore: 0, owned: vec!["192.0.2.1".parse().unwrap()], has_nft: true };
    let reasons = check(&[owner], &having, &Policy::default()).expect_err("refused");
    assert!(reasons[0].detail.starts_with("track: an owner's priority"), "{reasons:?}");
}
