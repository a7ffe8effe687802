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
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use thiserror::Error;
use vrrp::Instant;

use super::child::Worker;
use crate::shared_memory::LAYOUT;
use crate::sys::clock;

/// How long another program may take to say whether it can go on.
const WITHIN: Duration = Duration::from_secs(5);
/// What a program writes that can go on: any other one may end well, too.
pub(crate) const CONSENT: &str = "baton-agent can go on";
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
    /// It ended well and did not say yes.
    #[error("{path} does not say \"{CONSENT}\": it is no baton-agent, or one that cannot")]
    Stranger {
        /// Where it is.
        path: PathBuf,
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
            .stdout(Stdio::piped())
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
            Ok(Some(status)) if status.success() => {
                let said = self.process.stdout.take().map(words).unwrap_or_default();
                Some(if said == CONSENT { Ok(()) } else { Err(Unfit::Stranger { path: path() }) })
            }
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

/// The process has ended: whatever it said is there. What it has started may hold the pipe open.
fn words(pipe: impl Read + AsFd) -> String {
    let mut text = Vec::new();
    if fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_ok() {
        let _as_far_as_it_goes = pipe.take(MOST_WORDS).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What becomes of a script that is asked.
    fn asked(script: &str) -> Result<(), Unfit> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let place = Place(program);
        let mut candidate = loop {
            // What another test starts at this moment has the file open for writing until it runs.
            match place.ask(Path::new("agent.toml"), directory.path()) {
                Err(Unfit::Run { source, .. }) if source.kind() == io::ErrorKind::ExecutableFileBusy => {}
                asked => break asked.unwrap(),
            }
        };
        loop {
            if let Some(answer) = candidate.answer() {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn only_a_program_that_says_so_can_go_on() {
        assert!(asked(&format!("echo '{CONSENT}'")).is_ok());
        for stranger in ["exit 0", "echo usage: program", &format!("echo '{CONSENT}' >&2")] {
            let answer = asked(stranger);
            assert!(matches!(answer, Err(Unfit::Stranger { .. })), "{stranger}: {answer:?}");
        }
        let answer = asked(&format!("echo '{CONSENT}'; exit 1"));
        assert!(matches!(answer, Err(Unfit::Refused { .. })), "{answer:?}");
    }

    #[test]
    fn what_a_program_has_started_does_not_keep_the_one_that_asks_waiting() {
        let begun = clock::boottime();
        let answer = asked("sleep 3 & echo 'not me' >&2; exit 1");
        assert!(matches!(&answer, Err(Unfit::Refused { reason, .. }) if reason == "not me"), "{answer:?}");
        assert!(clock::boottime().saturating_duration_since(begun) < Duration::from_secs(3));
    }
}
