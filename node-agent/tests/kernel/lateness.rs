//! What an agent says of itself that its host did not let run in time.

use std::time::Duration;

use api_types::channel::DesiredGroup;
use baton_agent::config::FenceSettings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vrrp::{AdvertisementInterval, Version};

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::router::{VIP, group};
use crate::wire::Capture;

#[test]
fn a_worker_that_was_kept_from_running_for_longer_than_an_interval_counts_it_and_says_so() {
    let lab = Lab::alone(2);
    let every_200_ms = AdvertisementInterval::from_millis(Version::V3, 200).expect("an interval");
    let slow = DesiredGroup { advertisement_interval_ms: every_200_ms, ..group(240) };
    let agent = Agent::start_fenced(&lab, 1, vec![slow], FenceSettings::NONE, |_, _| {});
    eventually("it holds", || lab.has(1, VIP), |has| *has);
    let counters = || agent.status().pointer("/groups/0/counters").cloned().unwrap_or_default();
    eventually("it has advertised", counters, |counters| counters["advertisement_sent"].as_u64() > Some(1));
    let late = |counters: &serde_json::Value| {
        (counters["advertisements_late"].as_u64(), counters["longest_lateness_us"].as_u64())
    };
    let before = late(&counters());

    let worker = Pid::from_raw(agent.worker().expect("a worker"));
    let capture = Capture::start(&lab, 2, "proto 112");
    // Right after an advertisement, so that the next but one has come due and no Backup would have given up.
    capture.sees(1, &["prio 240"]);
    kill(worker, Signal::SIGSTOP).expect("stopped");
    std::thread::sleep(Duration::from_millis(500));
    kill(worker, Signal::SIGCONT).expect("goes on");
    let seen = eventually("it is counted", counters, |counters| late(counters).0 > before.0);
    assert!(late(&seen).1 > Some(200_000), "{seen}");
    let said = |log: &String| log.contains("more than an interval late") && log.contains("of group web");
    eventually("it says so", || agent.log(), said);
    assert_eq!(agent.status().pointer("/groups/0/state"), Some(&"active".into()));
}
