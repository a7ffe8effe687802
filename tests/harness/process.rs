//! A process of the laboratory: runs in a namespace, logs to a file, and ends with its owner.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::eventually::eventually;
use crate::interrupt::stand_aside;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in a process group of its own, with everything it says appended to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        stand_aside();
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the kernel does not know it.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// An error with the end of the log when it no longer runs.
    ///
    /// # Errors
    /// See above.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(anyhow!("{} ended ({status}):\n{}", self.name, self.log_tail())),
        }
    }

    /// Asks it to stop (SIGTERM) and waits until it has, at most `within`.
    ///
    /// # Errors
    /// When it still runs after that.
    pub fn stop(&mut self, within: Duration) -> Result<ExitStatus> {
        kill(self.pid(), Signal::SIGTERM).with_context(|| format!("cannot signal {}", self.name))?;
        let Self { name, child, .. } = self;
        eventually(&format!("{name} ends after SIGTERM"), within, || {
            child.try_wait().map_err(|error| error.to_string())?.ok_or_else(|| "it still runs".to_owned())
        })
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether any thread of the process runs; one that waits to be reaped does not. The first thread may be gone
/// long before the last one, which closes what the process had open.
#[must_use]
pub fn is_alive(pid: Pid) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rfind(')').is_some_and(|end| !stat[end..].starts_with(") Z") && !stat[end..].starts_with(") X"))
    })
}
