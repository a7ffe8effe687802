//! Version 3 over IPv6.

use api_types::transition::{State, TransitionReason};

use crate::eventually::eventually;
use crate::lab::Lab;
use crate::router::{GLOBAL, LINK_LOCAL, Router, group, group_ipv6};
use crate::wire::Capture;

fn addresses(lab: &Lab, host: u8) -> String {
    lab.ip(host, &["-6", "address", "show", "dev", "eth0"])
}

fn holds(lab: &Lab, host: u8) -> bool {
    let shown = addresses(lab, host);
    [LINK_LOCAL, GLOBAL].iter().all(|address| shown.contains(&format!("inet6 {address}/128 ")))
}

#[test]
fn the_better_of_two_holds_link_local_and_global_address_and_hands_both_over() {
    let lab = Lab::with_ipv6(3);
    let capture = Capture::start(&lab, 3, "ip6 proto 112");
    let (better, other) =
        (Router::running(&lab, 1, group_ipv6(240)), Router::running(&lab, 2, group_ipv6(200)));
    better.reaches(State::Active, 1);
    eventually("one holder", || (holds(&lab, 1), holds(&lab, 2)), |holders| *holders == (true, false));
    eventually(
        "it is obeyed",
        || other.group().and_then(|group| group.active_source),
        |source| *source == Some("fe80::1".parse().expect("an address")),
    );
    let words = [
        "02:00:00:00:00:01 > 33:33:00:00:00:12",
        "class 0xc0",
        "hlim 255",
        "next-header VRRP (112)",
        "fe80::1 > ff02::12",
        "VRRPv3, Advertisement, vrid 51, prio 240, intvl 10cs",
        "addrs(2): fe80::51,2001:db8:66::51",
    ];
    capture.sees(3, &words);

    better.stop();
    assert_eq!(other.reaches(State::Active, 1).reason, TransitionReason::PriorityZero);
    eventually("the other holds", || (holds(&lab, 1), holds(&lab, 2)), |holders| *holders == (false, true));
    capture.sees(1, &["fe80::1 > ff02::12", "prio 0"]);
    let shown = addresses(&lab, 2);
    assert!(!shown.contains("tentative") && shown.contains("deprecated"), "{shown}");
}

#[test]
fn a_neighbour_learns_the_address_from_an_unsolicited_advertisement() {
    let lab = Lab::with_ipv6(2);
    // A neighbour that believes somebody else to have it, as after a failover.
    lab.ip(
        2,
        &["neighbour", "replace", GLOBAL, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0"],
    );
    let capture = Capture::start(&lab, 2, "icmp6 and ip6[40] == 136");
    let router = Router::running(&lab, 1, group_ipv6(240));
    router.reaches(State::Active, 1);
    let learnt = |table: &String| table.contains("lladdr 02:00:00:00:00:01");
    eventually("the neighbour has learnt it", || lab.ip(2, &["neighbour", "show", GLOBAL]), learnt);
    // At once, and after 10, 50, 200 ms and 1 s. This host forwards nothing, and says so.
    let words = ["hlim 255", &format!("{GLOBAL} > ff02::1"), &format!("tgt is {GLOBAL}, Flags [override]")];
    capture.sees(5, &words);
}

#[test]
fn both_families_share_an_interface_and_a_vrid() {
    let lab = Lab::with_ipv6(1);
    let router = Router::start(&lab, 1);
    let mut other = group_ipv6(240);
    other.id = uuid::Uuid::from_u128(66);
    other.name = "web6".parse().expect("a name");
    router.apply(1, vec![group(240), other]);
    router.reaches(State::Active, 2);
    eventually(
        "both are held",
        || (lab.has(1, crate::router::VIP), holds(&lab, 1)),
        |held| *held == (true, true),
    );
    router.apply(2, vec![group(240)]);
    eventually(
        "one is left",
        || (lab.has(1, crate::router::VIP), holds(&lab, 1)),
        |held| *held == (true, false),
    );
}

#[test]
fn without_a_link_local_address_there_is_a_fault_until_there_is_one() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group_ipv6(240));
    assert_eq!(router.reaches(State::Fault, 1).reason, TransitionReason::NoInterfaceAddress);
    lab.ip(1, &["address", "add", "fe80::1/64", "dev", "eth0", "nodad"]);
    router.reaches(State::Active, 1);
}
