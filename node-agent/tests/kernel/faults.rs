//! Interfaces that go away and come back.

use api_types::transition::{State, TransitionReason};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::router::{Router, VIP, group};
use crate::wire::Capture;

#[test]
fn a_lost_carrier_is_a_fault_that_mends_itself() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    lab.set_carrier(1, false);
    assert_eq!(router.reaches(State::Fault, 1).reason, TransitionReason::InterfaceDown);
    eventually("the address is released", || lab.has(1, VIP), |has| !has);
    let fault = eventually("it says why", || router.group().and_then(|group| group.fault), Option::is_some);
    assert_eq!(fault.as_deref(), Some("interface eth0 has no carrier"));

    lab.set_carrier(1, true);
    assert_eq!(router.reaches(State::Initialize, 1).reason, TransitionReason::FaultCleared);
    router.reaches(State::Active, 2);
    assert!(lab.has(1, VIP));
}

#[test]
fn an_interface_that_is_down_when_the_group_comes_is_a_fault_too() {
    let lab = Lab::new(1);
    lab.ip(1, &["link", "set", "eth0", "down"]);
    let router = Router::running(&lab, 1, group(240));
    assert_eq!(router.reaches(State::Fault, 1).from, State::Initialize);
    lab.ip(1, &["link", "set", "eth0", "up"]);
    router.reaches(State::Active, 1);
}

#[test]
fn an_interface_that_vanishes_and_returns_is_used_again() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    lab.ip(1, &["link", "del", "eth0"]);
    // The kernel takes it down before it takes it away.
    let vanished = |transitions: &Vec<baton_agent::messages::ObservedTransition>| {
        transitions.iter().any(|transition| transition.to == State::Fault)
    };
    eventually("a fault", || router.transitions(), vanished);
    let fault = |fault: &Option<String>| fault.as_deref() == Some("there is no interface eth0");
    eventually("it says that it is gone", || router.group().and_then(|group| group.fault), fault);

    lab.plug_in(1);
    router.reaches(State::Active, 2);
    assert!(lab.has(1, VIP));
}

#[test]
fn an_interface_without_an_address_of_its_own_is_a_fault() {
    let lab = Lab::new(1);
    let own = format!("{}/16", own_address(1));
    lab.ip(1, &["address", "del", &own, "dev", "eth0"]);
    let router = Router::running(&lab, 1, group(240));
    assert_eq!(router.reaches(State::Fault, 1).reason, TransitionReason::NoInterfaceAddress);
    lab.ip(1, &["address", "add", &own, "dev", "eth0"]);
    router.reaches(State::Active, 1);
}

#[test]
fn an_active_member_advertises_from_a_changed_address_at_once() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let capture = Capture::start(&lab, 2, "proto 112");
    capture.sees(1, &["10.66.0.1 > 224.0.0.18"]);
    lab.ip(1, &["address", "add", "10.66.0.77/16", "dev", "eth0"]);
    lab.inside(1, || std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "1"))
        .expect("a sysctl");
    lab.ip(1, &["address", "del", &format!("{}/16", own_address(1)), "dev", "eth0"]);
    capture.sees(2, &["10.66.0.77 > 224.0.0.18", "prio 240"]);
    assert!(lab.has(1, VIP));
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
}

#[test]
fn an_interface_that_is_replaced_under_a_backup_is_listened_to_again() {
    let lab = Lab::new(2);
    let (holder, backup) = (Router::running(&lab, 1, group(240)), Router::running(&lab, 2, group(200)));
    holder.reaches(State::Active, 1);
    lab.ip(2, &["link", "del", "eth0"]);
    lab.plug_in(2);
    backup.reaches(State::Backup, 2);
    let source = || backup.group().and_then(|group| group.active_source);
    eventually("it hears the holder", source, Option::is_some);
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (true, false));
}

#[test]
fn an_interface_that_is_renamed_is_another_one() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    lab.ip(1, &["link", "set", "eth0", "name", "other"]);
    assert_eq!(router.reaches(State::Fault, 1).reason, TransitionReason::InterfaceMissing);
    let shown = || lab.ip(1, &["-4", "address", "show", "dev", "other"]);
    eventually("the address is released", shown, |shown| !shown.contains(VIP));
    lab.ip(1, &["link", "set", "other", "name", "eth0"]);
    router.reaches(State::Active, 2);
    assert!(lab.has(1, VIP));
}

#[test]
fn a_holder_whose_mac_address_changes_advertises_from_it_and_tells_the_neighbours() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let capture = Capture::start(&lab, 2, "proto 112 or arp");
    lab.ip(1, &["link", "set", "eth0", "address", "02:00:00:00:00:aa"]);
    capture.sees(2, &["02:00:00:00:00:aa > 01:00:5e:00:00:12", "prio 240"]);
    capture.sees(1, &["02:00:00:00:00:aa > ff:ff:ff:ff:ff:ff", "Reply 10.66.1.51 is-at 02:00:00:00:00:aa"]);
    assert!(lab.has(1, VIP));
}
