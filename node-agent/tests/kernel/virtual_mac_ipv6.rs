//! Virtual routers with a MAC address of their own, over IPv6.

use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions, VirtualRule};
use api_types::transition::State;
use baton_agent::config::FenceSettings;
use baton_agent::dataplane::Seams;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::agent::Agent;
use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::macvlan;
use crate::pinger::Pinger;
use crate::router::{GLOBAL, LINK_LOCAL, Router, group_ipv6};
use crate::wire::{Capture, Line};

/// The virtual router's MAC address (RFC 9568 §7.3): VRID 51.
const MAC: &str = "00:00:5e:00:02:33";

/// As many as the kernel does not add between two requests of a client.
const RULES: u32 = 128;

fn virtual_mac(priority: u8) -> DesiredGroup {
    let options = ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() };
    DesiredGroup { options, ..group_ipv6(priority) }
}

fn holds(lab: &Lab, host: u8) -> bool {
    macvlan::holds(lab, host, &[LINK_LOCAL, GLOBAL])
}

fn link_name(lab: &Lab, host: u8) -> String {
    let shown = eventually("a macvlan", || macvlan::shown(lab, host), |shown| shown.contains("baton-agent"));
    shown.split([' ', '@']).nth(1).expect("a name").to_owned()
}

fn pingers(lab: &Lab, host: u8) -> [Pinger; 2] {
    [(GLOBAL, 0), (LINK_LOCAL, lab.scope(host))]
        .map(|(address, scope)| Pinger::start(lab, host, address, scope))
}

fn lose_nothing(pingers: [Pinger; 2]) {
    for pinger in pingers {
        let outcome = pinger.finish();
        eprintln!("{} echo requests, {} lost: {:?}", outcome.sent, outcome.lost.len(), outcome.lost);
        assert!(outcome.lost.is_empty(), "{outcome:?}");
    }
}

#[test]
fn take_over_give_back_and_graceful_stop_lose_nothing_and_the_one_that_lets_go_takes_no_leave() {
    let lab = Lab::with_ipv6(3);
    let one = Router::running(&lab, 1, virtual_mac(200));
    one.reaches(State::Active, 1);
    let pingers = pingers(&lab, 3);
    pingers[0].asks(60);
    let capture = Capture::start(&lab, 1, &format!("outbound and ether src {MAC}"));
    let two = Router::running(&lab, 2, virtual_mac(240));
    two.reaches(State::Active, 1);
    one.reaches(State::Backup, 2);
    eventually("the macvlan is down again", || macvlan::shown(&lab, 1), |shown| shown.contains("state DOWN"));
    assert!(holds(&lab, 2) && !holds(&lab, 1));
    // The kernel would have reported by now that it left the groups, and would have said so again.
    let reports = capture.with(&["listener report"]);
    let leaves = |line: &&Line| line.text.contains("to_in") || line.text.contains(":: > ff02::16");
    assert!(!reports.iter().any(|line| leaves(&line)), "{reports:#?}");
    pingers[0].asks(60);
    two.stop();
    one.reaches(State::Active, 2);
    assert!(holds(&lab, 1));
    capture.sees(3, &["prio 200"]);
    pingers[0].asks(60);
    lose_nothing(pingers);
}

#[test]
fn what_is_asked_while_a_member_still_takes_over_is_answered_as_soon_as_it_has() {
    let lab = Lab::with_ipv6(3);
    // The more comes with the address, the longer it is there before the macvlan may speak.
    let rules = (0..RULES).map(|number| VirtualRule {
        from: Some(format!("{GLOBAL}/128").parse().expect("a prefix")),
        to: None,
        table: 1_000,
        preference: 100 + number,
    });
    let virtual_rules: Vec<_> = rules.collect();
    let ruled = |priority| {
        let options = virtual_mac(priority).options;
        let options = ProtocolOptions { virtual_rules: virtual_rules.clone(), ..options };
        DesiredGroup { options, ..virtual_mac(priority) }
    };
    let one = Router::running(&lab, 1, ruled(240));
    one.reaches(State::Active, 1);
    // The lease would let in what is asked only once the macvlan speaks.
    let fences = FenceSettings { nftables_lease: false, ..FenceSettings::default() };
    let two = Router::start_fenced(&lab, 2, Seams::real(), fences);
    two.apply(1, vec![ruled(200)]);
    two.reaches(State::Backup, 1);
    let pinger = Pinger::start(&lab, 3, LINK_LOCAL, lab.scope(3));
    pinger.asks(20);
    let before = pinger.asked();
    lab.cut_off(1);
    two.reaches(State::Active, 1);
    pinger.asks(300);
    let outcome = pinger.finish();
    let silence = outcome.longest_silence(before..outcome.sent);
    eprintln!("without an answer for {silence:?}");
    // The kernel asks for a neighbour again after a second.
    assert!(silence < Duration::from_secs(1), "{outcome:?}");
}

#[test]
fn a_sleeping_macvlan_sends_nothing_even_when_a_stranger_brings_it_up() {
    let lab = Lab::with_ipv6(3);
    let one = Router::running(&lab, 1, virtual_mac(240));
    one.reaches(State::Active, 1);
    let two = Router::running(&lab, 2, virtual_mac(200));
    two.reaches(State::Backup, 1);
    let name = link_name(&lab, 2);
    let shown = macvlan::shown(&lab, 2);
    for words in [MAC, "state DOWN", "mode private", "addrgenmode none", "@eth0"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains("inet6"), "{shown}");
    let capture = Capture::start(&lab, 2, &format!("outbound and ether src {MAC}"));
    let adverts = Capture::start(&lab, 3, "ip6 proto 112");
    lab.ip(2, &["link", "set", &name, "up"]);
    lab.ip(2, &["address", "add", "2001:db8:66::99/64", "dev", &name]);
    adverts.sees(15, &["prio 240"]);
    assert!(capture.lines().is_empty(), "{:#?}", capture.lines());
    assert!(two.transitions().iter().all(|transition| transition.to != State::Active));
}

#[test]
fn neighbours_are_asked_and_answered_with_the_virtual_mac_address_alone() {
    let lab = Lab::with_ipv6(2);
    let capture = Capture::start(&lab, 2, "ip6 proto 112 or icmp6");
    let router = Router::running(&lab, 1, virtual_mac(240));
    router.reaches(State::Active, 1);
    assert!(holds(&lab, 1), "{}", macvlan::shown(&lab, 1));
    let shown = lab.ip(1, &["address", "show", "dev", "eth0"]);
    assert!(!shown.contains(GLOBAL) && !shown.contains(LINK_LOCAL), "not on the interface itself: {shown}");
    capture.sees(3, &[&format!("{MAC} > 33:33:00:00:00:12"), "fe80::1 > ff02::12", "prio 240"]);
    for address in [GLOBAL, LINK_LOCAL] {
        let advertised = format!("tgt is {address}, Flags [override]");
        capture
            .sees(1, &[&format!("{MAC} > 33:33:00:00:00:01"), &format!("{address} > ff02::1"), &advertised]);
    }
    // It is in the groups to which it is asked for its addresses.
    let groups = lab.ip(1, &["-6", "maddress", "show", "dev", &link_name(&lab, 1)]);
    assert!(groups.contains("ff02::1:ff00:51"), "{groups}");

    let pingers = pingers(&lab, 2);
    pingers[1].asks(20);
    lose_nothing(pingers);
    let about_ours = |line: &&Line| {
        ["tgt is 2001:db8:66::51,", "tgt is fe80::51,"].iter().any(|target| line.text.contains(target))
    };
    let answers = || capture.with(&["neighbor advertisement", "[solicited"]);
    eventually("answers", answers, |lines| lines.iter().filter(about_ours).count() >= 2);
    // Nobody is told another MAC address for either.
    let said = capture.with(&["neighbor advertisement"]);
    let option = format!("destination link-address option (2), length 8 (1): {MAC}");
    let fits = |line: &Line| line.text.starts_with(MAC) && line.text.contains(&option);
    assert!(said.iter().filter(about_ours).all(fits), "{said:#?}");
    // For the way back from the link-local address it asks itself, once it has forgotten who asked.
    let pinger = Pinger::start(&lab, 2, LINK_LOCAL, lab.scope(2));
    pinger.asks(5);
    lab.ip(1, &["-6", "neighbour", "flush", "dev", &link_name(&lab, 1)]);
    pinger.asks(10);
    let asked = capture.sees(1, &["neighbor solicitation", &format!("{LINK_LOCAL} > ff02::1:ff00:2")]);
    let option = format!("source link-address option (1), length 8 (1): {MAC}");
    assert!(asked.iter().all(|line| line.text.contains(&option)), "{asked:#?}");
    router.stop();
    let released = capture.sees(1, &["prio 0"]);
    assert!(released.iter().all(|line| line.text.contains(&format!("{MAC} >"))), "{released:?}");
    assert_eq!(macvlan::shown(&lab, 1), "", "nothing is left after the stop");
}

#[test]
fn a_macvlan_that_a_stranger_takes_down_has_its_addresses_again_within_a_second() {
    let lab = Lab::with_ipv6(2);
    let router = Router::running(&lab, 1, virtual_mac(240));
    router.reaches(State::Active, 1);
    let name = link_name(&lab, 1);
    lab.ip(1, &["link", "set", &name, "down"]);
    within(Duration::from_secs(1), "it holds again", || macvlan::shown(&lab, 1), |_| holds(&lab, 1));
    let pingers = pingers(&lab, 2);
    pingers[1].asks(20);
    lose_nothing(pingers);
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
}

#[test]
fn another_worker_goes_on_with_the_macvlan_of_one_that_was_killed() {
    let lab = Lab::with_ipv6(3);
    let mut agent = Agent::start_group(&lab, 1, virtual_mac(240), |_, _| {});
    eventually("it holds", || holds(&lab, 1), |holds| *holds);
    let backup = Router::running(&lab, 2, virtual_mac(200));
    backup.reaches(State::Backup, 1);
    let pingers = pingers(&lab, 3);
    let capture = Capture::start(&lab, 3, "ip6 proto 112");
    capture.sees(3, &["prio 240"]);
    let killed = agent.kill_worker();
    eventually("another worker", || agent.worker(), |worker| worker.is_some_and(|worker| worker != killed));
    let before = capture.lines().len();
    eventually("it advertises", || capture.lines().len(), |lines| *lines > before + 10);
    lose_nothing(pingers);
    assert!(capture.with(&["prio 200"]).is_empty());
    // And what is left when all of it is killed is taken down in its next life.
    let worker = agent.worker().map(Pid::from_raw).expect("a worker");
    agent.kill_parent();
    // It may have ended by itself by now.
    let _gone = kill(worker, Signal::SIGKILL);
    backup.reaches(State::Active, 1);
    let better = Router::running(&lab, 3, virtual_mac(250));
    better.reaches(State::Active, 1);
    agent.start_again(&lab, 1);
    eventually(
        "a Backup's macvlan",
        || macvlan::shown(&lab, 1),
        |shown| shown.contains("state DOWN") && !shown.contains("inet6 "),
    );
}
