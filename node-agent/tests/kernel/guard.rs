//! The guard alone, with every other fence off: what happens to addresses whose worker dies or hangs.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::protocol::{MacMode, Transport};
use baton_agent::config::FenceSettings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vrrp::AdvertisementInterval;

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::monitor::Monitor;
use crate::router::{VIP, group, group_ipv6};
use crate::wire::Capture;

pub(crate) const GUARD_ALONE: FenceSettings = FenceSettings { guard: true, ..FenceSettings::NONE };
/// Enough for a parent to start a worker, and too little for the worker.
const TOO_FEW_FILES: &str = "20";
const MANY_FILES: &str = "1024";

/// Hosts 1 and 2 with these groups, of which the first holds, and a capture on a third.
pub(crate) struct Pair {
    pub(crate) lab: Lab,
    pub(crate) first: Agent,
    second: Agent,
    pub(crate) capture: Capture,
    address: String,
}

impl Pair {
    /// They advertise so seldom that on a busy machine, too, a worker is replaced before anybody moves.
    fn start(fences: FenceSettings, group: impl Fn(u8) -> DesiredGroup) -> Self {
        Self::every(100, fences, group)
    }

    pub(crate) fn every(
        centiseconds: u16,
        fences: FenceSettings,
        group: impl Fn(u8) -> DesiredGroup,
    ) -> Self {
        let lab = Lab::alone_with_ipv6(3);
        let capture = Capture::on_the_bridge(&lab, "proto 112 or ip6 proto 112");
        let start = |host, priority| {
            let mut group = with_peers(group(priority), host);
            group.advertisement_interval_ms =
                AdvertisementInterval::from_centiseconds(centiseconds).expect("an interval");
            Agent::start_fenced(&lab, host, vec![group], fences, |_, _| {})
        };
        let address = group(240).virtual_addresses.last().expect("an address").address().to_string();
        // One after the other: on a busy machine the second one could be there first, and advertise.
        let first = start(1, 240);
        eventually("the first one holds", || has(&lab, 1, &address), |has| *has);
        let second = start(2, 200);
        let state = || second.status().pointer("/groups/0/state").cloned();
        eventually("the second one waits", state, |state| *state == Some("backup".into()));
        let pair = Self { first, second, capture, address, lab };
        pair.is_held_by((true, false));
        pair
    }

    fn is_held_by(&self, holders: (bool, bool)) {
        let log = || (self.holders(), self.first.log(), self.second.log());
        eventually("the right one holds", log, |(found, ..)| *found == holders);
    }

    pub(crate) fn holders(&self) -> (bool, bool) {
        (has(&self.lab, 1, &self.address), has(&self.lab, 2, &self.address))
    }

    /// Kills the worker of the first, and returns once another has adopted what it held.
    fn lose_a_worker(&self) {
        let killed = self.first.kill_worker();
        self.is_replaced(killed);
    }

    pub(crate) fn is_replaced(&self, killed: i32) {
        let other = |worker: &Option<i32>| worker.is_some_and(|worker| worker != killed);
        eventually("another worker", || self.first.worker(), other);
        let since = self.capture.with(&["prio 240"]).len();
        self.capture.sees(since + 2, &["prio 240"]);
        assert_eq!(self.holders(), (true, false), "{}", self.first.log());
        assert!(self.capture.with(&["prio 200"]).is_empty(), "the Backup has noticed nothing");
    }

    /// From now on no worker of the first can run.
    fn deny_workers(&self) {
        limit_files(self.first.parent.id(), TOO_FEW_FILES);
    }

    fn allow_workers(&self) {
        limit_files(self.first.parent.id(), MANY_FILES);
    }

    /// How long after `since` the first resigned.
    fn resigned_after(&self, since: SystemTime) -> Duration {
        self.capture.sees(1, &["prio 0"]);
        let at = self.capture.with(&["prio 0"])[0].at;
        at.saturating_sub(since.duration_since(SystemTime::UNIX_EPOCH).expect("a time"))
    }
}

/// Makes a group of a priority.
pub(crate) type Kind = fn(u8) -> DesiredGroup;

pub(crate) fn with_virtual_mac(mut group: DesiredGroup) -> DesiredGroup {
    group.options.mac_mode = MacMode::Virtual;
    group
}

pub(crate) fn unicast(priority: u8) -> DesiredGroup {
    let mut group = group(priority);
    group.options.transport = Transport::Unicast;
    group
}

/// What the agent has to tell its server of transitions.
fn journal(agent: &Agent) -> String {
    let files = fs::read_dir(agent.directory.path().join("journal")).expect("a journal");
    let texts = files.map(|file| fs::read(file.expect("a file").path()).unwrap_or_default());
    String::from_utf8_lossy(&texts.flatten().collect::<Vec<_>>()).into_owned()
}

/// Everybody else of the pair.
fn with_peers(mut group: DesiredGroup, host: u8) -> DesiredGroup {
    if group.options.transport == Transport::Unicast {
        let other = own_address(3 - host).parse().expect("an address");
        group.peers = vec![DesiredPeer {
            name: "other".parse().expect("a name"),
            address: Some(other),
            priority: vrrp::Priority::MIN,
            external: false,
        }];
    }
    group
}

/// Whether any interface of the host has the address.
fn has(lab: &Lab, host: u8, address: &str) -> bool {
    let shown = lab.ip(host, &["-o", "address", "show"]);
    shown.split_whitespace().any(|word| word.split('/').next() == Some(address) && word.contains('/'))
}

fn limit_files(process: u32, files: &str) {
    let limit = format!("--nofile={files}:");
    let status = Command::new("prlimit").args(["--pid", &process.to_string(), &limit]).status();
    assert!(status.expect("prlimit runs").success());
}

#[test]
fn a_second_death_takes_the_address_away_once_a_backup_has_it() {
    let pair = Pair::start(GUARD_ALONE, group);
    pair.lose_a_worker();
    let monitor = Monitor::of_all(&pair.lab);
    let killed_at = SystemTime::now();
    pair.first.kill_worker();
    pair.capture.sees(1, &["10.66.0.1 > 224.0.0.18", "prio 0"]);
    let resigned = pair.resigned_after(killed_at);
    println!("kill -9 to priority 0: {:.2} ms", resigned.as_secs_f64() * 1_000.0);
    assert!(resigned < Duration::from_secs(1), "{resigned:?}");

    let removed = |seen: &[String]| seen.iter().position(|line| line.contains("[nsid 1]Deleted"));
    let seen = eventually("it goes", || monitor.seen(), |seen| removed(seen).is_some());
    let added = seen.iter().position(|line| line.contains("[nsid 2]") && line.contains(VIP));
    assert!(added.is_some() && added < removed(&seen), "bound there before it goes: {seen:#?}");
    // The next worker preempts, as its priority tells it to.
    eventually(
        "it is back",
        || monitor.seen(),
        |seen| seen.iter().any(|line| line.contains("[nsid 2]Deleted")),
    );
    pair.is_held_by((true, false));
    let guard = || pair.first.status().pointer("/fences/guard").cloned().unwrap_or_default();
    let guard = eventually("it says so", guard, |guard| guard["acted"] == 1);
    assert_eq!(guard["state"], "armed", "{guard}");
    let told = || journal(&pair.first).contains(r#""from":"active","to":"initialize","reason":"guard""#);
    let seen = || (told(), journal(&pair.first));
    eventually("it is told that it was the guard", seen, |(told, _)| *told);
}

#[test]
fn a_worker_that_cannot_be_replaced_leaves_nothing_bound() {
    let kinds: [(&str, Kind); 5] = [
        ("IPv4", group),
        ("IPv6", group_ipv6),
        ("IPv4, virtual MAC", |priority| with_virtual_mac(group(priority))),
        ("IPv6, virtual MAC", |priority| with_virtual_mac(group_ipv6(priority))),
        ("unicast", unicast),
    ];
    for (kind, group) in kinds {
        let pair = Pair::every(50, GUARD_ALONE, group);
        pair.deny_workers();
        let killed_at = SystemTime::now();
        pair.first.kill_worker();
        pair.is_held_by((false, true));
        let resigned = pair.resigned_after(killed_at);
        println!("{kind}: kill -9 to priority 0: {:.2} ms", resigned.as_secs_f64() * 1_000.0);
        assert!(resigned < Duration::from_secs(1), "{kind}: {resigned:?}");
        if kind.contains("virtual MAC") {
            // Workers are still tried. One that may run takes part as if the agent had just begun.
            pair.allow_workers();
            pair.is_held_by((true, false));
        }
    }
}

#[test]
fn without_the_guard_the_address_of_a_worker_that_cannot_be_replaced_stays() {
    let pair = Pair::every(10, FenceSettings::NONE, group);
    pair.deny_workers();
    pair.first.kill_worker();
    pair.is_held_by((true, true));
    pair.capture.sees(5, &["prio 200"]);
    assert_eq!(pair.holders(), (true, true), "two answer");
    assert!(pair.capture.with(&["prio 0"]).is_empty());
    let guard = || pair.first.log().matches("the guard").count();
    assert_eq!(guard(), 0, "{}", pair.first.log());
}

#[test]
fn a_worker_that_hangs_is_replaced_and_at_the_second_time_its_address_goes() {
    let pair = Pair::start(GUARD_ALONE, group);
    let stop = || {
        let worker = pair.first.worker().expect("a worker");
        kill(Pid::from_raw(worker), Signal::SIGSTOP).expect("stopped");
        worker
    };
    pair.is_replaced(stop());

    let stopped_at = SystemTime::now();
    stop();
    let resigned = pair.resigned_after(stopped_at);
    println!("SIGSTOP to priority 0: {:.2} ms", resigned.as_secs_f64() * 1_000.0);
    assert!(resigned < Duration::from_secs(1), "{resigned:?}");
    pair.capture.sees(1, &["10.66.0.2 > 224.0.0.18", "prio 200"]);
    let twice = |log: &String| log.matches("dataplane hung and was killed").count() == 2;
    eventually("it says so", || pair.first.log(), twice);
}

#[test]
fn an_owner_keeps_its_address_whatever_becomes_of_its_workers() {
    let lab = Lab::alone(1);
    let mut owned = group(255);
    owned.virtual_addresses = vec![format!("{}/16", own_address(1)).parse().expect("an address")];
    let agent = Agent::start_fenced(&lab, 1, vec![owned], GUARD_ALONE, |_, _| {});
    let state = || agent.status().pointer("/groups/0/state").cloned();
    eventually("Active", state, |state| *state == Some("active".into()));
    limit_files(agent.parent.id(), TOO_FEW_FILES);
    agent.kill_worker();
    let deaths = || agent.log().matches("the worker died").count();
    eventually("it has died again and again", deaths, |deaths| *deaths >= 3);
    assert!(lab.addresses(1).contains("10.66.0.1/16"), "{}", lab.addresses(1));
}

#[test]
fn a_stop_of_an_agent_without_a_worker_leaves_nothing_bound() {
    let mut pair = Pair::every(10, GUARD_ALONE, group);
    pair.deny_workers();
    pair.first.kill_worker();
    pair.first.stop(Signal::SIGTERM);
    pair.is_held_by((false, true));
}

#[test]
fn a_thousand_addresses_go_together() {
    let many = |priority| {
        let mut groups = Vec::new();
        for number in 0..10_u8 {
            let mut one = group(priority);
            one.id = uuid::Uuid::from_u128(100 + u128::from(number));
            one.name = format!("many-{number}").parse().expect("a name");
            one.vrid = vrrp::Vrid::new(100 + number).expect("a VRID");
            let address = |last: u8| format!("10.66.{}.{last}/16", 100 + number).parse().expect("an address");
            one.virtual_addresses = (1..=100).map(address).collect();
            groups.push(one);
        }
        groups
    };
    let lab = Lab::alone(2);
    let agent = Agent::start_fenced(&lab, 1, many(240), GUARD_ALONE, |_, _| {});
    let number = || lab.addresses(1).matches("/32 ").count();
    eventually("all bound", number, |number| *number == 1_000);
    limit_files(agent.parent.id(), TOO_FEW_FILES);
    agent.kill_worker();
    eventually("all gone", number, |number| *number == 0);
    let log = eventually("it says so", || agent.log(), |log| log.contains("took addresses away"));
    println!("{}", log.lines().find(|line| line.contains("took addresses away")).expect("a line"));
    assert!(log.contains("groups=10"), "{log}");
}
