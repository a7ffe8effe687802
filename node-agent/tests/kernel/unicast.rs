//! Advertisements to each peer alone.

use std::net::IpAddr;

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::protocol::{ProtocolOptions, Transport};
use api_types::transition::{State, TransitionReason};
use vrrp::{Family, Priority};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::router::{Router, VIP, group};
use crate::wire::{Capture, advertisement_from_2, send_from_2};

fn peer(address: &str) -> DesiredPeer {
    DesiredPeer {
        name: format!("peer-{}", address.replace([':', '.'], "-")).parse().expect("a name"),
        address: Some(address.parse().expect("an address")),
        priority: Priority::MIN,
        external: false,
    }
}

fn unicast(priority: u8, peers: &[&str], max_hops: i64) -> DesiredGroup {
    let options = ProtocolOptions {
        transport: Transport::Unicast,
        max_hops: max_hops.try_into().expect("a number of hops"),
        ..ProtocolOptions::default()
    };
    DesiredGroup { options, peers: peers.iter().map(|address| peer(address)).collect(), ..group(priority) }
}

fn obeys(router: &Router, source: &str) {
    let source: IpAddr = source.parse().expect("an address");
    eventually(
        "it is obeyed",
        || router.group().and_then(|group| group.active_source),
        |heard| *heard == Some(source),
    );
}

#[test]
fn two_peers_elect_and_hand_over_without_a_word_to_the_lan() {
    let lab = Lab::new(2);
    let capture = Capture::start(&lab, 2, "proto 112");
    let better = Router::running(&lab, 1, unicast(240, &["10.66.0.2"], 0));
    let other = Router::running(&lab, 2, unicast(200, &["10.66.0.1"], 0));
    better.reaches(State::Active, 1);
    obeys(&other, &own_address(1));
    assert!(lab.has(1, VIP) && !lab.has(2, VIP));
    let words = [
        "02:00:00:00:00:01 > 02:00:00:00:00:02",
        "tos 0xc0, ttl 255",
        "10.66.0.1 > 10.66.0.2: VRRPv3",
        "prio 240",
    ];
    capture.sees(3, &words);

    let before = other.transitions().iter().filter(|transition| transition.to == State::Active).count();
    better.stop();
    assert_eq!(other.reaches(State::Active, before + 1).reason, TransitionReason::PriorityZero);
    eventually("the other holds", || (lab.has(1, VIP), lab.has(2, VIP)), |holders| *holders == (false, true));
    assert!(capture.with(&["224.0.0.18"]).is_empty() && capture.with(&["bad vrrp cksum"]).is_empty());
}

#[test]
fn a_router_that_is_no_peer_is_not_heard_and_is_counted() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, unicast(200, &["10.66.0.3"], 0));
    router.reaches(State::Active, 1);
    send_from_2(&lab, 255, &advertisement_from_2());
    eventually("it is counted", || router.dropped("peer"), |dropped| *dropped == 1);
    assert_eq!(router.transitions().last().map(|transition| transition.to), Some(State::Active));
}

#[test]
fn a_peer_that_is_a_router_away_is_heard_only_where_the_group_allows_it() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, unicast(200, &["10.66.0.2"], 0));
    router.reaches(State::Active, 1);
    send_from_2(&lab, 254, &advertisement_from_2());
    eventually("it is counted", || router.dropped("ttl"), |dropped| *dropped == 1);

    router.apply(2, vec![unicast(200, &["10.66.0.2"], 1)]);
    send_from_2(&lab, 253, &advertisement_from_2());
    eventually("two routers away is counted too", || router.dropped("ttl"), |dropped| *dropped == 2);
    assert_eq!(router.group().map(|group| group.state), Some(State::Active));
    send_from_2(&lab, 254, &advertisement_from_2());
    assert_eq!(router.reaches(State::Backup, 2).reason, TransitionReason::HigherPriorityHeard);
}

#[test]
fn peers_speak_ipv6_from_link_local_to_link_local() {
    let lab = Lab::new(2);
    for host in 1..=2 {
        lab.ip(host, &["address", "add", &format!("fe80::{host}/64"), "dev", "eth0", "nodad"]);
    }
    let ipv6 = |priority, peer| {
        let virtual_addresses = vec!["fe80::51/64".parse().expect("an address")];
        DesiredGroup { family: Family::Ipv6, virtual_addresses, ..unicast(priority, &[peer], 0) }
    };
    let capture = Capture::start(&lab, 2, "ip6 proto 112");
    let better = Router::running(&lab, 1, ipv6(240, "fe80::2"));
    let other = Router::running(&lab, 2, ipv6(200, "fe80::1"));
    better.reaches(State::Active, 1);
    obeys(&other, "fe80::1");
    capture.sees(3, &["class 0xc0", "hlim 255", "fe80::1 > fe80::2", "VRRPv3", "prio 240"]);
}

#[test]
fn a_group_without_another_member_is_refused() {
    let lab = Lab::new(1);
    let router = Router::start(&lab, 1);
    let answer = format!("{:?}", router.apply(1, vec![unicast(200, &[], 0)]));
    assert!(answer.contains("unicast needs another member"), "{answer}");
}
