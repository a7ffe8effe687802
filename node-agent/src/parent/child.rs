//! A worker as the parent's child: started by this program, or by the one that this process ran before.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A child that has not been waited for, so that its number is its own.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Its process number.
    pub(crate) id: u32,
    /// Breaks when no thread of it can do anything any more.
    pub(crate) lifeline: OwnedFd,
}

impl Worker {
    /// A child that has just been started.
    pub(super) fn new(child: &Child, lifeline: OwnedFd) -> Self {
        Self { id: child.id(), lifeline }
    }

    /// Sends it a signal.
    pub(super) fn tell(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(self.pid()?, signal)?)
    }

    /// How it has ended; `None` while it lives. Once it has, its number may become somebody else's.
    pub(super) fn has_ended(&self) -> io::Result<Option<ExitStatus>> {
        Ok(status(waitpid(self.pid()?, Some(WaitPidFlag::WNOHANG))?))
    }

    /// Waits until it has ended.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        let pid = self.pid()?;
        loop {
            match waitpid(pid, None).map(status) {
                Ok(Some(status)) => return Ok(status),
                Ok(None) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn pid(&self) -> io::Result<Pid> {
        i32::try_from(self.id).map(Pid::from_raw).map_err(io::Error::other)
    }
}

fn status(changed: WaitStatus) -> Option<ExitStatus> {
    if let WaitStatus::Exited(_, code) = changed {
        return Some(ExitStatus::from_raw((code & 0xff) << 8));
    }
    let WaitStatus::Signaled(_, signal, _) = changed else { return None };
    Some(ExitStatus::from_raw(signal as i32))
}
