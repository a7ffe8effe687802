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

#[test]
fn dataplane_and_parent_are_scheduled_in_real_time_with_locked_memory_and_control_is_not() {
    let lab = Lab::new(1);
    let agent = Agent::start(&lab, 1, 240);
    eventually("it holds", || lab.has(1, VIP), |has| *has);
    let realtime = eventually(
        "it answers",
        || agent.status().pointer("/realtime").cloned().unwrap_or_default(),
        |realtime| realtime["scheduling"] == "fifo",
    );
    assert_eq!(realtime["memory_locked"], true, "{realtime}");

    let worker = u32::try_from(agent.worker().expect("a worker")).expect("a process id");
    // What keeps the kernel from silencing addresses must not come late either.
    let urgent = |name: &str| ["dataplane", "nft renewals"].contains(&name);
    // Each thread asks for itself, once it runs.
    let all_asked = |policies: &Vec<(String, _)>| {
        policies.iter().filter(|(name, policy)| urgent(name) && *policy == FIFO).count() == 2
    };
    let seen = eventually("both are urgent", || policies(worker), all_asked);
    for (name, policy) in seen {
        assert_eq!(policy == FIFO, urgent(&name), "{name} of the worker has policy {policy}");
    }
    let parent = agent.parent.id();
    assert!(policies(parent).iter().all(|(_, policy)| policy == FIFO), "{:?}", policies(parent));
    for process in [worker, parent] {
        assert!(locked_kib(process) > 1_024, "{} KiB of process {process} are locked", locked_kib(process));
    }
}
