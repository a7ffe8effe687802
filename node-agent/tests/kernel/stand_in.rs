//! Between the death of a worker and the next one that has taken up what it held, the parent speaks for the
//! groups.

use std::fs;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use api_types::channel::DesiredGroup;
use baton_agent::config::FenceSettings;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use vrrp::AdvertisementInterval;

use crate::agent::Agent;
use crate::eventually::eventually;
use crate::freezer::Freezer;
use crate::guard::{GUARD_ALONE, Kind, Pair, unicast, with_virtual_mac};
use crate::lab::Lab;
use crate::router::{VIP, group, group_ipv6};
use crate::wire::Capture;

/// Every 500 ms: so seldom that on a busy machine, too, a worker that has waited begins before anybody moves.
const INTERVAL: u16 = 50;

/// A disk that takes its time: who reads the desired state waits until it is told to go on.
struct SlowDisk {
    path: std::path::PathBuf,
    contents: Vec<u8>,
}

impl SlowDisk {
    fn of(directory: &Path) -> Self {
        let path = directory.join("desired-state");
        let contents = fs::read(&path).expect("a desired state");
        fs::remove_file(&path).expect("removed");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
        Self { path, contents }
    }

    /// Answers whoever reads, or reads next.
    fn answer(self) -> JoinHandle<()> {
        thread::spawn(move || {
            // A worker that is killed meanwhile has read nothing, and the next one asks again.
            let _unread = fs::write(&self.path, &self.contents);
        })
    }
}

fn speaks_for(kind: &str, group: Kind, fences: FenceSettings, die: impl Fn(&Pair) -> i32) {
    let pair = Pair::every(INTERVAL, fences, group);
    let disk = SlowDisk::of(pair.first.directory.path());
    let sent = || pair.capture.with(&["prio 240"]).len();
    pair.capture.sees(sent() + 1, &["prio 240"]);
    let killed = die(&pair);
    pair.capture.sees(sent() + 1, &["prio 240"]);
    let adopted = pair.first.log().matches("desired state applied").count();
    assert_eq!(adopted, 1, "{kind}: no worker has taken it up yet\n{}", pair.first.log());
    let answered = disk.answer();
    pair.is_replaced(killed);
    answered.join().expect("it was read");
    let log = pair.first.log();
    assert!(!log.contains("the guard took addresses away"), "{kind}\n{log}");
}

fn kill_worker(pair: &Pair) -> i32 {
    pair.first.kill_worker()
}

#[test]
fn a_group_whose_worker_has_died_is_advertised_until_the_next_one_takes_it_up() {
    let kinds: [(&str, Kind); 2] =
        [("IPv6, virtual MAC", |priority| with_virtual_mac(group_ipv6(priority))), ("unicast", unicast)];
    for (kind, group) in kinds {
        speaks_for(kind, group, GUARD_ALONE, kill_worker);
    }
}

#[test]
fn so_is_one_whose_worker_hung() {
    speaks_for("IPv4", group, FenceSettings::default(), |pair| {
        let worker = pair.first.worker().expect("a worker");
        kill(Pid::from_raw(worker), Signal::SIGSTOP).expect("stopped");
        worker
    });
}

#[test]
fn a_group_that_no_worker_takes_up_is_not_advertised_for_ever() {
    let pair = Pair::every(INTERVAL, GUARD_ALONE, group);
    let _never_answers = SlowDisk::of(pair.first.directory.path());
    // The next advertisement is due an interval from now.
    pair.capture.sees(pair.capture.with(&["prio 240"]).len() + 1, &["prio 240"]);
    pair.first.kill_worker();
    let killed_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is set");
    eventually("the other one holds", || pair.holders(), |holders| *holders == (false, true));
    let other = pair.capture.sees(1, &["prio 200"])[0].at;
    let spoken: Vec<_> =
        pair.capture.with(&["prio 240"]).iter().map(|line| line.at).filter(|at| *at > killed_at).collect();
    assert!(!spoken.is_empty(), "the parent spoke for it at first");
    assert!(spoken.iter().all(|at| *at < other), "{spoken:?}, and the other one at {other:?}");
    let log = || pair.first.log().contains("did not take up in time what the one before it held");
    eventually("it says why", log, |said| *said);
}

fn seldom(priority: u8) -> DesiredGroup {
    let interval = AdvertisementInterval::from_centiseconds(INTERVAL).expect("an interval");
    DesiredGroup { advertisement_interval_ms: interval, ..group(priority) }
}

/// An agent whose worker takes a second to end after its dataplane: it waits for a disk that hangs.
fn agent_that_ends_slowly(lab: &Lab) -> (Agent, Freezer) {
    let (agent, disk) = Agent::start_on_disk(lab, seldom(240), GUARD_ALONE);
    agent.kill_worker_as_disk_hangs(&disk);
    let taken_up = |log: &String| log.matches("desired state applied").count() == 2;
    eventually("another worker has taken up the group", || agent.log(), taken_up);
    (agent, disk)
}

/// Whether the dataplane of a worker has ended.
fn has_no_dataplane(worker: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{worker}/task")).into_iter().flatten().flatten();
    let mut names = threads.map(|thread| fs::read_to_string(thread.path().join("comm")).unwrap_or_default());
    names.all(|name| name.trim() != "dataplane")
}

#[test]
fn so_is_one_whose_worker_has_handed_over_and_not_yet_ended() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "proto 112");
    let (first, disk) = agent_that_ends_slowly(&lab);
    let _second = Agent::start_fenced(&lab, 2, vec![seldom(200)], GUARD_ALONE, |_, _| {});
    let tell = |worker, signal| kill(Pid::from_raw(worker), signal).expect("sent");
    let old = first.worker().expect("a worker");

    tell(i32::try_from(first.parent.id()).expect("a pid"), Signal::SIGHUP);
    let new = eventually("a new worker", || first.workers(), |workers| workers.len() == 2);
    let new = new.into_iter().find(|worker| *worker != old).expect("the new one");
    let ready = |log: &String| log.matches("starting from the stored desired state").count() == 3;
    eventually("it is ready", || first.log(), ready);
    tell(new, Signal::SIGSTOP);
    // As it does itself, unless it was too late for that.
    tell(old, Signal::SIGUSR1);
    eventually("the dataplane of the old one has ended", || has_no_dataplane(old), |ended| *ended);
    tell(old, Signal::SIGSTOP);
    let sent = capture.with(&["prio 240"]).len();
    capture.sees(sent + 1, &["prio 240"]);
    assert!(lab.has(1, VIP));

    tell(new, Signal::SIGCONT);
    // For longer than anybody else would speak.
    capture.sees(sent + 4, &["prio 240"]);
    assert!(!first.log().contains("the worker that handed over"), "it lives: {}", first.log());
    disk.thaw();
    tell(old, Signal::SIGCONT);
    let ended = |log: &String| log.contains("the worker that handed over has ended");
    eventually("it says how the old one has ended", || first.log(), ended);
    assert_eq!(first.workers(), [new]);
    assert!(capture.with(&["prio 200"]).is_empty(), "the Backup has noticed nothing");
    let log = first.log();
    assert_eq!(log.matches("the worker has handed over to another").count(), 1, "{log}");
    assert!(!log.contains("the guard took addresses away"), "{log}");
}
