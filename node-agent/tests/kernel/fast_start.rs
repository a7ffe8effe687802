//! A new group that every member runs and nobody holds begins at once, unless somebody is heard or answers.

mod standstill;

use std::net::UdpSocket;
use std::time::Duration;

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::{State, TransitionReason};
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::router::{GLOBAL, Router, VIP, group, group_ipv6};
use crate::wire::{Capture, advertisement_from_2, send_from_2};

/// Active_Down_Interval at 1 s with priority 240 is 3,062 ms. A fast start should take some 40 ms.
const INTERVAL_MS: u32 = 1_000;
const BOUND: Duration = Duration::from_secs(2);
/// How long a token is valid.
const VALID: Duration = Duration::from_secs(1);

/// The group that VRID 51, 52 and so on name, as host 1 runs it beside host 2 with priority 200.
fn first(vrid: u8, group: DesiredGroup) -> DesiredGroup {
    let address = match group.family {
        Family::Ipv4 => own_address(2),
        Family::Ipv6 => "fe80::2".to_owned(),
    };
    let peer = DesiredPeer {
        name: "lb2".parse().expect("a name"),
        address: Some(address.parse().expect("an address")),
        priority: Priority::new(200).expect("a priority"),
        external: false,
    };
    let interval = AdvertisementInterval::from_millis(Version::V3, INTERVAL_MS).expect("an interval");
    DesiredGroup {
        id: Uuid::from_u128(vrid.into()),
        name: format!("g{vrid}").parse().expect("a name"),
        vrid: Vrid::new(vrid).expect("a VRID"),
        peers: vec![peer],
        advertisement_interval_ms: interval,
        ..group
    }
}

/// With the address 10.66.1.`vrid`.
fn ipv4(vrid: u8) -> DesiredGroup {
    let addresses = vec![format!("10.66.1.{vrid}/16").parse().expect("an address")];
    DesiredGroup { virtual_addresses: addresses, ..first(vrid, group(240)) }
}

fn boottime() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).expect("a clock").into()
}

/// Dataplanes without groups on the hosts 1 and 2 that have begun to listen, to a LAN that is not dead.
fn running(lab: &Lab) -> [Router; 2] {
    let routers = [1, 2].map(|host| Router::start(lab, host));
    for host in [1, 2] {
        let runs = || routers[usize::from(host) - 1].snapshot().interfaces.len();
        eventually("it runs", runs, |known| *known > 0);
        let other = format!("{}:9", own_address(3 - host));
        lab.inside(host, || UdpSocket::bind("0.0.0.0:0").expect("bound").send_to(b"?", other).expect("sent"));
    }
    routers
}

/// The same, and they have listened for three intervals.
fn listening(lab: &Lab) -> [Router; 2] {
    let routers = running(lab);
    std::thread::sleep(Duration::from_millis(u64::from(INTERVAL_MS)) * 3 + Duration::from_millis(50));
    routers
}

/// Both run the groups and wait.
fn both_wait(routers: &[Router; 2], groups: &[DesiredGroup]) {
    let priority = Priority::new(200).expect("a priority");
    let second = |group: &DesiredGroup| DesiredGroup { peers: Vec::new(), priority, ..group.clone() };
    routers[1].apply(1, groups.iter().map(second).collect());
    routers[0].apply(1, groups.to_vec());
    routers.iter().for_each(|router| drop(router.reaches(State::Backup, groups.len())));
}

/// How long the member waited until it held the addresses, and why it did.
fn held(router: &Router, group: &DesiredGroup) -> (Duration, TransitionReason) {
    let of_it = || {
        let transitions = router.transitions().into_iter().filter(|one| one.group_id == group.id);
        transitions.collect::<Vec<_>>()
    };
    let into = |transitions: &[baton_agent::messages::ObservedTransition], state| {
        transitions.iter().find(|one| one.to == state).cloned()
    };
    let seen = eventually("it holds", of_it, |seen| into(seen, State::Active).is_some());
    let [waits, holds] = [State::Backup, State::Active].map(|state| into(&seen, state).expect("it is there"));
    (Duration::from_nanos(holds.at_boottime_ns - waits.at_boottime_ns), holds.reason)
}

#[test]
fn a_new_group_begins_at_once_in_both_families_and_mac_modes_and_asks_before() {
    let lab = Lab::with_ipv6(2);
    let routers = listening(&lab);
    let capture = Capture::on_the_bridge(&lab, "arp or icmp6 or proto 112");
    let virtual_mac = ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() };
    let groups = [ipv4(51), first(52, group_ipv6(240)), DesiredGroup { options: virtual_mac, ..ipv4(53) }];
    both_wait(&routers, &groups);
    // The first member does not wait to be told: the answer is to be there by then.
    let asked = capture.sees(2, &["who-has 10.66.1.51", "tell 0.0.0.0"]);
    for group in &groups {
        routers[0].fast_start(group, group.generation, boottime() + VALID);
    }
    for group in &groups {
        let (took, reason) = held(&routers[0], group);
        println!("{} {:?}: held after {took:?}", group.family, group.options.mac_mode);
        assert_eq!(reason, TransitionReason::FastStart);
        assert!(took < BOUND, "{took:?}");
    }
    let said = capture.sees(1, &["10.66.0.1 > 224.0.0.18", "vrid 51, prio 240"]);
    assert!(asked[1].at < said[0].at, "it asks twice before it says anything");
    capture.sees(2, &["fe80::1 > ff02::1:ff", &format!("who has {GLOBAL}")]);
    let obeys = || routers[1].groups().into_iter().filter(|group| group.active_source.is_some()).count();
    eventually("the other obeys", obeys, |count| *count == 3);
    assert!(routers[1].transitions().iter().all(|one| one.to != State::Active));
}

#[test]
fn whoever_is_heard_or_answers_and_a_token_that_is_late_or_for_another_generation_leave_the_group_waiting() {
    let lab = Lab::beside_others(3);
    let routers = running(&lab);
    let early = ipv4(58);
    both_wait(&routers, std::slice::from_ref(&early));
    routers[0].fast_start(&early, early.generation, boottime() + VALID);
    assert_eq!(
        held(&routers[0], &early).1,
        TransitionReason::NoResponse,
        "it has not listened for long enough"
    );
    let [heard, taken, late, other, beside, own, free] = [51, 52, 53, 54, 55, 57, 56].map(ipv4);
    let external = DesiredPeer { external: true, ..beside.peers[0].clone() };
    let beside = DesiredGroup { peers: vec![external], ..beside };
    lab.ip(3, &["address", "add", "10.66.1.52/32", "dev", "eth0"]);
    lab.ip(1, &["address", "add", "10.66.1.57/32", "dev", "lo"]);
    send_from_2(&lab, 255, &advertisement_from_2());
    eventually("it is heard", || routers[0].dropped("vrid"), |count| *count > 0);
    let groups = [heard, taken, late, other, beside, own, free];
    both_wait(&routers, &groups);
    for (group, generation, valid) in [
        (&groups[0], 1, VALID),
        (&groups[1], 1, VALID),
        (&groups[2], 1, Duration::ZERO),
        (&groups[3], 2, VALID),
        (&groups[4], 1, VALID),
        (&groups[5], 1, VALID),
        (&groups[6], 1, VALID),
    ] {
        routers[0].fast_start(group, generation, boottime() + valid);
    }
    let (took, reason) = held(&routers[0], &groups[6]);
    assert_eq!(reason, TransitionReason::FastStart);
    assert!(took < BOUND, "{took:?}");
    for group in &groups[..6] {
        let (took, reason) = held(&routers[0], group);
        assert_eq!(reason, TransitionReason::NoResponse, "{} after {took:?}", group.name);
    }
    let named = "group g52 on interface eth0: 02:00:00:00:00:03 has 10.66.1.52, which nobody was to have yet";
    let is_named = |texts: &Vec<String>| texts.iter().any(|text| text.starts_with(named));
    eventually("the stranger is named", || routers[0].notices(), is_named);
}

#[test]
fn two_that_are_told_at_the_same_time_are_one_holder_in_the_end() {
    let lab = Lab::beside_others(2);
    let routers = listening(&lab);
    let group = DesiredGroup { peers: Vec::new(), ..ipv4(51) };
    both_wait(&routers, std::slice::from_ref(&group));
    for router in &routers {
        router.fast_start(&group, group.generation, boottime() + VALID);
    }
    routers[0].reaches(State::Active, 1);
    let holders = || (lab.has(1, VIP), lab.has(2, VIP));
    eventually("the better one holds", holders, |holders| *holders == (true, false));
    let obeyed = || routers[1].groups().first().and_then(|group| group.active_source);
    eventually("the other obeys", obeyed, |source| *source == own_address(1).parse().ok());
}

#[test]
fn a_worker_that_is_about_to_hand_over_begins_nothing_new() {
    let lab = Lab::beside_others(2);
    let routers = listening(&lab);
    let (leaving, new) = (ipv4(51), ipv4(52));
    both_wait(&routers, std::slice::from_ref(&leaving));
    routers[0].fast_start(&leaving, leaving.generation, boottime() + VALID);
    assert_eq!(held(&routers[0], &leaving).1, TransitionReason::FastStart);
    let [first, second] = routers;
    drop(second);

    // It goes on until the group is gone, which nobody takes, for a second.
    first.tell(2, vec![new.clone()]);
    first.hand_over();
    first.fast_start(&new, new.generation, boottime() + VALID);
    let transitions = first.ended();
    let of_new: Vec<_> = transitions.iter().filter(|one| one.group_id == new.id).collect();
    assert!(!of_new.is_empty() && of_new.iter().all(|one| one.to != State::Active), "{of_new:?}");
    assert!(!lab.has(1, "10.66.1.52"), "{}", lab.addresses(1));
}
