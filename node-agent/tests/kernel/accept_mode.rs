//! Groups whose Active member accepts no packet to the virtual addresses.

use std::process::Command;
use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::State;

use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::pinger::Pinger;
use crate::router::{GLOBAL, LINK_LOCAL, Router, VIP, group, group_ipv6};
use crate::wire::Capture;

fn shut(priority: u8, mac_mode: MacMode) -> DesiredGroup {
    let options = ProtocolOptions { accept_mode: false, mac_mode, ..ProtocolOptions::default() };
    DesiredGroup { options, ..group(priority) }
}

fn shut_ipv6(priority: u8, mac_mode: MacMode) -> DesiredGroup {
    let options = ProtocolOptions { accept_mode: false, mac_mode, ..ProtocolOptions::default() };
    DesiredGroup { options, ..group_ipv6(priority) }
}

/// What `nft` lists on a host, of the family of the tables that shut packets out.
fn rules(lab: &Lab, host: u8) -> String {
    let output = Command::new("ip")
        .args(["netns", "exec", &lab.host(host), "nft", "list", "ruleset", "inet"])
        .output();
    String::from_utf8(output.expect("nft runs").stdout).expect("text")
}

fn pings(lab: &Lab, address: &str) -> (usize, usize) {
    let pinger = Pinger::start(lab, 2, address, if address.starts_with("fe80") { lab.scope(2) } else { 0 });
    pinger.asks(20);
    let outcome = pinger.finish();
    (usize::from(outcome.sent), outcome.lost.len())
}

#[test]
fn packets_to_the_address_are_dropped_while_arp_is_answered_and_the_rest_goes_on() {
    for mac_mode in [MacMode::Interface, MacMode::Virtual] {
        let lab = Lab::new(2);
        let router = Router::running(&lab, 1, shut(240, mac_mode));
        router.reaches(State::Active, 1);
        let (sent, lost) = pings(&lab, VIP);
        assert!(sent > 10 && lost == sent, "{lost} of {sent} lost");
        let entry = lab.ip(2, &["neighbour", "show", VIP]);
        assert!(entry.contains("lladdr"), "ARP is answered: {entry}");
        assert_eq!(pings(&lab, "10.66.0.1").1, 0, "its own address is another matter");

        router.apply(
            2,
            vec![DesiredGroup {
                options: ProtocolOptions { mac_mode, ..ProtocolOptions::default() },
                ..group(240)
            }],
        );
        eventually("packets are accepted", || pings(&lab, VIP), |(_, lost)| *lost == 0);
        assert_eq!(rules(&lab, 1), "");
        assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
    }
}

#[test]
fn an_owner_takes_packets_to_its_address_whatever_its_group_says() {
    let lab = Lab::new(2);
    lab.ip(1, &["address", "add", &format!("{VIP}/16"), "dev", "eth0"]);
    let router = Router::running(&lab, 1, shut(255, MacMode::Interface));
    router.reaches(State::Active, 1);
    let (sent, lost) = pings(&lab, VIP);
    assert!(sent > 10 && lost == 0, "{lost} of {sent} lost");
    assert_eq!(rules(&lab, 1), "");
    // Whoever stands in for it takes none.
    router.apply(2, vec![shut(240, MacMode::Interface)]);
    eventually("packets are dropped", || pings(&lab, VIP), |(sent, lost)| lost == sent);
}

#[test]
fn packets_to_ipv6_addresses_are_dropped_while_neighbours_are_answered() {
    for (mac_mode, mac) in
        [(MacMode::Interface, "02:00:00:00:00:01"), (MacMode::Virtual, "00:00:5e:00:02:33")]
    {
        let lab = Lab::with_ipv6(2);
        let capture = Capture::start(&lab, 2, "icmp6");
        let router = Router::running(&lab, 1, shut_ipv6(240, mac_mode));
        router.reaches(State::Active, 1);
        // A neighbour that believes nothing any longer, and must ask.
        lab.ip(2, &["-6", "neighbour", "flush", "dev", "eth0"]);
        for address in [LINK_LOCAL, GLOBAL] {
            let (sent, lost) = pings(&lab, address);
            assert!(sent > 10 && lost == sent, "{lost} of {sent} to {address} lost");
            capture.sees(1, &["neighbor solicitation", &format!("who has {address}")]);
            let option = format!("destination link-address option (2), length 8 (1): {mac}");
            capture.sees(1, &[&format!("tgt is {address}, Flags [solicited"), &option]);
            assert!(capture.with(&["echo reply", &format!(" {address} >")]).is_empty());
        }
        assert_eq!(pings(&lab, "2001:db8:66::1").1, 0, "its own address is another matter");
        let options = ProtocolOptions { mac_mode, ..ProtocolOptions::default() };
        router.apply(2, vec![DesiredGroup { options, ..group_ipv6(240) }]);
        for address in [LINK_LOCAL, GLOBAL] {
            eventually("packets are accepted", || pings(&lab, address), |(_, lost)| *lost == 0);
        }
        assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
    }
}

#[test]
fn what_is_forwarded_through_the_address_passes() {
    let lab = Lab::new(3);
    // A network of host 3, to which host 2 goes through the virtual address.
    lab.inside(1, || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")).expect("a sysctl");
    lab.ip(3, &["address", "add", "10.77.0.1/32", "dev", "lo"]);
    lab.ip(1, &["route", "add", "10.77.0.0/24", "via", "10.66.0.3"]);
    lab.ip(2, &["route", "add", "10.77.0.0/24", "via", VIP, "dev", "eth0", "onlink"]);
    let router = Router::running(&lab, 1, shut(240, MacMode::Interface));
    router.reaches(State::Active, 1);
    let (sent, lost) = pings(&lab, "10.77.0.1");
    assert!(sent > 10 && lost == 0, "{lost} of {sent} lost");
}

#[test]
fn the_table_goes_with_the_group_and_an_earlier_lifes_goes_at_the_start() {
    let lab = Lab::new(1);
    let name = lab.host(1);
    let made =
        Command::new("ip").args(["netns", "exec", &name, "nft", "add table inet baton_0badcafe"]).status();
    assert!(made.expect("nft runs").success());
    let router = Router::start(&lab, 1);
    eventually("no leftover", || rules(&lab, 1), String::is_empty);
    router.apply(1, vec![shut(240, MacMode::Interface)]);
    router.reaches(State::Active, 1);
    let shown = rules(&lab, 1);
    assert!(
        shown.contains("table inet baton_0badcafe") && shown.contains(&format!("ip daddr {VIP}")),
        "{shown}"
    );
    router.stop();
    assert_eq!(rules(&lab, 1), "");
}

#[test]
fn a_table_that_a_stranger_empties_or_removes_is_there_again_and_this_is_said() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, shut(240, MacMode::Interface));
    router.reaches(State::Active, 1);
    let written = rules(&lab, 1);
    for (times, stroke) in [(1, "flush ruleset"), (2, "flush table inet baton_0badcafe")] {
        let name = lab.host(1);
        let done = Command::new("ip").args(["netns", "exec", &name, "nft", stroke]).status();
        assert!(done.expect("nft runs").success());
        within(Duration::from_secs(5), "it is there again", || rules(&lab, 1), |shown| *shown == written);
        let said = |notices: &Vec<String>| {
            notices
                .iter()
                .filter(|text| text.contains("inet baton_0badcafe") && text.contains("there again"))
                .count()
                == times
        };
        eventually("it is said", || router.notices(), said);
    }
    let (sent, lost) = pings(&lab, VIP);
    assert_eq!(lost, sent);
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
}
