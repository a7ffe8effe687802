//! The parent, the worker, and what the death of either does to an address.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use baton_agent::config::{FenceSettings, Settings};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::unistd::ftruncate;

use crate::agent::{Agent, PROGRAM};
use crate::eventually::{BOUND, eventually};
use crate::freezer::Freezer;
use crate::lab::Lab;
use crate::monitor::Monitor;
use crate::router::{VIP, group};
use crate::wire::Capture;

const NOBODY: u32 = 65534;

/// Two agents of which the first is Active, and a capture on a third host.
fn two_agents(lab: &Lab) -> (Agent, Agent, Capture) {
    let capture = Capture::start(lab, 3, "proto 112");
    let (first, second) = (Agent::start(lab, 1, 240), Agent::start(lab, 2, 200));
    let settled = || (lab.has(1, VIP), lab.has(2, VIP));
    eventually("the first one holds", settled, |holders| *holders == (true, false));
    capture.sees(3, &["10.66.0.1 > 224.0.0.18", "prio 240"]);
    (first, second, capture)
}

#[test]
fn a_killed_worker_is_replaced_and_no_address_moves() {
    let lab = Lab::new(3);
    let (first, _second, capture) = two_agents(&lab);
    let monitor = Monitor::start(&lab, 1);
    let before = capture.with(&["10.66.0.2 > 224.0.0.18"]).len();
    let killed = first.kill_worker();
    eventually("another worker", || first.worker(), |worker| worker.is_some_and(|worker| worker != killed));
    let sent = capture.with(&["10.66.0.1 > 224.0.0.18", "prio 240"]).len();
    capture.sees(sent + 5, &["10.66.0.1 > 224.0.0.18", "prio 240"]);
    assert_eq!(capture.with(&["10.66.0.2 > 224.0.0.18"]).len(), before, "the Backup has noticed nothing");
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (true, false));
    assert!(!monitor.finish().contains(VIP), "the kernel has seen no change of the address");
}

#[test]
fn a_killed_worker_is_replaced_although_the_configuration_was_broken_since() {
    let lab = Lab::new(3);
    let (first, _second, capture) = two_agents(&lab);
    fs::write(first.config_file(), "this is no configuration").expect("written");
    let before = capture.with(&["10.66.0.2 > 224.0.0.18"]).len();
    let killed = first.kill_worker();
    eventually("another worker", || first.worker(), |worker| worker.is_some_and(|worker| worker != killed));
    let sent = capture.with(&["10.66.0.1 > 224.0.0.18", "prio 240"]).len();
    capture.sees(sent + 5, &["10.66.0.1 > 224.0.0.18", "prio 240"]);
    assert_eq!(capture.with(&["10.66.0.2 > 224.0.0.18"]).len(), before, "the Backup has noticed nothing");
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (true, false));
}

#[test]
fn a_worker_goes_on_when_its_parent_is_killed_and_keeps_a_second_agent_out() {
    let lab = Lab::new(3);
    let (mut first, _second, capture) = two_agents(&lab);
    let worker = first.worker();
    first.kill_parent();
    let sent = capture.with(&["10.66.0.1 > 224.0.0.18", "prio 240"]).len();
    capture.sees(sent + 5, &["10.66.0.1 > 224.0.0.18", "prio 240"]);
    assert_eq!(first.worker(), worker);
    first.start_again(&lab, 1);
    let status =
        eventually("the second agent ends", || first.parent.try_wait().expect("a child"), Option::is_some);
    assert_eq!(status.and_then(|status| status.code()), Some(1));
    let log = fs::read_to_string(first.directory.path().join("log")).expect("a log");
    let holder = format!("(process {})", worker.expect("a worker"));
    assert!(log.contains("another agent runs on the state directory") && log.contains(&holder), "{log}");
    assert!(log.contains("the parent process is gone"), "{log}");
    assert_eq!(first.status()["parent_gone"], true);
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (true, false));
}

#[test]
fn what_a_killed_agent_left_is_removed_when_it_comes_back() {
    let lab = Lab::new(2);
    // With nothing that takes it away meanwhile.
    let mut first = Agent::start_fenced(&lab, 1, vec![group(240)], FenceSettings::NONE, |_, _| {});
    let _second = Agent::start(&lab, 2, 200);
    let settled = || (lab.has(1, VIP), lab.has(2, VIP));
    eventually("the first one holds", settled, |holders| *holders == (true, false));
    first.kill_parent();
    first.kill_worker();
    eventually("the other one holds it too", || lab.has(2, VIP), |has| *has);
    assert!(lab.has(1, VIP), "nothing has removed it yet");
    let monitor = Monitor::start(&lab, 1);
    first.start_again(&lab, 1);
    eventually(
        "the first one holds alone",
        || (lab.has(1, VIP), lab.has(2, VIP)),
        |holders| *holders == (true, false),
    );
    let ended = |line: &String| line.starts_with("active ");
    assert!(!first.transitions().iter().any(ended), "no fence has acted: {:?}", first.transitions());
    let changes = monitor.finish();
    let removed = changes.find("Deleted").expect("it was removed");
    let added = changes.rfind(VIP).expect("it was added again");
    assert!(removed < added, "first removed, later taken again: {changes}");
}

#[test]
fn an_agent_that_is_told_to_stop_hands_over_and_exits_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let lab = Lab::new(3);
        let (mut first, _second, capture) = two_agents(&lab);
        let status = first.stop(signal);
        assert_eq!((status.code(), status.signal()), (Some(0), None));
        assert_eq!(first.worker(), None);
        assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (false, true));
        capture.sees(1, &["10.66.0.1 > 224.0.0.18", "prio 0"]);
        let log = first.log();
        assert!(log.contains("INFO baton_agent::control: stopping; transitions are kept"), "{log}");
    }
}

#[test]
fn an_agent_whose_disk_hangs_hands_over_and_ends_within_a_bound() {
    let lab = Lab::new(2);
    let (mut agent, disk) = Agent::start_on_disk(&lab, group(240), FenceSettings::default());
    let monitor = Monitor::start(&lab, 1);
    agent.kill_worker_as_disk_hangs(&disk);
    let degraded = || (agent.status().pointer("/journal/degraded").cloned().unwrap_or_default(), agent.log());
    eventually("it says so", degraded, |(why, _)| *why == "the disk does not answer");
    assert!(monitor.finish().is_empty(), "the address was adopted");

    assert_eq!(agent.stop(Signal::SIGTERM).code(), Some(0), "{}", agent.log());
    assert!(!lab.has(1, VIP), "{}", lab.addresses(1));
    disk.thaw();
    eventually("the worker ends", || agent.worker(), Option::is_none);
}

#[test]
fn an_agent_whose_socket_lies_on_a_disk_that_hangs_hands_over_all_the_same() {
    for worker_is_new in [false, true] {
        let lab = Lab::new(1);
        let mut disk = None;
        let mut agent = Agent::start_with(&lab, 1, 240, |command, directory| {
            let mounted = directory.join("hangs");
            disk = Some(Freezer::mount(&directory.join("image"), &mounted));
            command.env("BATON_AGENT_SOCKET", mounted.join("agent.sock"));
        });
        let disk = disk.expect("mounted");
        let socket = agent.directory.path().join("hangs/agent.sock");
        eventually("it holds and answers", || lab.has(1, VIP) && socket.exists(), |ready| *ready);
        disk.freeze();
        if worker_is_new {
            let killed = agent.kill_worker();
            let other = |worker: &Option<i32>| worker.is_some_and(|worker| worker != killed);
            eventually("another worker", || agent.worker(), other);
            let begun = |log: &String| log.matches("starting from the stored").count() == 2;
            eventually("its control has begun", || agent.log(), begun);
        }
        assert_eq!(agent.stop(Signal::SIGTERM).code(), Some(0), "{}", agent.log());
        assert!(!lab.has(1, VIP), "{}", lab.addresses(1));
        disk.thaw();
        eventually("the worker ends", || agent.worker(), Option::is_none);
    }
}

#[test]
fn two_agents_on_one_host_leave_each_others_addresses_alone() {
    let lab = Lab::new(1);
    let mut other_group = group(240);
    other_group.id = uuid::Uuid::from_u128(52);
    other_group.vrid = vrrp::Vrid::new(52).expect("a VRID");
    other_group.virtual_addresses = vec!["10.66.1.52/16".parse().expect("an address")];
    let mut first = Agent::start(&lab, 1, 240);
    let _second = Agent::start_group(&lab, 1, other_group, |_, _| {});
    let held = || (lab.has(1, VIP), lab.has(1, "10.66.1.52"));
    eventually("each holds its own", held, |held| *held == (true, true));

    let monitor = Monitor::start(&lab, 1);
    assert_eq!(first.stop(Signal::SIGTERM).code(), Some(0));
    assert_eq!(held(), (false, true));
    first.start_again(&lab, 1);
    eventually("it holds again", held, |held| *held == (true, true));
    // What the next start finds of its own it removes, and only that.
    first.kill_parent();
    first.kill_worker();
    let lock = fs::File::open(first.directory.path().join("lock")).expect("the lock");
    eventually("the lock is free", || lock.try_lock().is_ok(), |free| *free);
    drop(lock);
    first.start_again(&lab, 1);
    eventually("it has begun anew", || monitor.seen().join("\n"), |seen| seen.matches(VIP).count() >= 4);
    assert!(!monitor.finish().contains("10.66.1.52"), "nobody has touched the other's");
}

#[test]
fn systemd_is_told_when_the_dataplane_runs_and_that_the_parent_is_the_service() {
    let lab = Lab::new(1);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let systemd = UnixDatagram::bind(&path).expect("bound");
    systemd.set_read_timeout(Some(BOUND)).expect("a timeout");
    let heard = || {
        let mut buffer = [0; 256];
        let length = systemd.recv(&mut buffer).expect("a notification");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut agent = Agent::start_with(&lab, 1, 240, |command, _| {
        command.env("NOTIFY_SOCKET", &path);
    });
    let ready = heard();
    assert!(ready.contains("READY=1"), "{ready}");
    assert!(ready.contains(&format!("MAINPID={}", agent.parent.id())), "{ready}");
    assert_eq!(agent.stop(Signal::SIGTERM).code(), Some(0));
    assert!(heard().contains("STOPPING=1"));
}

#[test]
fn an_agent_that_may_not_open_its_sockets_says_so_and_exits_with_1() {
    let lab = Lab::new(1);
    let mut agent = Agent::start_without(&lab, 1, 240, "net_raw");
    let status = eventually("the agent ends", || agent.parent.try_wait().expect("a child"), Option::is_some);
    let log = fs::read_to_string(agent.directory.path().join("log")).expect("a log");
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{log}");
    assert!(log.contains("cannot open the packet socket"), "{log}");
}

#[test]
fn a_member_that_may_not_bind_is_in_fault_and_never_advertises() {
    let lab = Lab::new(2);
    let capture = Capture::start(&lab, 2, "(proto 112 or arp) and ether src 02:00:00:00:00:01");
    let agent = Agent::start_without(&lab, 1, 240, "net_admin");
    let state = || agent.status().pointer("/groups/0/state").cloned();
    eventually("a fault", state, |state| *state == Some("fault".into()));
    let fault = agent.status().pointer("/groups/0/fault").cloned().unwrap_or_default().to_string();
    assert!(fault.contains("could not be bound to interface eth0: the kernel refused"), "{fault}");
    // It tries again after a second, and fails again, while another member takes the address and advertises.
    let other = Capture::start(&lab, 2, "proto 112 and ether src 02:00:00:00:00:02");
    let _other = Agent::start(&lab, 2, 200);
    other.sees(20, &["prio 200"]);
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (false, true));
    assert!(capture.lines().is_empty(), "{:?}", capture.lines());
}

#[test]
fn a_worker_that_cannot_read_the_shared_memory_adopts_nothing_and_takes_part() {
    let lab = Lab::new(1);
    let mut agent = Agent::start(&lab, 1, 240);
    eventually("it holds", || lab.has(1, VIP), |has| *has);
    agent.kill_parent();
    agent.kill_worker();
    let monitor = Monitor::start(&lab, 1);

    let memory = memfd_create(c"garbage", MFdFlags::empty()).expect("a memfd");
    ftruncate(&memory, 100).expect("another size");
    let lock = fs::File::open(agent.directory.path().join("lock")).expect("the lock");
    let handed_down = agent.directory.path().join("handed-down");
    let settings = Settings::load(&agent.config_file()).expect("settings").to_hand_down().expect("TOML");
    fs::write(&handed_down, settings).expect("written");
    let settings = fs::File::open(handed_down).expect("the settings");
    for inherited in [&lock, &settings] {
        fcntl(inherited, FcntlArg::F_SETFD(FdFlag::empty())).expect("inherited");
    }
    let log = agent.directory.path().join("log");
    agent.parent = Command::new("ip")
        .args(["netns", "exec", &lab.host(1), PROGRAM, "worker", "--config"])
        .arg(agent.config_file())
        .args(["--memory-fd", &memory.as_raw_fd().to_string(), "--lock-fd", &lock.as_raw_fd().to_string()])
        .args(["--settings-fd", &settings.as_raw_fd().to_string()])
        .args(["--parent-pid", &std::process::id().to_string()])
        .stderr(fs::File::options().append(true).open(&log).expect("a log"))
        .stdout(Stdio::null())
        .spawn()
        .expect("the worker starts");
    let text = || fs::read_to_string(&log).expect("a log");
    eventually("it says so", text, |text| text.contains("begins anew and adopts nothing"));
    let state = || agent.status().pointer("/groups/0/state").cloned();
    eventually("it is Active again", state, |state| *state == Some("active".into()));
    let changes = monitor.finish();
    assert!(changes.contains("Deleted") && changes.contains(VIP), "first removed: {changes}");
    assert!(lab.has(1, VIP));
}

#[test]
fn an_agent_that_is_not_root_needs_two_capabilities_and_says_what_it_was_not_granted() {
    let lab = Lab::new(1);
    let agent = Agent::start_with(&lab, 1, 240, |command, directory| {
        let everything =
            fs::read_dir(directory).expect("readable").map(|entry| entry.expect("an entry").path());
        for path in everything.chain([directory.to_owned()]) {
            std::os::unix::fs::chown(path, Some(NOBODY), None).expect("given away");
        }
        command.args([
            "setpriv",
            "--inh-caps=-all,+net_admin,+net_raw",
            "--ambient-caps=-all,+net_admin,+net_raw",
        ]);
        command.args([
            "--bounding-set=-all,+net_admin,+net_raw",
            "--no-new-privs",
            &format!("--reuid={NOBODY}"),
        ]);
        command.args(["prlimit", "--memlock=65536", "--rtprio=0", "--"]);
    });
    eventually("it holds", || (lab.has(1, VIP), agent.log()), |(has, _)| *has);
    let realtime = eventually(
        "it answers",
        || agent.status().pointer("/realtime").cloned().unwrap_or_default(),
        |realtime| !realtime.is_null(),
    );
    assert_eq!(realtime["scheduling"], "other", "{realtime}");
    assert!(realtime["detail"].to_string().contains("SCHED_FIFO was refused"), "{realtime}");
    let worker = agent.worker().expect("a worker");
    let status = fs::read_to_string(format!("/proc/{worker}/status")).expect("a process");
    assert!(status.contains("CapEff:\t0000000000003000"), "no more than the two: {status}");
}
