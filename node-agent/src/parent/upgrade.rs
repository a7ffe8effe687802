//! Puts another program, or another configuration, in the place of what runs, and lets go of nothing
//! meanwhile.
//!
//! On SIGHUP the parent asks the program that now stands where its own came from whether it can go on with
//! what runs here: whether it understands the shared memory and the configuration, and uses the same state
//! directory. If not, nothing changes and the log says why. If so, the parent replaces itself by it
//! (`execve(2)`): the process stays, and with it the memory, the lock, the worker and systemd's idea of the
//! service. The new parent starts a worker of its own, which makes ready, tells the old one to hand over, and
//! adopts everything as after a death. If the new worker does not come so far, the old one goes on.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use thiserror::Error;
use vrrp::Instant;

use super::child::Worker;
use crate::shared_memory::LAYOUT;
use crate::sys::clock;

/// How long another program may take to say whether it can go on.
const WITHIN: Duration = Duration::from_secs(5);
/// How much of its explanation is kept, in octets.
const MOST_WORDS: u64 = 1_000;

/// Why another program does not take the place of this one.
#[derive(Debug, Error)]
pub(super) enum Unfit {
    /// The system does not run it.
    #[error("{path} cannot be run")]
    Run {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It said no, and why.
    #[error("{path} cannot go on with what runs here: {reason}")]
    Refused {
        /// Where it is.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// It says nothing.
    #[error("{path} has not said within {} s whether it can go on with what runs here", WITHIN.as_secs())]
    Silent {
        /// Where it is.
        path: PathBuf,
    },
}

/// What the parent before this one left to it, in the same process.
#[derive(Debug)]
pub(crate) struct Inheritance {
    /// The memory shared with the worker.
    pub(crate) memory: OwnedFd,
    /// The lock on the state directory.
    pub(crate) lock: OwnedFd,
    /// The worker, a child of this process.
    pub(crate) worker: Worker,
}

/// What one parent leaves to the next, by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bequest {
    pub(super) memory: RawFd,
    pub(super) lock: RawFd,
    pub(super) lifeline: RawFd,
    pub(super) worker: u32,
}

/// The place where this process's program was started from. What stands there may change.
#[derive(Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    /// Read while the file is still the one that was started.
    pub(super) fn of_this_process() -> io::Result<Self> {
        fs::read_link("/proc/self/exe").map(Self)
    }

    /// Asks the program that stands there now.
    pub(super) fn ask(&self, config: &Path, state_dir: &Path) -> Result<Candidate, Unfit> {
        let asked = Command::new(&self.0)
            .args(["takes-up", "--layout", &LAYOUT.to_string(), "--state-dir"])
            .arg(state_dir)
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let process = asked.map_err(|source| Unfit::Run { path: self.0.clone(), source })?;
        Ok(Candidate { path: self.0.clone(), process, asked_at: clock::boottime() })
    }

    /// Becomes the program that stands there now. Returns only if that fails.
    pub(super) fn become_it(&self, config: &Path, bequest: Bequest) -> Unfit {
        let Bequest { memory, lock, lifeline, worker } = bequest;
        let mut command = Command::new(&self.0);
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        let source = command
            .arg("run")
            .arg("--config")
            .arg(config)
            .args(["--memory-fd", &memory.to_string()])
            .args(["--lock-fd", &lock.to_string()])
            .args(["--lifeline-fd", &lifeline.to_string()])
            .args(["--worker-pid", &worker.to_string()])
            .exec();
        Unfit::Run { path: self.0.clone(), source }
    }
}

/// A program that was asked whether it can go on with what runs here.
#[derive(Debug)]
pub(super) struct Candidate {
    path: PathBuf,
    process: Child,
    asked_at: Instant,
}

impl Candidate {
    /// What it says; `None` while it has not said anything yet.
    pub(super) fn answer(&mut self) -> Option<Result<(), Unfit>> {
        let path = || self.path.clone();
        let is_late = clock::boottime().saturating_duration_since(self.asked_at) >= WITHIN;
        match self.process.try_wait() {
            Ok(Some(status)) if status.success() => Some(Ok(())),
            Ok(Some(status)) => {
                let said = self.process.stderr.take().map(words).unwrap_or_default();
                let reason = if said.is_empty() { status.to_string() } else { said };
                Some(Err(Unfit::Refused { path: path(), reason }))
            }
            Ok(None) if is_late => Some(Err(Unfit::Silent { path: path() })),
            Ok(None) => None,
            Err(source) => Some(Err(Unfit::Run { path: path(), source })),
        }
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        // One that has ended is only waited for again.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// The process has ended: whatever it said is there.
fn words(pipe: ChildStderr) -> String {
    let mut text = Vec::new();
    let _as_far_as_it_goes = pipe.take(MOST_WORDS).read_to_end(&mut text);
    String::from_utf8_lossy(&text).trim().to_owned()
}
