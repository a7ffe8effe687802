//! The kernel removes addresses by itself when nobody renews their leases. Every other fence is off.

use std::time::{Duration, Instant};

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::State;
use baton_agent::config::FenceSettings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Version, Vrid};

use crate::agent::Agent;
use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::monitor::Monitor;
use crate::router::{GLOBAL, LINK_LOCAL, Router, VIP, group, group_ipv6};

const LEASE_ONLY: FenceSettings = FenceSettings { address_lease: true, ..FenceSettings::NONE };
/// On the macvlan of a virtual router.
const ON_MACVLAN: &str = "10.66.1.52";
/// A lease of 2 s that was renewed just before, and up to a second that the kernel may be late.
const LONGEST: Duration = Duration::from_millis(3_010);

/// One on the interface, one on a macvlan, one of IPv6.
fn groups(priority: u8) -> Vec<DesiredGroup> {
    let on_macvlan = DesiredGroup {
        id: Uuid::from_u128(52),
        name: "macvlan".parse().expect("a name"),
        vrid: Vrid::new(52).expect("a VRID"),
        virtual_addresses: vec![format!("{ON_MACVLAN}/16").parse().expect("an address")],
        options: ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() },
        ..group(priority)
    };
    let ipv6 = DesiredGroup {
        id: Uuid::from_u128(53),
        name: "ipv6".parse().expect("a name"),
        ..group_ipv6(priority)
    };
    [group(priority), on_macvlan, ipv6].map(|group| DesiredGroup { preempt_mode: false, ..group }).into()
}

/// The lines of `ip` about the addresses of [`groups`] on a host.
fn held(lab: &Lab, host: u8) -> Vec<String> {
    let all = lab.ip(host, &["-o", "address", "show"]);
    let is_virtual = |line: &&str| {
        [VIP, ON_MACVLAN].iter().any(|address| line.contains(&format!("{address}/32")))
            || [LINK_LOCAL, GLOBAL].iter().any(|address| line.contains(&format!("{address}/128")))
    };
    all.lines().filter(is_virtual).map(str::to_owned).collect()
}

fn signal_all(agent: &Agent, signal: Signal) {
    let parent = i32::try_from(agent.parent.id()).expect("a pid");
    for process in [parent, agent.worker().expect("a worker")] {
        kill(Pid::from_raw(process), signal).expect("it lives");
    }
}

/// Waits until the kernel has removed everything.
fn expire(lab: &Lab, since: Instant) {
    within(LONGEST * 5, "the kernel removes them", || held(lab, 1), Vec::is_empty);
    println!("the last was gone after {:?}", since.elapsed());
}

#[test]
fn the_kernel_removes_the_addresses_of_an_agent_that_is_stopped_and_the_agent_records_it() {
    let lab = Lab::with_ipv6(2);
    let agent = Agent::start_fenced(&lab, 1, groups(240), LEASE_ONLY, |_, _| {});
    let leased = |lines: &Vec<String>| lines.len() == 4 && lines.iter().all(|line| line.contains("dynamic"));
    eventually("all are leased", || held(&lab, 1), leased);
    let rival = Router::start(&lab, 2);
    rival.apply(1, groups(200));
    signal_all(&agent, Signal::SIGSTOP);
    expire(&lab, Instant::now());
    rival.reaches(State::Active, 3);
    signal_all(&agent, Signal::SIGCONT);
    let recorded = |status: &serde_json::Value| {
        let groups = status["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
        let has =
            |group: &serde_json::Value| group["state"] == "backup" && group["reason"] == "address_lease";
        groups.len() == 3 && groups.iter().all(has)
    };
    let status = eventually("it says so", || agent.status(), recorded);
    assert_eq!(status.pointer("/fences/address_lease/acted"), Some(&3.into()));
    assert_eq!(held(&lab, 1), [""; 0]);
}

#[test]
fn the_kernel_removes_the_addresses_of_an_agent_that_is_killed_whole_and_the_next_start_records_it() {
    let lab = Lab::new(1);
    let mut agent = Agent::start_fenced(&lab, 1, vec![group(240)], LEASE_ONLY, |_, _| {});
    eventually("it is leased", || held(&lab, 1), |lines| lines.iter().any(|line| line.contains("dynamic")));
    let holds = |lines: &Vec<String>| lines.last().is_some_and(|line| line.contains(" active "));
    eventually("it has recorded that it holds", || agent.transitions(), holds);
    signal_all(&agent, Signal::SIGKILL);
    expire(&lab, Instant::now());
    agent.kill_parent();
    agent.start_again(&lab, 1);
    let end = |lines: &[String]| lines.iter().position(|line| line == "active initialize address_lease");
    let goes_on = |lines: &Vec<String>| end(lines).is_some_and(|end| end + 1 < lines.len());
    let lines = eventually("it says what has happened", || agent.transitions(), goes_on);
    let at = end(&lines).expect("seen");
    assert_eq!(lines[at - 1..at + 2], ["backup active no_response", &lines[at], "initialize backup started"]);
    let acted = || agent.status().pointer("/fences/address_lease/acted").cloned();
    eventually("the fence has acted", acted, |acted| *acted == Some(1.into()));
    eventually("it holds again", || lab.has(1, VIP), |has| *has);
}

#[test]
fn leases_go_on_with_the_next_worker_and_nothing_else_changes() {
    let lab = Lab::with_ipv6(1);
    // Slow enough for a worker to come in time, however busy this host is.
    let every_500_ms = AdvertisementInterval::from_millis(Version::V3, 500).expect("an interval");
    let slow = |group| DesiredGroup { advertisement_interval_ms: every_500_ms, ..group };
    let groups = groups(240).into_iter().map(slow).collect();
    let agent = Agent::start_fenced(&lab, 1, groups, LEASE_ONLY, |_, _| {});
    let all = |lines: &Vec<String>| lines.len() == 4 && lines.iter().all(|line| line.contains("dynamic"));
    eventually("all are leased", || held(&lab, 1), all);
    let states = || {
        let status = agent.status();
        let groups = status["groups"].as_array().cloned().unwrap_or_default();
        groups.iter().map(|group| group["state"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    eventually("all are Active", states, |states| *states == ["active"; 3]);
    // The kernel adds those of a macvlan's multicast addresses when it gets to it.
    let shown = || {
        let listings = ["-4", "-6"].map(|family| lab.ip(1, &[family, "route", "show", "table", "all"]));
        let lines = listings.iter().flat_map(|listing| listing.lines());
        lines.filter(|line| !line.starts_with("multicast ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let routes = shown();
    let source = || lab.ip(1, &["route", "get", "10.66.0.99"]);
    assert!(source().contains("src 10.66.0.1 "), "{}", source());
    let monitor = Monitor::start(&lab, 1);
    let killed = agent.kill_worker();
    eventually("another worker", || agent.worker(), |worker| worker.is_some_and(|worker| worker != killed));

    // Longer than the kernel would keep them.
    let until = Instant::now() + LONGEST + Duration::from_millis(1_200);
    while Instant::now() < until {
        let lines = held(&lab, 1);
        assert!(all(&lines), "{lines:#?}");
        let deprecated = |line: &&String| line.contains("preferred_lft 0sec");
        assert_eq!(lines.iter().filter(deprecated).count(), 2, "those of IPv6 are never chosen: {lines:#?}");
    }
    assert_eq!(monitor.finish(), "", "nothing came or went");
    assert_eq!(shown(), routes);
    assert!(source().contains("src 10.66.0.1 "), "{}", source());
    assert_eq!(states(), ["active"; 3]);
    let status = agent.status();
    let fence = &status["fences"]["address_lease"];
    assert_eq!((&fence["state"], &fence["lapsed"]), (&"armed".into(), &0.into()), "{fence}");
}
