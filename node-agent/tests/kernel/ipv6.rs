//! Version 3 over IPv6.

use api_types::transition::{State, TransitionReason};

use crate::eventually::eventually;
use crate::lab::Lab;
use crate::pinger::Pinger;
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
fn a_host_that_forwards_says_that_it_is_a_router_in_what_it_announces_and_answers() {
    let lab = Lab::with_ipv6(2);
    lab.let_forward(1);
    let capture = Capture::start(&lab, 2, "icmp6 and ip6[40] == 136");
    let router = Router::running(&lab, 1, group_ipv6(240));
    router.reaches(State::Active, 1);
    let announced = format!("tgt is {GLOBAL}, Flags [router, override]");
    capture.sees(5, &[&format!("{GLOBAL} > ff02::1"), &announced]);
    lab.ip(2, &["-6", "neighbour", "flush", "dev", "eth0"]);
    let pinger = Pinger::start(&lab, 2, GLOBAL, 0);
    capture.sees(1, &[&format!("tgt is {GLOBAL}, Flags [router, solicited, override]")]);
    drop(pinger);
    let said = capture.with(&[&format!("tgt is {GLOBAL},")]);
    assert!(said.iter().all(|line| line.text.contains("Flags [router")), "{said:#?}");
}

#[test]
fn a_list_that_is_longer_than_the_mtu_is_cut_to_it_and_the_holder_is_never_mute() {
    let lab = Lab::with_ipv6(2);
    lab.ip(1, &["link", "set", "eth0", "mtu", "1280"]);
    let mut long = group_ipv6(240);
    for number in 1..=88 {
        long.virtual_addresses.push(format!("2001:db8:66::5:{number}/64").parse().expect("an address"));
    }
    let capture = Capture::start(&lab, 2, "ip6 proto 112");
    let router = Router::running(&lab, 1, long);
    router.reaches(State::Active, 1);
    capture.sees(3, &["prio 240", "addrs(77)"]);
    lab.ip(1, &["link", "set", "eth0", "mtu", "1500"]);
    capture.sees(3, &["prio 240", "addrs(90)"]);
    lab.ip(1, &["link", "set", "eth0", "mtu", "1400"]);
    capture.sees(3, &["prio 240", "addrs(84)"]);
    let shown = addresses(&lab, 1);
    assert!(shown.contains("2001:db8:66::5:88/128"), "the others are held all the same: {shown}");
    let notices = router.notices();
    assert!(notices.iter().all(|text| !text.contains("cannot leave")), "{notices:?}");
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
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
