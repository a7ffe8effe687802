//! A virtual address answers only while its member advertises: by the kernel alone.

mod upkeep;

use std::process::Command;
use std::time::Duration;

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::fences::{FenceState, FenceStatus};
use api_types::protocol::{MacMode, ProtocolOptions, Transport};
use api_types::transition::State;
use baton_agent::config::FenceSettings;
use baton_agent::dataplane::Seams;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Priority, Version};

use crate::agent::Agent;
use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::macvlan;
use crate::pinger::Pinger;
use crate::router::{GLOBAL, LINK_LOCAL, Router, VIP, group, group_ipv6};
use crate::wire::Capture;

/// No other fence, so that what is seen is this one's work.
const ALONE: FenceSettings = FenceSettings { nftables_lease: true, ..FenceSettings::NONE };
const ADDRESSES: [&str; 3] = [VIP, GLOBAL, LINK_LOCAL];
const TABLE: &str = "baton_0badcafe";

fn router(lab: &Lab, host: u8) -> Router {
    Router::start_fenced(lab, host, Seams::real(), ALONE)
}

/// One group of each family.
fn both(priority: u8, mac_mode: MacMode) -> Vec<DesiredGroup> {
    let set =
        |group| DesiredGroup { options: ProtocolOptions { mac_mode, ..ProtocolOptions::default() }, ..group };
    let ipv6 = DesiredGroup {
        id: Uuid::from_u128(66),
        name: "web6".parse().expect("a name"),
        ..group_ipv6(priority)
    };
    vec![set(group(priority)), set(ipv6)]
}

fn every(group: DesiredGroup, milliseconds: u32) -> DesiredGroup {
    let interval = AdvertisementInterval::from_millis(Version::V3, milliseconds).expect("an interval");
    DesiredGroup { advertisement_interval_ms: interval, ..group }
}

/// What `nft` says to this on a host.
fn nft(lab: &Lab, host: u8, words: &str) -> String {
    run_nft(lab, host, &[words])
}

fn run_nft(lab: &Lab, host: u8, arguments: &[&str]) -> String {
    let output = Command::new("ip").args(["netns", "exec", &lab.host(host), "nft"]).args(arguments).output();
    let output = output.expect("nft runs");
    assert!(output.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The rules of the leases as `nft` lists them, without what the sets hold.
fn rules(lab: &Lab, host: u8) -> String {
    run_nft(lab, host, &["-t", "list", "ruleset", "netdev"])
}

fn status(router: &Router) -> FenceStatus {
    router.snapshot().fences.nftables_lease
}

fn is_armed(router: &Router) {
    eventually("it is armed", || status(router), |status| status.state == FenceState::Armed);
}

fn pingers(lab: &Lab, host: u8) -> Vec<Pinger> {
    let scope = |address: &str| if address == LINK_LOCAL { lab.scope(host) } else { 0 };
    ADDRESSES.map(|address| Pinger::start(lab, host, address, scope(address))).into()
}

fn lose_nothing(pingers: Vec<Pinger>) {
    for (address, pinger) in ADDRESSES.iter().zip(pingers) {
        let outcome = pinger.finish();
        eprintln!("{address}: {} echo requests, {} lost", outcome.sent, outcome.lost.len());
        assert!(outcome.lost.is_empty() && outcome.sent > 20, "{address}: {outcome:?}");
    }
}

/// Waits until none of the clients has been answered for a quarter of a second.
fn are_silent(pingers: &[Pinger]) {
    for pinger in pingers {
        let unanswered = || pinger.asked().saturating_sub(pinger.answered());
        within(Duration::from_secs(3), "silence", unanswered, |unanswered| *unanswered >= 50);
    }
}

/// How long after the last advertisement of host 1 the last answer of each address came.
fn last_answers(capture: &Capture) -> Vec<(&'static str, f64)> {
    let last = |words: &[&str]| capture.with(words).last().map(|line| line.at).expect("some");
    let ends = |address: &'static str| {
        let source = if address == VIP { "10.66.0.1 > 224.0.0.18" } else { "fe80::1 > ff02::12" };
        let advertised = last(&[source, "prio 240"]);
        let answered = last(&["echo reply", &format!(" {address} > ")]);
        (address, answered.as_secs_f64() - advertised.as_secs_f64())
    };
    ADDRESSES.map(ends).into()
}

#[test]
fn a_bound_address_is_silent_three_intervals_after_the_last_word_of_a_dead_or_frozen_agent() {
    for mac_mode in [MacMode::Interface, MacMode::Virtual] {
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            let lab = Lab::alone_with_ipv6(2);
            let capture = Capture::start(&lab, 2, "proto 112 or icmp or icmp6");
            let agent = Agent::start_fenced(&lab, 1, both(240, mac_mode), ALONE, |_, _| {});
            let armed = || agent.status().pointer("/fences/nftables_lease/state").cloned();
            eventually("it is armed", armed, |state| *state == Some("armed".into()));
            let pingers = pingers(&lab, 2);
            for pinger in &pingers {
                eventually("it answers", || pinger.answered(), |answered| *answered > 20);
            }
            let worker = agent.worker().expect("a worker");
            let parent = i32::try_from(agent.parent.id()).expect("a pid");
            for process in [parent, worker] {
                kill(Pid::from_raw(process), signal).expect("sent");
            }
            are_silent(&pingers);
            let is_bound = match mac_mode {
                MacMode::Interface => lab.has(1, VIP),
                MacMode::Virtual => macvlan::holds(&lab, 1, &ADDRESSES),
            };
            assert!(is_bound, "nothing has removed the addresses");
            for (address, after) in last_answers(&capture) {
                eprintln!("{mac_mode:?}, {signal}: {address} answered until {:.1} ms after", after * 1e3);
                assert!((0.0..1.5).contains(&after), "{address}: {after} s");
            }
            let reached = Pinger::start(&lab, 2, "10.66.0.1", 0);
            eventually("its own address answers", || reached.answered(), |answered| *answered > 10);
            // And nobody is told anything of the addresses by whoever asks anew.
            lab.ip(2, &["neighbour", "flush", "dev", "eth0"]);
            lab.ip(2, &["-6", "neighbour", "flush", "dev", "eth0"]);
            let asked = capture.with(&["neighbor solicitation", &format!("who has {GLOBAL}")]).len();
            capture.sees(asked + 1, &["neighbor solicitation", &format!("who has {GLOBAL}")]);
            for address in [VIP, GLOBAL] {
                let entry = lab.ip(2, &["neighbour", "show", address]);
                assert!(!entry.contains("lladdr"), "{entry}");
            }
        }
    }
}

#[test]
fn take_over_give_back_and_stop_lose_nothing_while_the_lease_is_armed() {
    for mac_mode in [MacMode::Interface, MacMode::Virtual] {
        let lab = Lab::alone_with_ipv6(3);
        let one = router(&lab, 1);
        one.apply(1, both(200, mac_mode));
        one.reaches(State::Active, 2);
        is_armed(&one);
        let pingers = pingers(&lab, 3);
        pingers[0].asks(40);
        // From the virtual MAC address both speak.
        let capture = Capture::start(&lab, 3, "ether src 02:00:00:00:00:02 and (arp or proto 112)");
        let two = router(&lab, 2);
        two.apply(1, both(240, mac_mode));
        is_armed(&two);
        two.reaches(State::Active, 2);
        one.reaches(State::Backup, 4);
        if mac_mode == MacMode::Interface {
            let announcements = capture.sees(1, &[VIP, "is-at"]);
            let advertisements = capture.sees(1, &["10.66.0.2 > 224.0.0.18", "prio 240"]);
            assert!(advertisements[0].at < announcements[0].at, "{:#?}", capture.lines());
        }
        pingers[0].asks(40);
        two.stop();
        one.reaches(State::Active, 4);
        pingers[0].asks(40);
        lose_nothing(pingers);
        assert_eq!((status(&one).acted, status(&one).lapsed), (0, 0));
        assert_eq!(rules(&lab, 2), "", "an agent that has stopped leaves no rules");
    }
}

#[test]
fn a_backup_that_has_the_address_is_silent_until_it_takes_over_and_learns_who_holds_it() {
    let lab = Lab::alone(3);
    let holder = Router::running(&lab, 2, group(240));
    holder.reaches(State::Active, 1);
    let backup = router(&lab, 1);
    backup.apply(1, vec![group(200)]);
    backup.reaches(State::Backup, 1);
    is_armed(&backup);
    lab.ip(1, &["neighbour", "replace", VIP, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "stale"]);
    // Rules that are new are lenient for three intervals.
    let lease = || nft(&lab, 1, "list ruleset netdev");
    eventually("no lease", lease, |shown| shown.contains("set v4_") && !shown.contains("elements"));
    lab.ip(1, &["address", "add", &format!("{VIP}/32"), "dev", "eth0"]);
    let capture = Capture::start(&lab, 3, "arp");
    for _ in 0..3 {
        lab.ip(3, &["neighbour", "flush", "dev", "eth0"]);
        let before = capture.with(&["Reply", VIP]).len();
        let client = Pinger::start(&lab, 3, VIP, 0);
        client.asks(20);
        capture.sees(before + 1, &["Reply", VIP]);
        assert!(client.finish().lost.is_empty());
    }
    let replies = capture.with(&["Reply", VIP]);
    assert!(replies.iter().all(|line| line.text.contains("02:00:00:00:00:02")), "{replies:#?}");
    lab.ip(1, &["address", "del", &format!("{VIP}/32"), "dev", "eth0"]);

    // A request whose sender is the address itself: the form of an announcement that asks for it, too.
    lab.ip(1, &["neighbour", "replace", VIP, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "stale"]);
    let announce = "-U -c 1 -I eth0 -s";
    let mut arping = Command::new("ip");
    arping.args(["netns", "exec", &lab.host(2), "arping"]).args(announce.split(' ')).args([VIP, VIP]);
    assert!(arping.output().expect("arping runs").status.success());
    let entry = || lab.ip(1, &["neighbour", "show", VIP]);
    eventually("it learns", entry, |entry| entry.contains("02:00:00:00:00:02"));

    let client = Pinger::start(&lab, 3, VIP, 0);
    client.asks(40);
    holder.stop();
    backup.reaches(State::Active, 1);
    client.asks(40);
    assert!(client.finish().lost.is_empty());
}

#[test]
fn what_the_kernel_silenced_of_a_killed_agent_is_recorded_by_the_next_start() {
    for mac_mode in [MacMode::Interface, MacMode::Virtual] {
        let lab = Lab::alone(1);
        let options = ProtocolOptions { mac_mode, ..ProtocolOptions::default() };
        let holder = DesiredGroup { options, ..group(240) };
        let mut agent = Agent::start_fenced(&lab, 1, vec![holder], ALONE, |_, _| {});
        let lease = || run_nft(&lab, 1, &["list", "ruleset", "netdev"]);
        eventually(
            "it is Active",
            || agent.transitions(),
            |all| all.iter().any(|one| one.contains(" active ")),
        );
        eventually("it has its lease", lease, |rules| {
            rules.contains("elements") && rules.contains("update @")
        });
        agent.kill_parent();
        agent.kill_worker();
        eventually("the lease is over", lease, |rules| {
            rules.contains("set v4_") && !rules.contains("expires")
        });
        agent.start_again(&lab, 1);
        let ends = |lines: &Vec<String>| lines.iter().any(|line| line == "active initialize nftables_lease");
        let lines = eventually("it says what has happened", || agent.transitions(), ends);
        let first = lines.iter().position(|line| line == "active initialize nftables_lease");
        assert_eq!(first.map(|first| &lines[first - 1]), Some(&"backup active no_response".to_owned()));
        let acted = || agent.status().pointer("/fences/nftables_lease/acted").cloned();
        eventually("the fence has acted", acted, |acted| *acted == Some(1.into()));
        let again = |lines: &Vec<String>| lines.iter().filter(|line| line.contains(" active ")).count() == 2;
        let lines = eventually("it holds again", || agent.transitions(), again);
        let ended = lines.iter().filter(|line| line.starts_with("active ")).count();
        assert_eq!(ended, 1, "once: {lines:?}");
    }
}
