//! What a Backup does not say and does not take: RFC 9568 §6.4.2.

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::State;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Version};

use crate::lab::Lab;
use crate::macvlan;
use crate::pinger::Pinger;
use crate::router::{GLOBAL, LINK_LOCAL, Router, VIP, group, group_ipv6};
use crate::wire::Capture;

const MAC_V4: &str = "00:00:5e:00:01:33";
const MAC_V6: &str = "00:00:5e:00:02:33";
/// The own MAC address of host 1.
const OWN_MAC: &str = "02:00:00:00:00:01";
/// What lies behind host 1.
const BEHIND: [&str; 2] = ["10.77.0.1", "2001:db8:77::1"];

/// One group of each family.
fn groups(mac_mode: MacMode, interval_ms: u32) -> Vec<DesiredGroup> {
    let interval = AdvertisementInterval::from_millis(Version::V3, interval_ms).expect("an interval");
    let set = |group| DesiredGroup {
        options: ProtocolOptions { mac_mode, ..ProtocolOptions::default() },
        advertisement_interval_ms: interval,
        ..group
    };
    let ipv6 =
        DesiredGroup { id: Uuid::from_u128(66), name: "web6".parse().expect("a name"), ..group_ipv6(240) };
    vec![set(group(240)), set(ipv6)]
}

/// Host 1 as Backup of both groups, which waits two minutes before it takes over.
fn backup(lab: &Lab, mac_mode: MacMode) -> Router {
    let router = Router::start(lab, 1);
    router.apply(1, groups(mac_mode, 40_000));
    router.reaches(State::Backup, 2);
    if mac_mode == MacMode::Virtual {
        macvlan::are_made(lab, 1, 2);
    }
    router
}

/// Makes the Backup of [`backup`] the Active router.
fn becomes_active(router: &Router, mac_mode: MacMode) {
    router.apply(2, Vec::new());
    router.reaches(State::Initialize, 2);
    router.apply(3, groups(mac_mode, 100));
    router.reaches(State::Active, 2);
}

/// Which of these addresses answer every echo request of host 2, and which answer none.
fn answers(lab: &Lab, addresses: &[&'static str]) -> (Vec<&'static str>, Vec<&'static str>) {
    let scope = |address: &str| if address.starts_with("fe80") { lab.scope(2) } else { 0 };
    let pingers: Vec<_> =
        addresses.iter().map(|address| (*address, Pinger::start(lab, 2, address, scope(address)))).collect();
    pingers.iter().for_each(|(_, pinger)| pinger.asks(10));
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let finish =
            |(address, pinger): (&'static str, Pinger)| scope.spawn(move || (address, pinger.finish()));
        let finishing: Vec<_> = pingers.into_iter().map(finish).collect();
        finishing.into_iter().map(|one| one.join().expect("it finishes")).collect()
    });
    let which = |wanted: fn(usize, usize) -> bool| {
        let fits = outcomes.iter().filter(|(_, outcome)| wanted(outcome.lost.len(), outcome.sent.into()));
        fits.map(|(address, _)| *address).collect()
    };
    (which(|lost, _| lost == 0), which(|lost, sent| lost == sent))
}

#[test]
fn a_backup_answers_neither_arp_nor_solicitations_for_the_addresses_while_nobody_holds_them() {
    const ADDRESSES: [&str; 3] = [VIP, GLOBAL, LINK_LOCAL];
    const OWN: [&str; 3] = ["10.66.0.1", "2001:db8:66::1", "fe80::1"];
    for mac_mode in [MacMode::Interface, MacMode::Virtual] {
        let lab = Lab::with_ipv6(2);
        let capture = Capture::start(&lab, 2, "arp or icmp6");
        let router = backup(&lab, mac_mode);
        // It answers for its own alone.
        let asked = [OWN, ADDRESSES].concat();
        assert_eq!(answers(&lab, &asked), (OWN.to_vec(), ADDRESSES.to_vec()));
        capture.sees(1, &[&format!("Request who-has {VIP} tell 10.66.0.2")]);
        for address in [GLOBAL, LINK_LOCAL] {
            capture.sees(1, &["neighbor solicitation", &format!("who has {address}")]);
        }
        let said = |address: &str, words: [String; 2]| {
            assert!(
                words.iter().all(|word| capture.with(&[word]).is_empty()),
                "{address}: {:#?}",
                capture.lines()
            );
        };
        said(VIP, [format!("Reply {VIP}"), format!("who-has {VIP} tell {VIP}")]);
        for address in [GLOBAL, LINK_LOCAL] {
            said(address, [format!("tgt is {address},"), format!("{address} > ")]);
        }
        becomes_active(&router, mac_mode);
        lab.ip(2, &["neighbour", "flush", "dev", "eth0"]);
        lab.ip(2, &["-6", "neighbour", "flush", "dev", "eth0"]);
        assert_eq!(answers(&lab, &ADDRESSES).0, ADDRESSES);
        capture.sees(1, &[&format!("Reply {VIP} is-at")]);
        capture.sees(1, &[&format!("tgt is {GLOBAL}, Flags [solicited")]);
    }
}

#[test]
fn a_backup_takes_nothing_for_the_addresses_and_forwards_nothing_for_the_virtual_mac_address() {
    const ADDRESSES: [&str; 3] = [VIP, GLOBAL, LINK_LOCAL];
    let lab = Lab::with_ipv6(3);
    lab.let_forward(1);
    for (network, behind, next_hop, through) in [
        ("10.77.0.0/24", "10.77.0.1/32", "10.66.0.3", VIP),
        ("2001:db8:77::/64", "2001:db8:77::1/128", "2001:db8:66::3", LINK_LOCAL),
    ] {
        lab.ip(1, &["route", "add", network, "via", next_hop]);
        lab.ip(3, &["address", "add", behind, "dev", "lo"]);
        lab.ip(2, &["route", "add", network, "via", through, "dev", "eth0", "onlink"]);
    }
    let send_to = |macs: [&str; 2]| {
        for (address, mac) in [(VIP, macs[0]), (GLOBAL, macs[1]), (LINK_LOCAL, macs[1])] {
            let entry = ["neighbour", "replace", address, "lladdr", mac, "nud", "permanent", "dev", "eth0"];
            lab.ip(2, &entry);
        }
    };
    let all = [&ADDRESSES[..], &BEHIND[..]].concat();
    let router = backup(&lab, MacMode::Virtual);
    send_to([OWN_MAC; 2]);
    assert_eq!(answers(&lab, &all), (BEHIND.to_vec(), ADDRESSES.to_vec()), "at its own MAC address");
    let capture = Capture::start(&lab, 3, &format!("dst host {} or dst host {}", BEHIND[0], BEHIND[1]));
    send_to([MAC_V4, MAC_V6]);
    assert_eq!(answers(&lab, &all), (vec![], all.clone()), "at the virtual one");
    becomes_active(&router, MacMode::Virtual);
    let forwarded = |line: &&crate::wire::Line| line.text.contains(&format!("{OWN_MAC} > 02:00:00:00:00:03"));
    assert_eq!(capture.lines().iter().filter(forwarded).count(), 0, "{:#?}", capture.lines());
    assert_eq!(answers(&lab, &all), (all.clone(), vec![]));
}
