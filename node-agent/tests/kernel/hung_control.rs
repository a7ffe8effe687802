//! An agent whose control half hangs while its dataplane goes on. Addresses do not depend on it.

use std::fs;
use std::time::{Duration, Instant};

use api_types::channel::DesiredGroup;
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use vrrp::{AdvertisementInterval, Version};

use crate::agent::Agent;
use crate::eventually::{BOUND, eventually, within};
use crate::lab::Lab;
use crate::router::{VIP, group};
use crate::wire::Capture;

/// The threads of a worker's control half, kept from running for as long as this lives, or until the worker
/// is dead.
struct Hung(Vec<Pid>);

impl Hung {
    /// The main thread, which waits for the end, and those of the runtime.
    fn control_of(agent: &Agent) -> Self {
        let worker = eventually("a worker", || agent.worker(), Option::is_some).expect("a worker");
        let names =
            |thread: &fs::DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        let threads = fs::read_dir(format!("/proc/{worker}/task")).expect("a process").flatten();
        let is_control = |thread: &fs::DirEntry| {
            thread.file_name().to_str() == Some(&worker.to_string()) || names(thread).trim() == "control"
        };
        let numbers = threads.filter(is_control).map(|thread| thread.file_name());
        let threads: Vec<_> = numbers
            .map(|number| {
                Pid::from_raw(number.to_str().and_then(|text| text.parse().ok()).expect("a number"))
            })
            .collect();
        assert!(threads.len() >= 2, "the main thread and those of the runtime: {threads:?}");
        for thread in &threads {
            ptrace::seize(*thread, ptrace::Options::empty()).expect("traced");
            ptrace::interrupt(*thread).expect("told to halt");
            waitpid(*thread, Some(WaitPidFlag::__WALL)).expect("halted");
        }
        Self(threads)
    }

    /// Whether they were killed. Until somebody who traces them has asked, their process does not end.
    fn are_dead(&self) -> bool {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        let is_dead = |thread: &Pid| match waitpid(*thread, Some(flags)) {
            Ok(status) => matches!(status, WaitStatus::Signaled(..) | WaitStatus::Exited(..)),
            Err(errno) => errno == Errno::ECHILD,
        };
        // The main thread counts as dead only once the others have been asked for.
        self.0.iter().rev().filter(|thread| is_dead(thread)).count() == self.0.len()
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        for thread in &self.0 {
            let _unless_dead = ptrace::detach(*thread, None::<Signal>);
        }
    }
}

/// The first holds. The second one is started after that: on a busy machine it could be there first.
fn two_agents(lab: &Lab) -> (Agent, Agent) {
    let first = Agent::start(lab, 1, 240);
    eventually("the first one holds", || lab.has(1, VIP), |has| *has);
    let second = Agent::start(lab, 2, 200);
    let state = || second.status().pointer("/groups/0/state").cloned();
    eventually("the second one waits", state, |state| *state == Some("backup".into()));
    (first, second)
}

fn tell_to_stop(agent: &Agent) {
    let parent = Pid::from_raw(i32::try_from(agent.parent.id()).expect("a pid"));
    kill(parent, Signal::SIGTERM).expect("sent");
}

fn exit_code(agent: &mut Agent) -> Option<i32> {
    let ended = || agent.parent.try_wait().expect("a child");
    within(BOUND * 3, "it ends", ended, Option::is_some).and_then(|status| status.code())
}

#[test]
fn a_backup_whose_control_hangs_takes_over_all_the_same_and_tells_of_it_later() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "proto 112");
    let (mut first, second) = two_agents(&lab);
    let hung = Hung::control_of(&second);
    assert_eq!(first.stop(Signal::SIGTERM).code(), Some(0));
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (false, true));
    capture.sees(20, &["10.66.0.2 > 224.0.0.18", "prio 200"]);
    assert!(lab.has(2, VIP));
    let taken_over = |log: &String| log.contains(r#"from="backup" to="active""#);
    assert!(!taken_over(&second.log()), "it hangs: {}", second.log());
    drop(hung);
    eventually("it is told", || second.log(), taken_over);
    assert_eq!(second.status()["worker_deaths"], 0, "nobody has minded");
}

#[test]
fn an_agent_whose_control_hangs_hands_over_when_it_is_told_to_stop() {
    let lab = Lab::new(2);
    let (mut first, _second) = two_agents(&lab);
    let hung = Hung::control_of(&first);
    tell_to_stop(&first);
    within(BOUND * 3, "the worker is killed", || (hung.are_dead(), first.log()), |(dead, _)| *dead);
    let code = exit_code(&mut first);
    let log = first.log();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (false, true));
    assert!(log.contains("control half hung, so it could not stop"), "{log}");
}

#[test]
fn a_stop_that_takes_longer_than_control_may_hang_is_not_cut_short() {
    let lab = Lab::beside_others(1);
    lab.ip(1, &["address", "add", &format!("{VIP}/16"), "dev", "eth0"]);
    let interval = AdvertisementInterval::from_millis(Version::V3, 3_000).expect("an interval");
    // An owner is Active at once, and keeps its address for two intervals when nobody takes over.
    let owner = DesiredGroup { advertisement_interval_ms: interval, ..group(255) };
    let mut agent = Agent::start_group(&lab, 1, owner, |_, _| {});
    let state = || agent.status().pointer("/groups/0/state").cloned();
    eventually("it holds", state, |state| *state == Some("active".into()));
    let began = Instant::now();
    tell_to_stop(&agent);
    let code = exit_code(&mut agent);
    let took = began.elapsed();
    let log = agent.log();
    assert_eq!(code, Some(0), "{log}");
    assert!(took > Duration::from_millis(5_500), "too short to tell: {took:?}");
    assert!(!log.contains("the worker"), "none has died: {log}");
}
