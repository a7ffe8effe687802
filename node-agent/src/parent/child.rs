//! A worker as the parent's child: started by this program, or by the one that this process ran before.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
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

    /// Waits until it has ended.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        let pid = self.pid()?;
        loop {
            match waitpid(pid, None) {
                Ok(WaitStatus::Exited(_, code)) => return Ok(ExitStatus::from_raw((code & 0xff) << 8)),
                Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(ExitStatus::from_raw(signal as i32)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn pid(&self) -> io::Result<Pid> {
        i32::try_from(self.id).map(Pid::from_raw).map_err(io::Error::other)
    }
}
