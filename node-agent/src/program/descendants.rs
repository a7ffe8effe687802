//! Everything that came of a run, whatever sessions and parents it has by now, and its end.
//!
//! The supervisor is the subreaper of the run (`PR_SET_CHILD_SUBREAPER`), so that whatever loses its parent becomes
//! its child: nothing gets out of the tree below it.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

/// How long it may take until nothing is left. A program that multiplies is stopped before it is killed.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often what multiplies is stopped again before it is killed.
const STOPS: u32 = 200;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Sends a signal to everything that came of the run. How much that was.
pub(super) fn signal(signal: Signal) -> usize {
    let all = list();
    for process in &all {
        // One that has ended meanwhile wants none.
        let _gone = kill(*process, signal);
    }
    all.len()
}

/// Kills everything that came of the run. Whether nothing is left.
pub(super) fn end() -> bool {
    let since = Instant::now();
    loop {
        // What is stopped cannot make more of itself. Not before all is stopped is any of it killed, which would make
        // room for more.
        let mut stopped = signal(Signal::SIGSTOP);
        for _ in 0..STOPS {
            let again = signal(Signal::SIGSTOP);
            if std::mem::replace(&mut stopped, again) == again {
                break;
            }
        }
        signal(Signal::SIGKILL);
        if reap() {
            return true;
        }
        if since.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits for whatever has ended. Whether there are no children.
fn reap() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return true,
            Ok(WaitStatus::StillAlive) => return false,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// The processes below this one that have not ended.
fn list() -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = parent_of(process) {
            children.entry(parent).or_default().push(process);
        }
    }
    let (mut below, mut seen) = (vec![getpid().as_raw()], Vec::new());
    while let Some(process) = below.pop() {
        for child in children.remove(&process).unwrap_or_default() {
            seen.push(Pid::from_raw(child));
            below.push(child);
        }
    }
    seen
}

/// The parent of a process that has not ended. The name of a program, in brackets, may hold anything (`proc(5)`).
fn parent_of(process: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let (state, parent) = (fields.next()?, fields.next()?);
    (state != "Z").then(|| parent.parse().ok())?
}
