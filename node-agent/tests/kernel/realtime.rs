//! What the kernel grants the agent so that nothing else on the host delays it.

use std::fs;

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::router::VIP;

/// `SCHED_FIFO` in `sched(7)`.
const FIFO: &str = "1";

/// The threads of a process: their names, and their scheduling policies as `/proc` shows them.
fn policies(process: u32) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("a process");
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stats
        .map(|stat| {
            // `proc_pid_stat(5)`: field 2 is the name in parentheses, field 41 the policy.
            let (before, fields) = stat.rsplit_once(") ").expect("a name");
            let name = before.split_once('(').expect("a name").1;
            (name.to_owned(), fields.split(' ').nth(41 - 3).expect("a policy").to_owned())
        })
        .collect()
}

fn locked_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("VmLck");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The process of a worker other than `before`, once it hurries no longer.
fn only_the_dataplane_is_in_real_time(agent: &Agent, before: Option<u32>) -> u32 {
    let worker = || agent.worker().and_then(|worker| u32::try_from(worker).ok());
    let is_new = |worker: &Option<u32>| worker.is_some() && *worker != before;
    let worker = eventually("a worker", worker, is_new).expect("a worker");
    let settled = |policies: &Vec<(String, String)>| {
        let is_as_it_should = |(name, policy): &(String, String)| {
            (policy == FIFO) == ["dataplane", "nft renewals", "netlink"].contains(&name.as_str())
        };
        policies.len() > 1 && policies.iter().all(is_as_it_should)
    };
    eventually(
        "only its dataplane and what changes the kernel for it are in real time",
        || policies(worker),
        settled,
    );
    worker
}

#[test]
fn dataplane_and_parent_are_scheduled_in_real_time_with_locked_memory_and_control_is_not() {
    let lab = Lab::alone(1);
    let agent = Agent::start(&lab, 1, 240);
    eventually("it holds", || lab.has(1, VIP), |has| *has);
    let realtime = eventually(
        "it answers",
        || agent.status().pointer("/realtime").cloned().unwrap_or_default(),
        |realtime| realtime["scheduling"] == "fifo",
    );
    assert_eq!(realtime["memory_locked"], true, "{realtime}");

    let worker = only_the_dataplane_is_in_real_time(&agent, None);
    agent.kill_worker();
    let worker = only_the_dataplane_is_in_real_time(&agent, Some(worker));
    let parent = agent.parent.id();
    assert!(policies(parent).iter().all(|(_, policy)| policy == FIFO), "{:?}", policies(parent));
    for process in [worker, parent] {
        assert!(locked_kib(process) > 1_024, "{} KiB of process {process} are locked", locked_kib(process));
    }
}
