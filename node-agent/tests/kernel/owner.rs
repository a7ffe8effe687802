//! The owner's address is the interface's own: whatever becomes of the agent, it stays as it is.

use api_types::channel::DesiredGroup;
use api_types::transition::{State, TransitionReason};
use baton_agent::dataplane::{AddressTable, NetlinkAddressTable};
use baton_agent::messages::Report;
use nix::sys::signal::Signal;

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::monitor::Monitor;
use crate::router::{AGENT, Router, VIP, group};
use crate::wire::Capture;

/// Gives the host the address as its administrator would.
fn own(lab: &Lab, host: u8) {
    lab.ip(host, &["address", "add", &format!("{VIP}/16"), "dev", "eth0"]);
}

/// The kernel's own words about the address: with whatever flags, mark and lifetime it has.
fn words(lab: &Lab, host: u8) -> String {
    let shown = lab.addresses(host);
    let begins = shown.find(&format!("inet {VIP}/16 ")).unwrap_or_else(|| panic!("it is gone: {shown}"));
    shown[begins..].lines().take(2).collect::<Vec<_>>().join("\n")
}

/// Whether any address of this prefix length carries the mark of the agent.
fn is_marked(lab: &Lab, prefix_length: u8) -> bool {
    let listed = lab.inside(1, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { NetlinkAddressTable::connect(AGENT).expect("netlink").list().await })
    });
    let listed = listed.expect("listed").into_iter();
    listed.filter(|listed| listed.prefix_length == prefix_length).any(|listed| listed.ours)
}

fn become_owner(lab: &Lab, router: &Router, counter: i64) {
    let accepted = |answer: &Report| matches!(answer, Report::Applied(_));
    // The dataplane may not have heard of the address yet.
    eventually("it is accepted", || router.apply(counter, vec![group(255)]), accepted);
    let active = || router.group().map(|group| group.state);
    eventually("it is Active", active, |state| *state == Some(State::Active));
    assert!(!lab.has(1, VIP), "no copy of it: {}", lab.addresses(1));
}

#[test]
fn an_owners_address_stays_as_it_is_through_fault_removal_edit_and_stop() {
    let lab = Lab::new(2);
    own(&lab, 1);
    let before = words(&lab, 1);
    assert!(before.contains("valid_lft forever"), "{before}");
    let monitor = Monitor::start(&lab, 1);
    let router = Router::start(&lab, 1);
    become_owner(&lab, &router, 1);
    assert!(!is_marked(&lab, 16));

    lab.set_carrier(1, false);
    assert_eq!(router.reaches(State::Fault, 1).reason, TransitionReason::InterfaceDown);
    assert_eq!(words(&lab, 1), before, "after a fault");
    lab.set_carrier(1, true);
    router.reaches(State::Active, 2);

    router.apply(2, Vec::new());
    assert_eq!(router.reaches(State::Initialize, 2).reason, TransitionReason::Removed);
    assert_eq!(words(&lab, 1), before, "after the group was removed");

    become_owner(&lab, &router, 3);
    router.apply(4, vec![group(200)]);
    eventually("a copy of its own", || lab.has(1, VIP), |has| *has);
    assert!(is_marked(&lab, 32) && !is_marked(&lab, 16), "only the copy is marked");
    assert_eq!(words(&lab, 1), before, "once it is the owner no longer");
    router.apply(5, vec![group(255)]);
    eventually("the copy goes", || lab.has(1, VIP), |has| !has);

    router.stop();
    assert_eq!(words(&lab, 1), before, "after the stop");
    let changes = monitor.finish();
    assert!(!changes.contains(&format!("{VIP}/16")), "the kernel has seen no change of it: {changes}");
}

#[test]
fn an_owners_address_stays_as_it_is_when_worker_and_parent_are_killed() {
    let lab = Lab::new(2);
    own(&lab, 1);
    let before = words(&lab, 1);
    let monitor = Monitor::start(&lab, 1);
    let capture = Capture::start(&lab, 2, "proto 112");
    let mut agent = Agent::start(&lab, 1, 255);
    let advertises_again = || capture.sees(capture.with(&["prio 255"]).len() + 3, &["prio 255"]);
    advertises_again();

    let killed = agent.kill_worker();
    eventually("another worker", || agent.worker(), |worker| worker.is_some_and(|worker| worker != killed));
    advertises_again();
    assert!(capture.with(&["prio 0"]).is_empty(), "it was adopted: {:?}", capture.lines());
    assert_eq!(words(&lab, 1), before, "after the worker was killed");

    agent.kill_parent();
    agent.kill_worker();
    eventually("it is dead", || agent.worker(), Option::is_none);
    assert_eq!(words(&lab, 1), before, "after everything was killed");

    agent.start_again(&lab, 1);
    advertises_again();
    assert_eq!(agent.stop(Signal::SIGTERM).code(), Some(0));
    assert_eq!(words(&lab, 1), before, "after another life");
    let changes = monitor.finish();
    assert!(!changes.contains(VIP), "the kernel has seen no change of it: {changes}");
}

#[test]
fn two_owners_name_each_other_and_the_one_with_the_lower_address_yields_and_keeps_its_own() {
    let lab = Lab::new(2);
    let mut routers = Vec::new();
    for host in [1, 2] {
        own(&lab, host);
        let router = Router::running(&lab, host, group(255));
        router.reaches(State::Active, 1);
        routers.push(router);
    }
    assert_eq!(routers[0].reaches(State::Backup, 1).reason, TransitionReason::HigherPriorityHeard);
    for router in &routers {
        let odd = || {
            let group = router.group()?;
            let heard = group.heard.first()?;
            Some((heard.discrepancies.clone(), group.counters.advertisement_rcvd))
        };
        let is_named = |seen: &Option<(Vec<String>, u64)>| {
            seen.as_ref()
                .is_some_and(|(odd, heard)| odd.contains(&"owners_addresses".to_owned()) && *heard > 0)
        };
        eventually("the other is named and counted", odd, is_named);
        let says = |notices: &Vec<String>| {
            let about = "group web on interface eth0: 10.66.0.";
            notices
                .iter()
                .any(|text| text.starts_with(about) && text.contains("claims addresses that we own"))
        };
        eventually("the log says so", || router.notices(), says);
    }
    assert_eq!(routers[1].group().map(|group| group.state), Some(State::Active));
    for host in [1, 2] {
        words(&lab, host);
    }
}

#[test]
fn an_owner_comes_back_beside_a_backup_that_holds_and_has_its_address_at_once() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "arp");
    let backup = Router::running(&lab, 1, group(200));
    backup.reaches(State::Active, 1);
    own(&lab, 2);
    let owner = Router::running(&lab, 2, DesiredGroup { preempt_mode: false, ..group(255) });
    owner.reaches(State::Active, 1);
    assert_eq!(backup.reaches(State::Backup, 2).reason, TransitionReason::HigherPriorityHeard);
    eventually("the copy goes", || lab.has(1, VIP), |has| !has);
    // Both had it for a moment; the one that stays says so after the other has gone.
    capture.sees(5, &["Reply 10.66.1.51 is-at 02:00:00:00:00:02"]);
    let learnt = || lab.ip(3, &["neighbour", "show", VIP]);
    lab.inside(3, || {
        std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"?", (VIP, 9)))
    })
    .expect("asked");
    eventually("a client knows the owner", learnt, |table| table.contains("02:00:00:00:00:02"));
}
