//! Virtual routers with a MAC address of their own.

use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::{State, TransitionReason};
use baton_agent::messages::Report;
use nix::sys::signal::Signal;

use crate::agent::Agent;
use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::macvlan;
use crate::neighbour::Neighbour;
use crate::pinger::Pinger;
use crate::router::{Router, VIP, group};
use crate::wire::{Capture, Line};

/// The virtual router's MAC address (RFC 9568 §7.3): VRID 51.
const MAC: &str = "00:00:5e:00:01:33";

fn virtual_mac(priority: u8) -> DesiredGroup {
    let options = ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() };
    DesiredGroup { options, ..group(priority) }
}

fn holds(lab: &Lab, host: u8) -> bool {
    macvlan::holds(lab, host, &[VIP])
}

#[test]
fn a_backup_has_its_macvlan_ready_and_sends_nothing_from_it() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 2, &format!("ether src {MAC}"));
    let holder = Router::running(&lab, 1, virtual_mac(240));
    holder.reaches(State::Active, 1);
    // After its five announcements the holder sends nothing but advertisements.
    capture.sees(5, &["Reply"]);
    let before = capture.lines().len();
    let backup = Router::running(&lab, 2, virtual_mac(200));
    macvlan::are_made(&lab, 2, 1);
    backup.reaches(State::Backup, 1);
    let shown = macvlan::shown(&lab, 2);
    for words in [MAC, "state DOWN", "mode private", "addrgenmode none", "@eth0"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains("inet"), "{shown}");
    // Whatever it sent would stand beside the holder's twenty advertisements, at its own port.
    let is_holders = |line: &Line| line.text.contains("10.66.0.1 > 224.0.0.18");
    eventually("twenty more", || capture.lines().split_off(before), |lines| lines.len() >= 20);
    let others: Vec<_> =
        capture.lines().split_off(before).into_iter().filter(|line| !is_holders(line)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn adverts_announcements_and_answers_come_from_the_virtual_mac_address_alone() {
    let lab = Lab::new(2);
    let capture = Capture::start(&lab, 2, "proto 112 or arp");
    let router = Router::running(&lab, 1, virtual_mac(240));
    router.reaches(State::Active, 1);
    assert!(holds(&lab, 1), "{}", macvlan::shown(&lab, 1));
    assert!(!lab.has(1, VIP), "not on the interface itself: {}", lab.addresses(1));
    capture.sees(3, &[&format!("{MAC} > 01:00:5e:00:00:12"), "prio 240"]);
    capture.sees(1, &[&format!("{MAC} > ff:ff:ff:ff:ff:ff"), &format!("Reply {VIP} is-at {MAC}")]);

    for (address, mac) in [(VIP, MAC), ("10.66.0.1", "02:00:00:00:00:01")] {
        let name = lab.host(2);
        let asked = std::process::Command::new("ip")
            .args(["netns", "exec", &name, "arping", "-c", "3", "-w", "3", "-I", "eth0", address])
            .output()
            .expect("arping runs");
        let said = String::from_utf8_lossy(&asked.stdout).to_lowercase();
        let answers: Vec<_> =
            said.lines().filter(|line| line.contains("reply from") || line.contains("bytes from")).collect();
        assert!(!answers.is_empty() && answers.iter().all(|line| line.contains(mac)), "{address}: {said}");
    }
    router.stop();
    let released = capture.sees(1, &["prio 0"]);
    assert!(released.iter().all(|line| line.text.contains(&format!("{MAC} >"))), "{released:?}");
}

#[test]
fn a_host_that_filters_strictly_by_the_reverse_path_takes_packets_to_the_address_all_the_same() {
    let lab = Lab::new(2);
    lab.inside(1, || {
        for of in ["all", "default"] {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter"), "1").expect("a sysctl");
        }
    });
    let router = Router::running(&lab, 1, virtual_mac(240));
    router.reaches(State::Active, 1);
    let pinger = Pinger::start(&lab, 2, VIP, 0);
    pinger.asks(20);
    let outcome = pinger.finish();
    assert!(outcome.lost.is_empty() && outcome.sent >= 20, "{outcome:?}");
}

#[test]
fn take_over_give_back_and_graceful_stop_lose_nothing_and_no_neighbour_learns_anything_else() {
    let lab = Lab::new(3);
    let one = Router::running(&lab, 1, virtual_mac(200));
    one.reaches(State::Active, 1);
    let pinger = Pinger::start(&lab, 3, VIP, 0);
    let neighbour = Neighbour::start(&lab, 3, VIP);
    pinger.asks(60);
    // The better one comes and is given the address, then hands it back because it stops.
    let two = Router::running(&lab, 2, virtual_mac(240));
    two.reaches(State::Active, 1);
    one.reaches(State::Backup, 2);
    eventually("the macvlan is down again", || macvlan::shown(&lab, 1), |shown| shown.contains("state DOWN"));
    assert!(holds(&lab, 2) && !holds(&lab, 1));
    pinger.asks(60);
    two.stop();
    one.reaches(State::Active, 2);
    assert!(holds(&lab, 1));
    pinger.asks(60);
    let seen = neighbour.finish();
    let outcome = pinger.finish();
    eprintln!("{} echo requests, {} lost: {:?}", outcome.sent, outcome.lost.len(), outcome.lost);
    assert_eq!(seen, [MAC]);
    assert!(outcome.lost.is_empty(), "{outcome:?}");
    assert!(outcome.sent > 200);
}

#[test]
fn a_group_that_goes_takes_its_macvlan_and_what_it_changed_below_along() {
    let lab = Lab::new(1);
    let arp_ignore = |interface: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{interface}/arp_ignore");
        lab.inside(1, || std::fs::read_to_string(path)).expect("a sysctl").trim().to_owned()
    };
    let router = Router::running(&lab, 1, virtual_mac(240));
    router.reaches(State::Active, 1);
    assert_eq!(arp_ignore("eth0"), "1");
    router.apply(2, Vec::new());
    router.reaches(State::Initialize, 1);
    eventually("no macvlan", || macvlan::shown(&lab, 1), String::is_empty);
    assert_eq!(arp_ignore("eth0"), "0");

    router.apply(3, vec![virtual_mac(240)]);
    router.reaches(State::Active, 2);
    router.stop();
    assert_eq!(macvlan::shown(&lab, 1), "", "nothing is left after the stop");
}

#[test]
fn what_was_changed_below_is_put_back_although_a_stranger_deleted_the_macvlan() {
    let lab = Lab::new(1);
    let settings = || {
        let read = |name| std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/eth0/{name}"));
        ["arp_ignore", "arp_announce"].map(|name| lab.inside(1, || read(name)).expect("a sysctl"))
    };
    let untouched = settings();
    let router = Router::running(&lab, 1, virtual_mac(240));
    let replace = || {
        eventually("it holds", || holds(&lab, 1), |holds| *holds);
        let index = || macvlan::shown(&lab, 1).split(':').next().map(str::to_owned);
        let (before, shown) = (index(), macvlan::shown(&lab, 1));
        lab.ip(1, &["link", "del", shown.split([' ', '@']).nth(1).expect("a name")]);
        eventually("another one", || holds(&lab, 1) && index() != before, |is_other| *is_other);
    };
    replace();
    assert_ne!(settings(), untouched);
    router.apply(2, vec![group(240)]);
    eventually("no macvlan", || macvlan::shown(&lab, 1), String::is_empty);
    eventually("as before", settings, |settings| *settings == untouched);

    router.apply(3, vec![virtual_mac(240)]);
    replace();
    router.stop();
    assert_eq!((macvlan::shown(&lab, 1).as_str(), settings()), ("", untouched));
}

#[test]
fn a_member_changes_its_mac_mode_without_letting_go() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let pinger = Pinger::start(&lab, 2, VIP, 0);
    assert!(matches!(router.apply(2, vec![virtual_mac(240)]), Report::Applied(_)));
    eventually("it is on the macvlan", || (holds(&lab, 1), lab.has(1, VIP)), |at| *at == (true, false));
    router.apply(3, vec![group(240)]);
    eventually(
        "it is on the interface",
        || (macvlan::shown(&lab, 1), lab.has(1, VIP)),
        |(shown, has)| shown.is_empty() && *has,
    );
    let outcome = pinger.finish();
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
    eprintln!("{} echo requests, {} lost: {:?}", outcome.sent, outcome.lost.len(), outcome.lost);
    // Neighbours have to learn another MAC address, twice: at the latest from the announcement's first repeats.
    assert!(outcome.lost.len() <= 20, "{outcome:?}");
}

#[test]
fn a_name_that_is_taken_is_a_fault_that_says_so_and_mends_itself() {
    let lab = Lab::new(1);
    let shown = lab.ip(1, &["-o", "link", "show", "dev", "eth0"]);
    let ifindex: u32 = shown.split(':').next().and_then(|index| index.parse().ok()).expect("an index");
    let name = format!("bv4-{ifindex:x}-33");
    lab.ip(1, &["link", "add", &name, "type", "bridge"]);
    let router = Router::running(&lab, 1, virtual_mac(240));
    assert_eq!(router.reaches(State::Fault, 1).reason, TransitionReason::BindFailed);
    let fault = eventually("it says why", || router.group().and_then(|group| group.fault), Option::is_some);
    let wanted = format!("there is an interface {name} already, which this agent has not made");
    assert!(fault.as_deref().is_some_and(|fault| fault.ends_with(&wanted)), "{fault:?}");
    lab.ip(1, &["link", "del", &name]);
    router.reaches(State::Active, 1);
    assert!(holds(&lab, 1));
}

#[test]
fn a_macvlan_that_a_stranger_takes_down_is_up_again_within_a_second() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, virtual_mac(240));
    router.reaches(State::Active, 1);
    let shown = macvlan::shown(&lab, 1);
    let name = shown.split([' ', '@']).nth(1).expect("a name").to_owned();
    lab.ip(1, &["link", "set", &name, "down"]);
    within(Duration::from_secs(1), "it is up again", || macvlan::shown(&lab, 1), |_| holds(&lab, 1));
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());

    // Without it the address cannot be held: the group lets go, and comes back once there is another.
    lab.ip(1, &["link", "del", &name]);
    eventually("another one", || macvlan::shown(&lab, 1), |_| holds(&lab, 1));
    eventually(
        "it is Active",
        || router.group().map(|group| group.state),
        |state| *state == Some(State::Active),
    );
}

#[test]
fn another_worker_goes_on_with_the_macvlan_of_one_that_was_killed() {
    let lab = Lab::new(3);
    let mut agent = Agent::start_group(&lab, 1, virtual_mac(240), |_, _| {});
    eventually("it holds", || holds(&lab, 1), |holds| *holds);
    let backup = Router::running(&lab, 2, virtual_mac(200));
    backup.reaches(State::Backup, 1);
    let pinger = Pinger::start(&lab, 3, VIP, 0);
    let capture = Capture::start(&lab, 3, "proto 112");
    capture.sees(3, &["prio 240"]);
    let killed = agent.kill_worker();
    eventually("another worker", || agent.worker(), |worker| worker.is_some_and(|worker| worker != killed));
    let before = capture.lines().len();
    eventually("it advertises", || capture.lines().len(), |lines| *lines > before + 10);
    let outcome = pinger.finish();
    assert!(outcome.lost.is_empty(), "{outcome:?}");
    assert!(backup.transitions().iter().all(|transition| transition.to != State::Active));
    assert!(capture.with(&["prio 200"]).is_empty());
    agent.stop(Signal::SIGTERM);
    assert_eq!(macvlan::shown(&lab, 1), "", "nothing is left after the stop");
}

#[test]
fn what_an_agent_left_up_is_taken_down_or_removed_by_its_next_life() {
    let lab = Lab::new(2);
    let mut agent = Agent::start_group(&lab, 1, virtual_mac(200), |_, _| {});
    eventually("it holds", || holds(&lab, 1), |holds| *holds);
    agent.kill_parent();
    agent.kill_worker();
    assert!(holds(&lab, 1), "the kernel keeps it: {}", macvlan::shown(&lab, 1));
    let better = Router::running(&lab, 2, virtual_mac(240));
    better.reaches(State::Active, 1);
    agent.start_again(&lab, 1);
    eventually(
        "a Backup's macvlan",
        || macvlan::shown(&lab, 1),
        |shown| shown.contains("state DOWN") && !shown.contains("inet "),
    );
    agent.stop(Signal::SIGTERM);
    assert_eq!(macvlan::shown(&lab, 1), "");
}
