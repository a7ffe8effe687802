//! The parent process: starts the worker, watches it, and starts it again when it dies.
//!
//! It is small so that it has no reason to die itself: one thread, no network, no runtime. It makes the shared
//! memory and locks the state directory; both outlive each worker. If only the parent is killed, the worker goes
//! on and says so, and the lock keeps a second agent from starting on the same state directory meanwhile.
//!
//! Every worker runs with the configuration that the parent started with, handed down in a memfd: a file that was
//! edited or broken since must not keep a worker from taking up what the one before it held.
//!
//! A worker that has died is replaced at once, and adopts what its predecessor held before any Backup notices. If
//! it dies again and again it is started less and less often, up to every 5 s. Meanwhile what it had bound stays
//! bound; the first worker that finds its predecessor's last advertisement older than three intervals removes it in
//! the first turn of its dataplane, before it obeys any command. If parent and worker are killed, the next start
//! does the same. This is where a guard can take the addresses
//! away from the kernel instead: [`Watch::next_step`] decides, and the shared memory says what is held.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use sd_notify::NotifyState;
use thiserror::Error;
use uuid::Uuid;
use vrrp::Instant;

use crate::shared_memory::{SharedMemory, SharedMemoryError};
use crate::state_lock::{self, StateLockError};
use crate::sys::clock;
use crate::sys::pidfd::PidFd;
use crate::sys::realtime;

/// A worker that lived this long has not died again and again.
const LONG_LIFE: Duration = Duration::from_secs(10);
/// How long to wait before the third start; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(5);
/// How often a worker that has not begun yet is looked at.
const WATCH_START: Duration = Duration::from_millis(10);
/// How often a worker that was told to stop is looked at.
const WATCH_STOP: Duration = Duration::from_millis(100);
/// How long a worker may take to end after it has released everything. One whose thread waits for a disk that hangs
/// cannot end, and cannot be killed either.
const PATIENCE_WITH_END: Duration = Duration::from_secs(2);
/// How many workers are started to finish a stop that others have died over.
const MAX_DEATHS_OVER_STOP: u32 = 3;
/// The exit status of a worker that was told to stop and could not remove what it had bound.
pub const EXIT_STILL_HELD: u8 = 3;
/// The exit status of a worker that cannot run with what it was given, however often it is started.
pub const EXIT_USAGE: u8 = 2;

/// The exit status of a worker that has left everything as it was for another to go on with.
pub const EXIT_HANDED_OVER: u8 = 4;
/// Tells a worker to do so. Only its parent sends it.
pub(crate) const HAND_OVER: Signal = Signal::SIGUSR1;

/// Why the agent cannot run.
#[derive(Debug, Error)]
pub enum ParentError {
    /// The state directory cannot be had.
    #[error(transparent)]
    StateDir(#[from] StateLockError),
    /// There is no shared memory.
    #[error(transparent)]
    Memory(#[from] SharedMemoryError),
    /// The kernel refused something that a parent needs.
    #[error("cannot {what}")]
    Kernel {
        /// What it wanted to do.
        what: &'static str,
        /// Why it cannot.
        #[source]
        source: io::Error,
    },
    /// The worker ended before it had begun.
    #[error("the worker could not begin ({0}); its own message says why")]
    NeverBegan(ExitStatus),
    /// The worker will not run with this configuration.
    #[error("the worker refuses to run; its own message says why")]
    Refused,
    /// It was told to stop, and addresses are still bound.
    #[error("the agent ends with addresses still bound ({0}); the worker's own message says which")]
    StillHeld(ExitStatus),
}

/// Runs an agent until it is told to stop and has stopped. `config` is the configuration file that its workers name
/// on their command lines, `settings` what was in effect when it was read, as TOML.
///
/// # Errors
/// [`ParentError`] when it cannot begin, or a worker cannot.
pub fn run(config: &Path, settings: &str, state_dir: &Path) -> Result<(), ParentError> {
    let kernel = |what| move |source: io::Error| ParentError::Kernel { what, source };
    let lock = state_lock::take(state_dir)?;
    let settings = hand_down(settings).map_err(kernel("hand down the configuration"))?;
    let memory = SharedMemory::create(Uuid::new_v4())?;
    let stop_signals = stop_signals();
    // The worker inherits the blocked signals, so that none is lost before it can take them.
    stop_signals.thread_block().map_err(|errno| kernel("block signals")(errno.into()))?;
    let signals = SignalFd::with_flags(&stop_signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(|errno| kernel("take signals")(errno.into()))?;
    let granted = realtime::request();
    tracing::debug!(?granted, "the parent runs");

    let mut watch = Watch {
        config,
        settings,
        lock,
        memory,
        signals,
        stopping: false,
        deaths: 0,
        deaths_over_stop: 0,
        announced: false,
    };
    loop {
        let started_at = clock::boottime();
        let mut worker = watch.start().map_err(kernel("start the worker"))?;
        let status = watch.attend(&mut worker).map_err(kernel("watch the worker"))?;
        match watch.next_step(status, started_at)? {
            Step::Exit => return Ok(()),
            Step::StartAgain(delay) => watch.wait(delay).map_err(kernel("wait"))?,
        }
    }
}

/// The signals on which an agent stops.
pub(crate) fn stop_signals() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT].into_iter().collect()
}

enum Step {
    Exit,
    StartAgain(Duration),
}

struct Watch<'a> {
    config: &'a Path,
    settings: File,
    lock: File,
    memory: SharedMemory,
    signals: SignalFd,
    stopping: bool,
    /// How many workers in a row have died young.
    deaths: u32,
    /// How many have died after the agent was told to stop.
    deaths_over_stop: u32,
    announced: bool,
}

impl Watch<'_> {
    fn start(&self) -> io::Result<Child> {
        self.memory.count_worker_start();
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command
            .arg("worker")
            .arg("--config")
            .arg(self.config)
            .args(["--memory-fd", &self.memory.descriptor().to_string()])
            .args(["--lock-fd", &self.lock.as_raw_fd().to_string()])
            .args(["--settings-fd", &self.settings.as_raw_fd().to_string()])
            .args(["--parent-pid", &std::process::id().to_string()])
            // Only the parent speaks to systemd: it is the main process of the service.
            .env_remove("NOTIFY_SOCKET")
            .spawn()
    }

    /// Watches the worker until it has ended; `None` when it has done everything and the kernel does not let it end.
    fn attend(&mut self, worker: &mut Child) -> io::Result<Option<ExitStatus>> {
        let pidfd = PidFd::open(worker.id())?;
        if self.stopping {
            forward(Signal::SIGTERM, worker)?;
        }
        let mut finished_at = None;
        loop {
            let timeout = match (self.announced, self.stopping) {
                (false, _) => poll_timeout(WATCH_START),
                (true, true) => poll_timeout(WATCH_STOP),
                (true, false) => PollTimeout::NONE,
            };
            let mut fds = [
                PollFd::new(pidfd.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            retry_interrupted(|| poll(&mut fds, timeout))?;
            let ended = fds[0].any().unwrap_or(false);
            self.announce_start();
            if let Some(signal) = self.take_signal()? {
                forward(signal, worker)?;
            }
            if ended {
                return worker.wait().map(Some);
            }
            if self.stopping && self.memory.is_finished() {
                let finished_at = *finished_at.get_or_insert_with(clock::boottime);
                if clock::boottime().saturating_duration_since(finished_at) >= PATIENCE_WITH_END {
                    return Ok(None);
                }
            }
        }
    }

    /// What to do after a worker has ended.
    fn next_step(&mut self, status: Option<ExitStatus>, started_at: Instant) -> Result<Step, ParentError> {
        let Some(status) = status else {
            tracing::error!("everything is released, but the worker cannot end: a disk does not answer it");
            return Ok(Step::Exit);
        };
        if status.success() {
            return Ok(Step::Exit);
        }
        if status.code() == Some(i32::from(EXIT_USAGE)) {
            return Err(ParentError::Refused);
        }
        if status.code() == Some(i32::from(EXIT_STILL_HELD)) {
            return Err(ParentError::StillHeld(status));
        }
        if self.memory.heartbeat().is_none() {
            return Err(ParentError::NeverBegan(status));
        }
        if self.stopping {
            self.deaths_over_stop += 1;
            if self.deaths_over_stop >= MAX_DEATHS_OVER_STOP {
                return Err(ParentError::StillHeld(status));
            }
        }
        let lived = clock::boottime().saturating_duration_since(started_at);
        self.deaths = if lived >= LONG_LIFE { 1 } else { self.deaths.saturating_add(1) };
        let delay = delay_before_restart(self.deaths);
        tracing::error!(%status, ?delay, "the worker died; starting another");
        Ok(Step::StartAgain(delay))
    }

    fn wait(&mut self, delay: Duration) -> io::Result<()> {
        let until = clock::boottime() + delay;
        // A stop does not shorten it to nothing: what the dead worker held must still be released.
        while !self.stopping {
            let left = until.saturating_duration_since(clock::boottime());
            if left.is_zero() {
                break;
            }
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            retry_interrupted(|| poll(&mut fds, poll_timeout(left)))?;
            self.take_signal()?;
        }
        Ok(())
    }

    fn take_signal(&mut self) -> io::Result<Option<Signal>> {
        let Some(info) = self.signals.read_signal()? else { return Ok(None) };
        if !self.stopping {
            self.stopping = true;
            notify(&[NotifyState::Stopping]);
        }
        let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
        Ok(Some(Signal::try_from(number)?))
    }

    /// Tells systemd once that the dataplane runs.
    fn announce_start(&mut self) {
        if !self.announced && self.memory.heartbeat().is_some() {
            self.announced = true;
            notify(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
        }
    }
}

/// The settings in memory of their own, which each worker inherits.
fn hand_down(settings: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"baton-agent-settings", MFdFlags::empty())?);
    file.write_all(settings.as_bytes())?;
    Ok(file)
}

fn forward(signal: Signal, worker: &Child) -> io::Result<()> {
    let pid = i32::try_from(worker.id()).map_err(io::Error::other)?;
    // It has not been waited for, so the number is still its own.
    Ok(kill(Pid::from_raw(pid), signal)?)
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// The first death is answered at once: the addresses are still held.
fn delay_before_restart(deaths: u32) -> Duration {
    match deaths {
        0 | 1 => Duration::ZERO,
        more => FIRST_DELAY.saturating_mul(1_u32.checked_shl(more - 2).unwrap_or(u32::MAX)).min(MAX_DELAY),
    }
}

fn poll_timeout(duration: Duration) -> PollTimeout {
    // Rounded up, so that it does not wake a moment early again and again.
    PollTimeout::try_from(duration + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
}

fn retry_interrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(nix::errno::Errno::EINTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_death_is_answered_at_once_and_more_ever_later() {
        let delays: Vec<_> = (1..=9).map(|deaths| delay_before_restart(deaths).as_millis()).collect();
        assert_eq!(delays, [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(delay_before_restart(u32::MAX), MAX_DELAY);
    }
}
