//! Keeps Postgres running: a thread that starts it, waits for its death, and starts it again.
//!
//! The kernel ends Postgres (SIGINT, its fast shutdown) when the *thread* that started it ends, so the thread lives
//! as long as the server: Postgres never outlives it, not even after SIGKILL.
#![expect(unsafe_code, reason = "the death signal of a child can only be set between fork and exec")]

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getppid};

use super::account::Account;
use super::binaries::Binaries;

/// The pause before Postgres is started again; doubled each time up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A life of this length makes the pause short again.
const LONG_LIFE: Duration = Duration::from_secs(60);
/// How long a fast shutdown may take before an immediate one (recovery at the next start) is asked for.
const FAST_LIMIT: Duration = Duration::from_secs(20);
/// How long an immediate shutdown may take before the process is killed.
const IMMEDIATE_LIMIT: Duration = Duration::from_secs(5);

/// How Postgres is started.
#[derive(Debug)]
pub(super) struct PostgresCommand {
    pub(super) binaries: Binaries,
    pub(super) account: Account,
    pub(super) data_dir: PathBuf,
    pub(super) run_dir: PathBuf,
    pub(super) durable: bool,
}

/// Keeps Postgres running until it is told to stop.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Set while the process exists, be it as a zombie: its id cannot be somebody else's.
    pid: Option<Pid>,
    stopping: bool,
    ended: bool,
    last_words: String,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// Starts the thread, which starts Postgres.
    pub(super) fn start(command: PostgresCommand) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("postgres-keeper".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                keep(&command, &shared);
                shared.lock().ended = true;
                shared.changed.notify_all();
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn pid(&self) -> Option<i32> {
        self.shared.lock().pid.map(Pid::as_raw)
    }

    /// The last line that Postgres wrote.
    pub(super) fn last_words(&self) -> String {
        self.shared.lock().last_words.clone()
    }

    /// Stops Postgres, in order if it can, and waits for its end.
    pub(super) fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        let steps = [
            (Signal::SIGINT, FAST_LIMIT),
            (Signal::SIGQUIT, IMMEDIATE_LIMIT),
            (Signal::SIGKILL, IMMEDIATE_LIMIT),
        ];
        for (signal, limit) in steps {
            self.signal(signal);
            if self.ends_within(limit) {
                // The thread has ended its work; a panic in it was already reported.
                let _ = thread.join();
                return;
            }
            tracing::warn!(%signal, "Postgres did not stop in time");
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.shared.lock().pid
            && let Err(error) = kill(pid, signal)
        {
            tracing::warn!(%error, %signal, "cannot signal Postgres");
        }
    }

    fn ends_within(&self, limit: Duration) -> bool {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts Postgres again and again, until told to stop.
fn keep(command: &PostgresCommand, shared: &Arc<Shared>) {
    let mut pause = PAUSE;
    loop {
        let began = Instant::now();
        if let Err(error) = live(command, shared) {
            tracing::error!(%error, "cannot start Postgres");
        }
        if began.elapsed() >= LONG_LIFE {
            pause = PAUSE;
        }
        let state = shared.lock();
        if !state.stopping {
            tracing::error!(last_words = state.last_words, ?pause, "Postgres has died; it is started again");
        }
        let waited = shared.changed.wait_timeout_while(state, pause, |state| !state.stopping);
        if waited.unwrap_or_else(PoisonError::into_inner).0.stopping {
            return;
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// One life of Postgres, from its start to its end.
fn live(command: &PostgresCommand, shared: &Arc<Shared>) -> io::Result<()> {
    let mut child = {
        let mut state = shared.lock();
        if state.stopping {
            return Ok(());
        }
        let child = command.build().spawn()?;
        state.pid = i32::try_from(child.id()).ok().map(Pid::from_raw);
        child
    };
    let listener = child.stderr.take().map(|stderr| listen(stderr, Arc::clone(shared))).transpose();
    let ended = wait_without_reaping(&child);
    let mut state = shared.lock();
    let status = child.wait();
    state.pid = None;
    drop(state);
    if let Ok(Some(listener)) = listener {
        // It ends with the pipe; what it had to say is said.
        let _ = listener.join();
    }
    tracing::debug!(?status, "Postgres has ended");
    ended
}

/// Waits for the death of `child` and leaves it a zombie, so that nobody signals another process by its id.
fn wait_without_reaping(child: &Child) -> io::Result<()> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    loop {
        match waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(_) => return Ok(()),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Passes what Postgres writes on to our own log.
fn listen(stderr: ChildStderr, shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("postgres-log".to_owned()).spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let stopping = shared.lock().stopping;
            if is_alarming(&line, stopping) {
                tracing::warn!(target: "postgres", "{line}");
            } else {
                tracing::debug!(target: "postgres", "{line}");
            }
            shared.lock().last_words = line;
        }
    })
}

/// Whether a line of Postgres tells of something that is not as it should be.
fn is_alarming(line: &str, stopping: bool) -> bool {
    // While it starts it refuses every connection; we try until it does not. When it is told to stop, it says so to
    // the connections that we have just let go of.
    let starts = line.contains("the database system is starting up");
    let stops = stopping && line.contains("terminating connection due to administrator command");
    !starts && !stops && ["ERROR:", "FATAL:", "PANIC:"].iter().any(|word| line.contains(word))
}

impl PostgresCommand {
    fn build(&self) -> Command {
        let mut command = self.account.command(&self.binaries.program("postgres"));
        command.arg("-D").arg(&self.data_dir).arg("-k").arg(&self.run_dir);
        let on = if self.durable { "on" } else { "off" };
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "port=5432",
            "max_connections=50",
            "logging_collector=off",
            "log_destination=stderr",
            // Compiling queries needs memory that is writable and executable.
            "jit=off",
        ] {
            command.args(["-c", setting]);
        }
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            command.arg("-c").arg(format!("{setting}={on}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A group of its own: Ctrl-C at a terminal reaches us, and we stop Postgres when its clients are done.
        command.process_group(0);
        let parent = nix::unistd::getpid();
        // SAFETY: between fork and exec only async-signal-safe calls are made: prctl and getppid.
        unsafe {
            command.pre_exec(move || {
                prctl::set_pdeathsig(Signal::SIGINT)?;
                if getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
            });
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_and_a_stop_in_order_alarm_nobody() {
        let stop = "FATAL:  terminating connection due to administrator command";
        for (line, stopping, alarms) in [
            ("FATAL:  the database system is starting up", false, false),
            (stop, true, false),
            (stop, false, true),
            ("PANIC:  could not write to file", true, true),
            ("ERROR:  deadlock detected", false, true),
            ("LOG:  checkpoint starting: shutdown immediate", true, false),
        ] {
            assert_eq!(is_alarming(line, stopping), alarms, "{line}");
        }
    }
}
