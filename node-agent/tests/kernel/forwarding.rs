//! Gateways: routers that forward what hosts send to the virtual router's MAC address, and groups that share
//! an interface.

use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::State;
use uuid::Uuid;
use vrrp::{Family, Vrid};

use crate::eventually::eventually;
use crate::lab::Lab;
use crate::pinger::Pinger;
use crate::router::{LINK_LOCAL, Router, VIP, group, group_ipv6};

fn virtual_mac(accept_mode: bool) -> ProtocolOptions {
    ProtocolOptions { accept_mode, mac_mode: MacMode::Virtual, ..ProtocolOptions::default() }
}

/// A gateway over either family, that takes nothing for itself.
fn gateways(priority: u8) -> Vec<DesiredGroup> {
    let ipv6 = DesiredGroup {
        id: Uuid::from_u128(66),
        name: "web6".parse().expect("a name"),
        options: virtual_mac(false),
        ..group_ipv6(priority)
    };
    vec![DesiredGroup { options: virtual_mac(false), ..group(priority) }, ipv6]
}

#[test]
fn frames_to_the_virtual_mac_address_are_forwarded_by_whoever_is_active() {
    // Hosts 1 and 2 are the routers. Host 3 sends through them to a network behind host 4, and knows of them
    // nothing but the two MAC addresses of the standard.
    let lab = Lab::with_ipv6(4);
    for (network, behind, next_hop, through, mac) in [
        ("10.77.0.0/24", "10.77.0.1/32", "10.66.0.4", VIP, "00:00:5e:00:01:33"),
        ("2001:db8:77::/64", "2001:db8:77::1/128", "2001:db8:66::4", LINK_LOCAL, "00:00:5e:00:02:33"),
    ] {
        for router in [1, 2] {
            lab.ip(router, &["route", "add", network, "via", next_hop]);
        }
        lab.ip(4, &["address", "add", behind, "dev", "lo"]);
        lab.ip(3, &["route", "add", network, "via", through, "dev", "eth0", "onlink"]);
        lab.ip(3, &["neighbour", "add", through, "lladdr", mac, "nud", "permanent", "dev", "eth0"]);
    }
    let one = Router::start(&lab, 1);
    let two = Router::start(&lab, 2);
    lab.let_forward(1);
    lab.let_forward(2);
    one.apply(1, gateways(200));
    one.reaches(State::Active, 2);
    let pingers = ["10.77.0.1", "2001:db8:77::1"].map(|behind| Pinger::start(&lab, 3, behind, 0));
    pingers[0].asks(60);
    two.apply(1, gateways(240));
    two.reaches(State::Active, 2);
    one.reaches(State::Backup, 4);
    pingers[0].asks(60);
    two.stop();
    one.reaches(State::Active, 4);
    pingers[0].asks(60);
    for pinger in pingers {
        let outcome = pinger.finish();
        eprintln!("{} echo requests, {} lost: {:?}", outcome.sent, outcome.lost.len(), outcome.lost);
        assert!(outcome.lost.is_empty() && outcome.sent > 150, "{outcome:?}");
    }
}

/// A setting of one of host 1's interfaces.
fn setting(lab: &Lab, family: Family, name: &str) -> String {
    let path = format!("/proc/sys/net/{}/conf/{name}", family.to_string().to_lowercase());
    lab.inside(1, || std::fs::read_to_string(path)).expect("a sysctl").trim().to_owned()
}

fn set(lab: &Lab, family: &str, name: &str, value: &str) {
    lab.inside(1, || std::fs::write(format!("/proc/sys/net/{family}/conf/{name}"), value)).expect("a sysctl");
}

/// The name of host 1's macvlan for VRID 51.
fn macvlan(lab: &Lab, family: Family) -> String {
    format!("bv{}-{:x}-33", if family == Family::Ipv4 { 4 } else { 6 }, lab.scope(1))
}

#[test]
fn a_macvlan_forwards_where_its_interface_does_whatever_the_default_is() {
    for (below, default) in [("1", "0"), ("0", "1")] {
        let lab = Lab::with_ipv6(4);
        // What is not said of every interface says nothing of those that come later.
        for family in ["ipv4", "ipv6"] {
            set(&lab, family, "default/forwarding", default);
            set(&lab, family, "eth0/forwarding", below);
        }
        lab.ip(1, &["route", "add", "10.77.0.0/24", "via", "10.66.0.4"]);
        lab.ip(4, &["address", "add", "10.77.0.1/32", "dev", "lo"]);
        lab.ip(3, &["route", "add", "10.77.0.0/24", "via", VIP, "dev", "eth0", "onlink"]);
        let router = Router::start(&lab, 1);
        router.apply(1, gateways(240));
        router.reaches(State::Active, 2);
        for family in [Family::Ipv4, Family::Ipv6] {
            let forwarding = format!("{}/forwarding", macvlan(&lab, family));
            assert_eq!(setting(&lab, family, &forwarding), below, "{family}");
        }
        let accept_ra = format!("{}/accept_ra", macvlan(&lab, Family::Ipv6));
        assert_eq!(setting(&lab, Family::Ipv6, &accept_ra), "0");
        let pinger = Pinger::start(&lab, 3, "10.77.0.1", 0);
        pinger.asks(40);
        let outcome = pinger.finish();
        let lost = if below == "1" { 0 } else { usize::from(outcome.sent) };
        assert_eq!(outcome.lost.len(), lost, "{outcome:?}");
    }
}

const VRIDS: [u8; 2] = [51, 52];
const ADDRESSES: u8 = 10;

/// Groups of both families with two VRIDs and as many MAC addresses; those with VRID 52 take nothing for
/// themselves.
fn crowd(priority: u8) -> Vec<DesiredGroup> {
    let of = |family, vrid| DesiredGroup {
        id: Uuid::from_u128(u128::from(vrid) * 10 + u128::from(family == Family::Ipv6)),
        name: format!("{family}-{vrid}").to_lowercase().parse().expect("a name"),
        family,
        vrid: Vrid::new(vrid).expect("a VRID"),
        virtual_addresses: addresses(family, vrid)
            .iter()
            .map(|address| format!("{address}/{}", if address.is_ipv4() { 16 } else { 64 }))
            .map(|text| text.parse().expect("an address"))
            .collect(),
        options: virtual_mac(vrid == VRIDS[0]),
        ..group(priority)
    };
    VRIDS.iter().flat_map(|&vrid| [of(Family::Ipv4, vrid), of(Family::Ipv6, vrid)]).collect()
}

fn addresses(family: Family, vrid: u8) -> Vec<IpAddr> {
    let text = |index: u8| match (family, index) {
        (Family::Ipv4, _) => format!("10.66.{vrid}.{}", index + 1),
        (Family::Ipv6, 0) => format!("fe80::{vrid}"),
        (Family::Ipv6, _) => format!("2001:db8:66::{vrid}:{index}"),
    };
    (0..ADDRESSES).map(|index| text(index).parse().expect("an address")).collect()
}

/// Each address with the MAC address that host 3 has for it; those that it has asked for.
fn neighbours(lab: &Lab) -> Vec<(IpAddr, String)> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        Some((address, words.skip_while(|word| *word != "lladdr").nth(1)?.to_owned()))
    };
    lab.ip(3, &["neighbour", "show", "dev", "eth0"]).lines().filter_map(parse).collect()
}

#[test]
fn groups_of_both_families_share_an_interface_each_with_a_mac_address_of_its_own() {
    let lab = Lab::with_ipv6(3);
    let one = Router::start(&lab, 1);
    one.apply(1, crowd(200));
    one.reaches(State::Active, 4);
    let wanted: Vec<_> = VRIDS
        .iter()
        .flat_map(|&vrid| [(Family::Ipv4, 1, vrid), (Family::Ipv6, 2, vrid)])
        .flat_map(|(family, number, vrid)| {
            let mac = format!("00:00:5e:00:{number:02x}:{vrid:02x}");
            addresses(family, vrid).into_iter().map(move |address| (address, mac.clone()))
        })
        .collect();
    let scope = lab.scope(3);
    let asked = wanted.clone();
    lab.inside(3, || {
        for (address, _) in &asked {
            let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let scope = if address.to_string().starts_with("fe80") { scope } else { 0 };
            let to: SocketAddr = match *address {
                IpAddr::V4(address) => (address, 9).into(),
                IpAddr::V6(address) => SocketAddrV6::new(address, 9, 0, scope).into(),
            };
            UdpSocket::bind(local).and_then(|socket| socket.send_to(b"who are you", to)).expect("sent");
        }
    });
    let all_known = |known: &Vec<_>| wanted.iter().all(|wanted| known.contains(wanted));
    eventually("each address has its router's MAC address", || neighbours(&lab), all_known);

    let answering = wanted.iter().map(|(address, _)| address.to_string());
    let answering = answering.filter(|address| !address.contains("52"));
    let pingers: Vec<_> = answering
        .map(|address| Pinger::start(&lab, 3, &address, if address.starts_with("fe80") { scope } else { 0 }))
        .collect();
    pingers[0].asks(40);
    let two = Router::start(&lab, 2);
    two.apply(1, crowd(240));
    two.reaches(State::Active, 4);
    one.reaches(State::Backup, 8);
    pingers[0].asks(40);
    two.stop();
    one.reaches(State::Active, 8);
    pingers[0].asks(40);
    let outcomes: Vec<_> = pingers.into_iter().map(Pinger::finish).collect();
    assert_eq!(outcomes.len(), 2 * usize::from(ADDRESSES));
    for outcome in &outcomes {
        eprintln!("{} echo requests, {} lost: {:?}", outcome.sent, outcome.lost.len(), outcome.lost);
    }
    assert!(outcomes.iter().all(|outcome| outcome.lost.is_empty()), "{outcomes:?}");
    assert!(all_known(&neighbours(&lab)), "and they are what they were: {:?}", neighbours(&lab));
    let shut = Pinger::start(&lab, 3, "10.66.52.1", 0);
    shut.asks(10);
    let outcome = shut.finish();
    assert_eq!(outcome.lost.len(), usize::from(outcome.sent), "{outcome:?}");
}
