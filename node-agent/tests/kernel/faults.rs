//! Interfaces that go away and come back.

use api_types::transition::{State, TransitionReason};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::router::{Router, VIP, group};

#[test]
fn a_lost_carrier_is_a_fault_that_mends_itself() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    lab.set_carrier(1, false);
    assert_eq!(router.reaches(State::Fault, 1).reason, TransitionReason::InterfaceDown);
    eventually("the address is released", || lab.has(1, VIP), |has| !has);
    let fault = eventually("it says why", || router.group().and_then(|group| group.fault), Option::is_some);
    assert_eq!(fault.as_deref(), Some("interface eth0 is down or has no carrier"));

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
    let capture = crate::wire::Capture::start(&lab, 2, "proto 112");
    capture.sees(1, &["10.66.0.1 > 224.0.0.18"]);
    lab.ip(1, &["address", "add", "10.66.0.77/16", "dev", "eth0"]);
    lab.inside(1, || std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "1"))
        .expect("a sysctl");
    lab.ip(1, &["address", "del", &format!("{}/16", own_address(1)), "dev", "eth0"]);
    capture.sees(2, &["10.66.0.77 > 224.0.0.18", "prio 240"]);
    assert!(lab.has(1, VIP));
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
}
