//! An Active member whose group changes how it works on the host and on the wire.

use std::time::Duration;

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::protocol::{MacMode, ProtocolOptions, Transport};
use api_types::transition::{State, TransitionReason};
use vrrp::{AdvertisementInterval, Priority, Version};

use crate::eventually::eventually;
use crate::lab::Lab;
use crate::pinger::{Outcome, Pinger};
use crate::router::{Router, VIP, group};
use crate::wire::Capture;

const INTERFACE: MacMode = MacMode::Interface;
const VIRTUAL: MacMode = MacMode::Virtual;

fn in_mode(mac_mode: MacMode, accept_mode: bool, transport: Transport) -> DesiredGroup {
    let peer = DesiredPeer {
        name: "other".parse().expect("a name"),
        address: Some("10.66.0.2".parse().expect("an address")),
        priority: Priority::MIN,
        external: false,
    };
    let options = ProtocolOptions { mac_mode, accept_mode, transport, ..ProtocolOptions::default() };
    DesiredGroup { options, peers: vec![peer], ..group(240) }
}

fn rules(lab: &Lab) -> String {
    let arguments = ["netns", "exec", &lab.host(1), "nft", "list", "ruleset", "inet"];
    let listed = std::process::Command::new("ip").args(arguments).output().expect("nft runs");
    String::from_utf8(listed.stdout).expect("text")
}

/// What the host has beside the addresses of its interface: macvlans, rules, how it answers and asks by ARP.
fn traces(lab: &Lab) -> (String, String, String) {
    let arp = lab.inside(1, || {
        ["arp_ignore", "arp_announce"].map(|name| {
            std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/eth0/{name}")).expect("a sysctl")
        })
    });
    (lab.ip(1, &["-o", "link", "show", "type", "macvlan"]), rules(lab), arp.concat())
}

fn longest_gap(outcome: &Outcome) -> Duration {
    let longest = outcome.lost.chunk_by(|one, next| next - one == 1).map(<[u16]>::len).max();
    Duration::from_millis(5) * u32::try_from(longest.unwrap_or_default()).expect("a number")
}

#[test]
fn every_change_of_mode_keeps_the_member_active_and_the_last_leaves_no_trace_of_those_before() {
    let lab = Lab::new(2);
    lab.inside(1, || std::fs::write("/proc/sys/net/ipv4/conf/eth0/arp_announce", "1")).expect("a sysctl");
    let untouched = traces(&lab);
    let router = Router::running(&lab, 1, in_mode(INTERFACE, true, Transport::Multicast));
    router.reaches(State::Active, 1);
    let capture = Capture::start(&lab, 2, "arp");
    let changes = [
        (VIRTUAL, true, Transport::Multicast),
        (VIRTUAL, false, Transport::Multicast),
        (INTERFACE, false, Transport::Multicast),
        (INTERFACE, false, Transport::Unicast),
        (INTERFACE, true, Transport::Unicast),
        (INTERFACE, true, Transport::Multicast),
        (VIRTUAL, true, Transport::Unicast),
        (INTERFACE, true, Transport::Multicast),
        (VIRTUAL, false, Transport::Multicast),
        (INTERFACE, true, Transport::Unicast),
        (INTERFACE, true, Transport::Multicast),
    ];
    let (mut accepted, mut answered_from) = (true, INTERFACE);
    for (counter, (mac_mode, accept_mode, transport)) in (2..).zip(changes) {
        let mac = if mac_mode == VIRTUAL { "00:00:5e:00:01:33" } else { "02:00:00:00:00:01" };
        let announcement = [&format!("{mac} > ff:ff:ff:ff:ff:ff"), "Reply 10.66.1.51 is-at"];
        let announced = capture.with(&announcement).len();
        let pinger = (accepted && accept_mode).then(|| Pinger::start(&lab, 2, VIP, 0));
        pinger.iter().for_each(|pinger| pinger.asks(20));
        router.apply(counter, vec![in_mode(mac_mode, accept_mode, transport)]);
        let wanted = (mac_mode == INTERFACE, !accept_mode);
        let found = || {
            let (macvlans, rules, _) = traces(&lab);
            (macvlans.is_empty() && lab.has(1, VIP), rules.contains(VIP))
        };
        eventually("it has changed", found, |found| *found == wanted);
        if mac_mode != answered_from {
            capture.sees(announced + 2, &announcement);
        }
        let neighbour = || lab.ip(2, &["neighbour", "show", VIP]);
        eventually("it is learnt", neighbour, |entry| entry.is_empty() || entry.contains(mac));
        if let Some(pinger) = pinger {
            pinger.asks(40);
            let outcome = pinger.finish();
            let gap = longest_gap(&outcome);
            eprintln!("{mac_mode:?} {accept_mode} {transport:?}: silent for {gap:?}");
            // A neighbour that has to learn another MAC address has learnt it from the first repeats.
            assert!(gap <= Duration::from_millis(100), "{outcome:?}");
        }
        (accepted, answered_from) = (accept_mode, mac_mode);
    }
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
    assert_eq!(traces(&lab), untouched);
    router.stop();
    assert_eq!(traces(&lab), untouched);
}

#[test]
fn another_version_is_another_virtual_router_that_takes_over_after_its_own_active_down_interval() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let version_2 = DesiredGroup {
        version: Version::V2,
        advertisement_interval_ms: AdvertisementInterval::DEFAULT_V2,
        ..group(240)
    };
    // Active_Down_Interval: three intervals and a skew of 16/256 of one.
    for (desired, times, interval) in [(version_2, 2, 1_000), (group(240), 3, 100)] {
        router.apply(times.try_into().expect("a number"), vec![desired]);
        let ended = router.reaches(State::Initialize, times - 1);
        assert_eq!(ended.reason, TransitionReason::Reconfigured);
        eventually("the address is released", || lab.has(1, VIP), |has| !has);
        let begun = router.reaches(State::Active, times);
        let gap = Duration::from_nanos(begun.at_boottime_ns - ended.at_boottime_ns);
        eprintln!("silent for {gap:?}");
        let stated = Duration::from_millis(interval) * 784 / 256;
        assert!(gap >= stated && gap <= stated + Duration::from_secs(1), "{gap:?}");
        assert!(lab.has(1, VIP));
    }
}
