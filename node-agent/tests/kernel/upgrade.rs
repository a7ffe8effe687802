//! Another program, or another configuration, in the place of the one that runs.

use std::fs;
use std::process::Command;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;
use vrrp::Vrid;

use crate::agent::{Agent, PROGRAM};
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::pinger::Pinger;
use crate::router::{VIP, group};
use crate::wire::Capture;

const VIRTUAL: &str = "10.66.1.2";

/// A group that answers from the interface's MAC address, and one with a MAC address of its own.
fn groups(priority: u8) -> Vec<DesiredGroup> {
    let virtual_mac = DesiredGroup {
        id: Uuid::from_u128(52),
        name: "virtual".parse().expect("a name"),
        vrid: Vrid::new(52).expect("a VRID"),
        virtual_addresses: vec![format!("{VIRTUAL}/16").parse().expect("an address")],
        options: ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() },
        ..group(priority)
    };
    vec![group(priority), virtual_mac]
}

fn reload(agent: &Agent) {
    let parent = Pid::from_raw(i32::try_from(agent.parent.id()).expect("a pid"));
    kill(parent, Signal::SIGHUP).expect("sent");
}

fn roles(agent: &Agent) -> Vec<String> {
    let status = agent.status();
    let groups = status["groups"].as_array().cloned().unwrap_or_default();
    groups.iter().map(|group| group["state"].as_str().unwrap_or_default().to_owned()).collect()
}

fn two_agents(lab: &Lab) -> (Agent, Agent) {
    let start = |host, priority| Agent::start_groups(lab, host, groups(priority), |_, _| {});
    let (first, second) = (start(1, 240), start(2, 200));
    eventually("the first one holds", || roles(&first), |roles| *roles == ["active", "active"]);
    eventually("the second one waits", || roles(&second), |roles| *roles == ["backup", "backup"]);
    (first, second)
}

#[test]
fn on_sighup_the_program_that_is_there_by_then_goes_on_and_no_address_moves() {
    let lab = Lab::alone(3);
    let capture = Capture::start(&lab, 3, "proto 112");
    let (first, _second) = two_agents(&lab);
    let boot = first.status()["boot_id"].clone();
    let before = capture.with(&["10.66.0.2 > 224.0.0.18"]).len();
    let pingers = [VIP, VIRTUAL].map(|address| Pinger::start(&lab, 3, address, 0));
    pingers.iter().for_each(|pinger| pinger.asks(20));
    for _ in 0..3 {
        let replaced = eventually("a worker", || first.worker(), Option::is_some);
        reload(&first);
        let is_another = |worker: &Option<i32>| worker.is_some() && *worker != replaced;
        eventually("another worker", || first.worker(), is_another);
        eventually("it holds both", || roles(&first), |roles| *roles == ["active", "active"]);
        pingers.iter().for_each(|pinger| pinger.asks(20));
    }
    for pinger in pingers {
        let outcome = pinger.finish();
        eprintln!("{} echo requests, {} lost: {:?}", outcome.sent, outcome.lost.len(), outcome.lost);
        assert!(outcome.lost.is_empty(), "{outcome:?}");
    }
    assert_eq!(capture.with(&["10.66.0.2 > 224.0.0.18"]).len(), before, "the Backup has noticed nothing");
    let status = first.status();
    assert_eq!(status["boot_id"], boot, "it is still the same life of the agent");
    assert_eq!(status["worker_deaths"], 0, "who hands over has not died: {status}");
    let log = first.log();
    assert_eq!(log.matches("the worker has handed over to another").count(), 3, "{log}");
    assert!(!log.contains("the worker died"), "{log}");
}

#[test]
fn a_configuration_that_is_wrong_or_moves_the_state_changes_nothing_and_the_log_says_why() {
    let lab = Lab::alone(2);
    let (first, _second) = two_agents(&lab);
    let worker = first.worker();
    let written = fs::read_to_string(first.config_file()).expect("a configuration");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let moved = written.replace(
        &format!("state_dir = \"{}\"", first.directory.path().display()),
        &format!("state_dir = \"{}\"", elsewhere.path().display()),
    );
    assert_ne!(moved, written);
    let attempts = [("this is no configuration", "key with no value"), (moved.as_str(), "state_dir is ")];
    for (number, (text, why)) in (1..).zip(attempts) {
        fs::write(first.config_file(), text).expect("written");
        reload(&first);
        let said = |log: &String| log.matches("the agent goes on as it is").count() == number;
        let log = eventually("it says that it goes on", || first.log(), said);
        assert!(log.contains(why), "{log}");
    }
    fs::write(first.config_file(), written).expect("written");
    assert_eq!(first.worker(), worker);
    assert_eq!(roles(&first), ["active", "active"]);
}

#[test]
fn a_program_that_understands_another_layout_of_the_shared_memory_says_that_it_cannot_go_on() {
    let lab = Lab::beside_others(1);
    let agent = Agent::start(&lab, 1, 240);
    let output = Command::new(PROGRAM)
        .args(["takes-up", "--layout", "1", "--state-dir"])
        .arg(agent.directory.path())
        .arg("--config")
        .arg(agent.config_file())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the memory of the running agent has layout 0x1, this program knows"), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
}
