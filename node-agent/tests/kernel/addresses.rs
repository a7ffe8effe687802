//! What the kernel's interfaces have, and when.

use std::sync::Arc;
use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::transition::{State, TransitionReason};
use baton_agent::dataplane::{
    Added, AddressError, AddressTable, AgentNumber, DataplaneError, HostAddress, ListedAddress,
    NetlinkAddressTable, Seams,
};
use baton_agent::messages::Report;
use futures_util::future::BoxFuture;

use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::monitor::Monitor;
use crate::router::{AGENT, Router, VIP, group};
use crate::wire::Capture;

/// Adds the address with the mark of an agent, as an earlier life of it would have left it.
fn leave_behind(lab: &Lab, agent: AgentNumber, address: &str) {
    let at = HostAddress { ifindex: ifindex(lab), address: address.parse().expect("an address") };
    let added = lab.inside(1, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime
            .block_on(async { Arc::new(NetlinkAddressTable::connect(agent).expect("netlink")).add(at).await })
    });
    assert_eq!(added.expect("added"), Added::New);
}

fn ifindex(lab: &Lab) -> u32 {
    let shown = lab.ip(1, &["-o", "link", "show", "dev", "eth0"]);
    shown.split(':').next().and_then(|index| index.parse().ok()).expect("an index")
}

#[test]
fn an_active_member_holds_its_address_and_one_that_stopped_does_not() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    let active = router.reaches(State::Active, 1);
    assert!(lab.has(1, VIP), "{}", lab.addresses(1));
    assert_eq!(active.reason, TransitionReason::NoResponse);
    assert!(lab.addresses(1).contains("scope global dynamic noprefixroute eth0"), "{}", lab.addresses(1));
    assert_eq!(lab.ip(1, &["route", "show", "table", "main"]).lines().count(), 1, "no route for the address");

    let transitions = router.stop();
    assert!(!lab.has(1, VIP), "{}", lab.addresses(1));
    let stopped = transitions.last().expect("a transition");
    assert_eq!((stopped.from, stopped.to), (State::Active, State::Initialize));
    assert_eq!(stopped.reason, TransitionReason::Stopped);
    assert!(stopped.released_at_boottime_ns.is_some());
    assert!(active.at_boottime_ns <= active.announced_at_boottime_ns.expect("announced"));
    assert!(
        active.bound_at_boottime_ns.expect("bound") <= active.announced_at_boottime_ns.expect("announced")
    );
}

#[test]
fn a_changed_list_of_addresses_moves_only_the_difference() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let mut changed = group(240);
    changed.virtual_addresses = vec!["10.66.1.52/16".parse().expect("an address")];
    assert!(matches!(router.apply(2, vec![changed]), Report::Applied(_)));
    eventually(
        "the new address alone",
        || lab.addresses(1),
        |_| lab.has(1, "10.66.1.52") && !lab.has(1, VIP),
    );
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
}

#[test]
fn three_hundred_addresses_of_one_group_are_held_and_announced_to_the_last() {
    let lab = Lab::alone(1);
    let mut many = group(240);
    let address = |number: u16| format!("10.66.{}.{}/16", 100 + number / 250, 1 + number % 250);
    many.virtual_addresses = (0..300).map(|number| address(number).parse().expect("an address")).collect();
    let router = Router::running(&lab, 1, many);
    router.reaches(State::Active, 1);
    assert_eq!(lab.addresses(1).matches("/32 ").count(), 300);
    let announced = || router.group().map_or(0, |group| group.counters.announcements_sent);
    // A repetition that becomes due while all are announced is made up for by that.
    let all_again = |sent: &u64| *sent >= 2 * 300 * 2 && sent.is_multiple_of(300 * 2);
    eventually("a request and a reply for each, again and again", announced, all_again);
    router.stop();
    assert_eq!(lab.addresses(1).matches("/32 ").count(), 0);
}

#[test]
fn a_group_that_is_removed_takes_its_address_along() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    router.apply(2, Vec::new());
    let gone = router.reaches(State::Initialize, 1);
    assert_eq!(gone.reason, TransitionReason::Removed);
    assert!(!lab.has(1, VIP), "{}", lab.addresses(1));
}

#[test]
fn what_an_earlier_life_left_is_removed_before_a_backup_listens() {
    let lab = Lab::new(1);
    leave_behind(&lab, AGENT, VIP);
    leave_behind(&lab, AGENT, "10.66.1.99");
    assert!(lab.has(1, VIP));
    let _router = Router::start(&lab, 1);
    eventually("no leftover", || lab.addresses(1), |_| !lab.has(1, VIP) && !lab.has(1, "10.66.1.99"));
}

#[test]
fn the_addresses_of_another_agent_on_the_host_are_left_alone() {
    let lab = Lab::new(1);
    leave_behind(&lab, AgentNumber(7), "10.66.1.77");
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    router.stop();
    assert!(lab.has(1, "10.66.1.77"), "{}", lab.addresses(1));
}

#[test]
fn a_copy_without_our_mark_is_not_touched() {
    let lab = Lab::new(1);
    lab.ip(1, &["address", "add", &format!("{VIP}/32"), "dev", "eth0"]);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let said = |notices: &Vec<String>| notices.iter().any(|text| text.contains("without this agent's mark"));
    eventually("it says that the copy will stay", || router.notices(), said);
    router.stop();
    assert!(lab.has(1, VIP), "{}", lab.addresses(1));
}

#[test]
fn a_strangers_address_with_another_prefix_and_label_stays_as_it_is() {
    let lab = Lab::new(1);
    let stranger = format!("{VIP}/24");
    lab.ip(1, &["address", "add", &stranger, "dev", "eth0", "label", "eth0:other"]);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    assert!(lab.has(1, VIP), "ours is there beside it: {}", lab.addresses(1));
    router.stop();
    assert!(!lab.has(1, VIP), "{}", lab.addresses(1));
    assert!(lab.addresses(1).contains(&stranger), "{}", lab.addresses(1));
}

/// The kernel's addresses, of which it lets none go.
struct NeverRemoves(NetlinkAddressTable);

impl AddressTable for NeverRemoves {
    fn list(&self) -> BoxFuture<'_, Result<Vec<ListedAddress>, AddressError>> {
        self.0.list()
    }

    fn add(&self, address: HostAddress) -> BoxFuture<'_, Result<Added, AddressError>> {
        self.0.add(address)
    }

    fn remove(&self, _address: HostAddress) -> BoxFuture<'_, Result<(), AddressError>> {
        Box::pin(async { Err(AddressError::Refused(std::io::Error::from_raw_os_error(libc::EBUSY))) })
    }
}

#[test]
fn a_stop_that_the_kernel_does_not_let_finish_ends_within_a_bound_and_names_what_is_left() {
    let lab = Lab::beside_others(1);
    let address_table = |agent| -> std::io::Result<Arc<dyn AddressTable>> {
        Ok(Arc::new(NeverRemoves(NetlinkAddressTable::connect(agent)?)))
    };
    let router = Router::start_with(&lab, 1, Seams { address_table, ..Seams::real() });
    router.apply(1, vec![group(240)]);
    router.reaches(State::Active, 1);
    let asked = std::time::Instant::now();
    let error = router.give_up().expect_err("it has not stopped");
    let took = asked.elapsed().as_millis();
    assert!(matches!(error, DataplaneError::StillHeld { .. }), "{error}");
    assert!(error.to_string().contains(&format!("{VIP} on interface eth0")), "{error}");
    // Two intervals and 5 s; five times that.
    assert!((5_200..26_000).contains(&took), "{took} ms");
}

#[test]
fn another_group_takes_a_virtual_router_over_without_a_moment_without_holder() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let capture = Capture::start(&lab, 2, "proto 112");
    let monitor = Monitor::start(&lab, 1);
    let successor = DesiredGroup {
        id: uuid::Uuid::from_u128(99),
        name: "successor".parse().expect("a name"),
        ..group(240)
    };
    router.apply(2, vec![successor]);
    assert_eq!(router.reaches(State::Active, 2).group, "successor");
    capture.sees(5, &["prio 240"]);
    assert!(capture.with(&["prio 0"]).is_empty(), "{:?}", capture.lines());
    assert!(!monitor.finish().contains(VIP), "the kernel has seen no change of the address");
}

#[test]
fn a_holder_that_becomes_the_owner_keeps_the_address_and_leaves_it_on_the_interface() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let capture = Capture::start(&lab, 2, "proto 112");
    lab.ip(1, &["address", "add", &format!("{VIP}/16"), "dev", "eth0"]);
    // The dataplane may not have heard of the address yet.
    let answered = eventually(
        "it is accepted",
        || router.apply(2, vec![group(255)]),
        |answer| matches!(answer, Report::Applied(_)),
    );
    assert!(matches!(answered, Report::Applied(_)));
    capture.sees(3, &["prio 255"]);
    eventually("the copy goes", || lab.has(1, VIP), |has| !has);
    assert!(capture.with(&["prio 0"]).is_empty(), "{:?}", capture.lines());
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());

    router.apply(3, vec![group(240)]);
    eventually("a copy of its own", || lab.has(1, VIP), |has| *has);
    capture.sees(3, &["prio 240"]);
    router.stop();
    assert!(lab.addresses(1).contains(&format!("inet {VIP}/16 ")), "{}", lab.addresses(1));
}

#[test]
fn what_a_stranger_deletes_is_there_again_within_a_second_and_counted() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    for times in 1..=3 {
        lab.ip(1, &["address", "del", &format!("{VIP}/32"), "dev", "eth0"]);
        within(Duration::from_secs(1), "the address again", || lab.addresses(1), |_| lab.has(1, VIP));
        let counted = || router.group().map_or(0, |group| group.counters.addresses_restored);
        eventually("it is counted", counted, |restored| *restored == times);
    }
    assert_eq!(router.transitions().len(), 2, "it stayed Active: {:?}", router.transitions());
}

#[test]
fn what_the_host_cannot_run_is_refused_whole_and_what_ran_goes_on() {
    let lab = Lab::new(1);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let mut unsupported = group(100);
    unsupported.id = uuid::Uuid::from_u128(2);
    unsupported.vrid = vrrp::Vrid::new(2).expect("a VRID");
    unsupported.virtual_addresses = vec!["10.66.1.2/16".parse().expect("an address")];
    unsupported.priority = vrrp::Priority::OWNER;
    let answer = router.apply(2, vec![unsupported]);
    let Report::Rejected { reasons, .. } = answer else { panic!("{answer:?}") };
    assert!(reasons[0].detail.contains("255 says that the node owns"), "{reasons:?}");
    assert!(lab.has(1, VIP));
    assert_eq!(router.transitions().len(), 2, "nothing moved: {:?}", router.transitions());
}

#[test]
fn an_interface_that_would_not_answer_arp_is_refused() {
    let lab = Lab::new(1);
    lab.inside(1, || std::fs::write("/proc/sys/net/ipv4/conf/eth0/arp_ignore", "2")).expect("a sysctl");
    let router = Router::start(&lab, 1);
    let answer = router.apply(1, vec![group(240)]);
    let Report::Rejected { reasons, .. } = answer else { panic!("{answer:?}") };
    assert!(reasons[0].detail.contains("arp_ignore of eth0 is 2"), "{reasons:?}");
    assert!(router.transitions().is_empty());
}

#[test]
fn a_refused_state_runs_once_the_host_is_as_it_must_be() {
    let lab = Lab::new(1);
    let router = Router::start(&lab, 1);
    assert!(matches!(router.apply(1, vec![group(255)]), Report::Rejected { .. }));
    lab.ip(1, &["address", "add", &format!("{VIP}/16"), "dev", "eth0"]);
    eventually(
        "it is applied",
        || router.answers(),
        |answers| matches!(answers.last(), Some(Report::Applied(_))),
    );
    assert_eq!(router.reaches(State::Active, 1).reason, TransitionReason::OwnerStarted);
}
