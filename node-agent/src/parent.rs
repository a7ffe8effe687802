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
//! it dies again and again it is started less and less often, up to every 5 s. What it held is then taken away by
//! the [`guard`](crate::guard), as is what a worker holds that hangs. Without a guard it stays bound; the first
//! worker that finds its predecessor's last advertisement older than three intervals removes it in the first turn of
//! its dataplane, before it obeys any command. If parent and worker are killed, the next start does the same.

mod attention;
mod child;
mod deafness;
mod replacing;
pub(crate) mod upgrade;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use sd_notify::NotifyState;
use thiserror::Error;
use uuid::Uuid;
use vrrp::Instant;

use self::attention::End;
pub(crate) use self::child::Worker;
use self::upgrade::{Bequest, Candidate, Inheritance, Place, Unfit};
use crate::guard::{Guard, Verdict, lifeline};
use crate::shared_memory::{SharedMemory, SharedMemoryError};
use crate::state_lock::{self, StateLockError};
use crate::sys::clock;
use crate::sys::realtime;

/// A worker that lived this long has not died again and again.
const LONG_LIFE: Duration = Duration::from_secs(10);
/// How long to wait before the third start; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(5);
/// How many workers are started to finish a stop that others have died over.
const MAX_DEATHS_OVER_STOP: u32 = 3;
/// The exit status of a worker that was told to stop and could not remove what it had bound.
pub const EXIT_STILL_HELD: u8 = 3;
/// The exit status of a worker that cannot run with what it was given, however often it is started.
pub const EXIT_USAGE: u8 = 2;

/// The exit status of a worker that has left everything as it was for another to go on with.
pub const EXIT_HANDED_OVER: u8 = 4;

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
/// on their command lines, `settings` what was in effect when it was read, as TOML. `guards` says whether a guard is
/// wanted. With an `inheritance` it goes on where the parent before it stopped.
///
/// # Errors
/// [`ParentError`] when it cannot begin, or a worker cannot.
pub(crate) fn run(
    config: &Path,
    settings: &str,
    state_dir: &Path,
    guards: bool,
    inheritance: Option<Inheritance>,
) -> Result<(), ParentError> {
    let kernel = |what| move |source: io::Error| ParentError::Kernel { what, source };
    let place = Place::of_this_process().map_err(kernel("see where its program is"))?;
    let settings = hand_down(settings).map_err(kernel("hand down the configuration"))?;
    let (lock, memory, predecessor) = match inheritance {
        None => (state_lock::take(state_dir)?, SharedMemory::create(Uuid::new_v4())?, None),
        Some(Inheritance { memory, lock, worker }) => {
            (File::from(lock), SharedMemory::open(memory)?, Some(worker))
        }
    };
    let taken: SigSet = [Signal::SIGHUP].into_iter().chain(&stop_signals()).collect();
    // The worker inherits the blocked signals, so that none is lost before it can take them.
    taken.thread_block().map_err(|errno| kernel("block signals")(errno.into()))?;
    let signals = SignalFd::with_flags(&taken, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(|errno| kernel("take signals")(errno.into()))?;
    let granted = realtime::request(realtime::Thread::Parent);
    tracing::debug!(?granted, "the parent runs");
    let guard = Guard::stand(guards, &memory, &granted);

    let mut watch = Watch {
        config,
        settings,
        lock,
        memory,
        signals,
        stopping: false,
        deaths: 0,
        deaths_over_stop: 0,
        announced: predecessor.is_some(),
        guard,
        started_at: clock::boottime(),
        place,
        state_dir,
        candidate: None,
        retired: None,
    };
    watch.go_on(predecessor)
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
    guard: Option<Guard>,
    /// When the worker was started.
    started_at: Instant,
    /// Where the program is that may take the place of this one.
    place: Place,
    state_dir: &'a Path,
    /// The program that was asked whether it can.
    candidate: Option<Candidate>,
    /// A worker that has handed over, and whose process has yet to end.
    retired: Option<Worker>,
}

impl Watch<'_> {
    fn go_on(&mut self, mut predecessor: Option<Worker>) -> Result<(), ParentError> {
        let kernel = |what| move |source: io::Error| ParentError::Kernel { what, source };
        loop {
            let started = match predecessor.take() {
                Some(worker) => self.replace(worker),
                None => self.start(None),
            };
            let mut worker = started.map_err(|error| self.give_up(kernel("start the worker")(error)))?;
            // A worker that cannot be watched lives on.
            let end = self.attend(&mut worker).map_err(kernel("watch the worker"))?;
            match self.next_step(end).map_err(|error| self.give_up(error))? {
                Step::Exit => return Ok(()),
                Step::StartAgain(delay) => {
                    self.wait(delay).map_err(|source| self.give_up(kernel("wait")(source)))?
                }
            }
        }
    }

    /// No worker lives, and none will.
    fn give_up(&mut self, error: ParentError) -> ParentError {
        self.guard.iter_mut().for_each(|guard| guard.follow_end(&self.memory));
        error
    }

    /// A worker, to which the one before, if it lives, is to hand over.
    fn start(&mut self, predecessor: Option<&Worker>) -> io::Result<Worker> {
        let (lifeline, workers_end) = lifeline::open()?;
        self.started_at = clock::boottime();
        self.memory.count_worker_start();
        self.guard.iter_mut().for_each(Guard::follow_start);
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command.arg("worker");
        if let Some(worker) = predecessor {
            command.args(["--predecessor-pid", &worker.id.to_string()]);
        }
        let worker = command
            .arg("--config")
            .arg(self.config)
            .args(["--memory-fd", &self.memory.descriptor().to_string()])
            .args(["--lock-fd", &self.lock.as_raw_fd().to_string()])
            .args(["--settings-fd", &self.settings.as_raw_fd().to_string()])
            .args(["--lifeline-fd", &workers_end.as_raw_fd().to_string()])
            .args(["--parent-pid", &std::process::id().to_string()])
            // Only the parent speaks to systemd: it is the main process of the service.
            .env_remove("NOTIFY_SOCKET")
            .spawn()?;
        Ok(Worker::new(&worker, lifeline))
    }

    /// What to do after a worker has ended.
    fn next_step(&mut self, end: End) -> Result<Step, ParentError> {
        let status = match end {
            End::Died(status) => status,
            End::PutDown(Verdict::Hangs, status) => {
                tracing::error!("the worker's dataplane hung and was killed");
                status
            }
            End::PutDown(Verdict::Deaf, status) => {
                tracing::error!("the worker's control half hung, so it could not stop, and was killed");
                status
            }
            End::PutDown(Verdict::TooLate, _) => {
                tracing::error!("the worker did not take up in time what the one before it held");
                self.memory.count_worker_death();
                return Ok(Step::StartAgain(Duration::ZERO));
            }
            End::Stuck => {
                tracing::error!(
                    "everything is released, but the worker cannot end: a disk does not answer it"
                );
                return Ok(Step::Exit);
            }
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
        self.memory.count_worker_death();
        self.deaths = if self.has_died_before() { self.deaths.saturating_add(1) } else { 1 };
        let delay = delay_before_restart(self.deaths);
        tracing::error!(%status, ?delay, "the worker died; starting another");
        Ok(Step::StartAgain(delay))
    }

    /// Whether the worker that has died, or is about to be killed, has replaced one that died a short while before.
    fn has_died_before(&self) -> bool {
        let lived = clock::boottime().saturating_duration_since(self.started_at);
        self.deaths > 0 && lived < LONG_LIFE
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
            retry_interrupted(|| ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None))?;
            self.take_signal()?;
        }
        Ok(())
    }

    fn take_signal(&mut self) -> io::Result<Option<Signal>> {
        let Some(info) = self.signals.read_signal()? else { return Ok(None) };
        let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
        let signal = Signal::try_from(number)?;
        if signal != Signal::SIGHUP && !self.stopping {
            self.stopping = true;
            notify(&[NotifyState::Stopping]);
        }
        Ok(Some(signal))
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
