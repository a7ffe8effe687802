//! Checks of a real agent: what they do to an address, and what they cannot do to the dataplane.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use api_types::channel::DesiredGroup;
use api_types::check::CheckSpec;
use baton_agent::config::FenceSettings;
use nix::sys::signal::Signal;
use serde_json::json;
use vrrp::{AdvertisementInterval, Version};

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::router::{VIP, group};

/// How long the programs of the checks sleep: what tells them from all others.
const MARKER: &str = "4712.5";

/// Programs that do what they should not, and the policy that declares them.
fn declare(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("changed");
    let programs = [
        ("hangs", format!("trap '' TERM; setsid sleep {MARKER} & while :; do sleep {MARKER}; done")),
        ("floods", "head -c 104857600 /dev/zero; exit 3".to_owned()),
        ("forks-away", format!("(setsid sh -c 'sleep {MARKER} & sleep {MARKER}' &); exit 0")),
        ("burns", "while :; do :; done".to_owned()),
        ("passes", format!("test -e {}/up", directory.display())),
    ];
    let mut policy = String::new();
    for (name, text) in programs {
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("changed");
        policy += &format!("[scripts.{name}]\npath = {path:?}\n");
    }
    fs::write(directory.join("policy.toml"), policy).expect("written");
}

fn script(name: &str) -> CheckSpec {
    let spec = json!({"name": name, "probe": {"kind": "script", "script": name}, "interval_ms": 50,
                      "timeout_ms": 400, "rise": 1, "fall": 1});
    serde_json::from_value(spec).expect("a check")
}

fn tracking(group: DesiredGroup, tracked: &[(&str, i16)]) -> DesiredGroup {
    let track = |(check, weight): &(&str, i16)| {
        serde_json::from_value(json!({"check": check, "weight": weight})).expect("a track")
    };
    DesiredGroup { track: tracked.iter().map(track).collect(), ..group }
}

/// How many processes sleep for so long as the programs here do.
fn left() -> usize {
    let processes = fs::read_dir("/proc").expect("readable").flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let is_it =
        |line: &Vec<u8>| line.split(|octet| *octet == 0).any(|argument| argument == MARKER.as_bytes());
    lines.filter(is_it).count()
}

#[test]
fn programs_that_hang_flood_fork_and_burn_delay_no_advertisement_and_leave_nothing() {
    let lab = Lab::alone(1);
    let every_10_ms = AdvertisementInterval::from_millis(Version::V3, 10).expect("an interval");
    let fast = DesiredGroup { advertisement_interval_ms: every_10_ms, ..group(240) };
    let bad = ["hangs", "floods", "forks-away", "burns"];
    let tracked = bad.map(|name| (name, -1_i16));
    let checks = bad.map(script).to_vec();
    let groups = vec![tracking(fast, &tracked)];
    let mut agent = Agent::start_checking(&lab, 1, groups, checks, FenceSettings::NONE, |_, directory| {
        declare(directory);
    });
    let status = |path: &str| agent.status().pointer(path).cloned().unwrap_or_default();
    let number = |path: &str| status(path).as_u64().unwrap_or_default();
    eventually("it holds", || lab.has(1, VIP), |has| *has);
    // All but the one that only forks away fail, and each costs 1.
    eventually("they have run", || number("/groups/0/effective_priority"), |priority| *priority == 237);
    let sent = || number("/groups/0/counters/advertisement_sent");
    let before = (sent(), number("/groups/0/counters/advertisements_late"));
    eventually("it has advertised for 3 s", sent, |sent| *sent >= before.0 + 300);
    assert_eq!(number("/groups/0/counters/advertisements_late"), before.1, "{}", agent.log());
    assert_eq!(status("/groups/0/state"), "active");
    assert!(status("/groups/0/checks/0/detail").as_str().is_some_and(|detail| !detail.is_empty()));

    let worker = agent.kill_worker();
    eventually("another worker holds", || agent.worker(), |now| now.is_some_and(|now| now != worker));
    assert_eq!(agent.stop(Signal::SIGTERM).code(), Some(0), "{}", agent.log());
    eventually("nothing is left of any run", left, |left| *left == 0);
}

#[test]
fn an_address_leaves_a_host_whose_program_fails_and_comes_back_with_it() {
    let lab = Lab::new(2);
    let path = |directory: &Path| fs::write(directory.join("up"), "").expect("written");
    let start = |host, priority| {
        let groups = vec![tracking(group(priority), &[("passes", 0)])];
        let checks = vec![script("passes")];
        let agent = Agent::start_checking(&lab, host, groups, checks, FenceSettings::NONE, |_, directory| {
            declare(directory);
            path(directory);
        });
        eventually(
            "its check passes",
            || agent.status(),
            |status| status.pointer("/groups/0/checks/0/passing") == Some(&true.into()),
        );
        agent
    };
    let first = start(1, 240);
    eventually("the first one holds", || lab.has(1, VIP), |has| *has);
    let _second = start(2, 200);
    fs::remove_file(first.directory.path().join("up")).expect("removed");
    eventually("the other one holds", || (lab.has(1, VIP), lab.has(2, VIP)), |has| *has == (false, true));
    let fault = || first.status().pointer("/groups/0/fault").cloned().unwrap_or_default();
    eventually("it says why", fault, |fault| {
        fault.as_str().is_some_and(|fault| fault.starts_with("check passes fails: exit status 1"))
    });
    path(first.directory.path());
    eventually("it comes back", || (lab.has(1, VIP), lab.has(2, VIP)), |has| *has == (true, false));
    let told = first.transitions();
    assert!(told.iter().any(|told| told == "active fault check_failed"), "{told:?}");
}

#[test]
fn a_server_that_asks_for_more_than_the_policy_allows_gets_nothing_bound() {
    let lab = Lab::beside_others(1);
    let greedy = tracking(group(240), &[("passes", 0)]);
    let checks = vec![script("passes")];
    let agent = Agent::start_checking(&lab, 1, vec![greedy], checks, FenceSettings::NONE, |_, directory| {
        let policy = "interfaces = [\"lan*\"]\naddresses = [\"10.66.2.0/24\"]\nvrids = [\"1-50\"]\n\
                          minimum_interval_ms = 1000\n";
        fs::write(directory.join("policy.toml"), policy).expect("written");
    });
    let reasons = || agent.status().pointer("/rejection/reasons").cloned().unwrap_or_default();
    let reasons = eventually("it is refused", reasons, |reasons| !reasons.is_null());
    let reasons: Vec<_> = reasons
        .as_array()
        .into_iter()
        .flatten()
        .map(|reason| reason["detail"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(
        reasons,
        [
            "interface: the policy of this host does not allow eth0: allowed is lan*",
            "virtual_addresses: the policy of this host does not allow 10.66.1.51: allowed is 10.66.2.0/24",
            "vrid: the policy of this host does not allow 51: allowed is 1-50",
            "advertisement_interval_ms: the policy of this host does not allow 100: allowed are 1000 and more",
        ]
    );
    assert!(!lab.has(1, VIP) && agent.status()["groups"] == json!([]));
}
