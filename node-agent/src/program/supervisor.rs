//! `baton-agent run-program`: runs one program, sees to its end, and says how it went.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::Signal;
use nix::unistd::{pipe, setsid};

use super::{Ended, OWN, Order, Outcome, descendants};
use crate::sys::pidfd::PidFd;
use crate::sys::realtime;

/// How much of the output is kept, in octets.
const KEPT: usize = 4096;
/// How much the supervisor gives way to everybody else (`setpriority(2)`); what it runs gives way to the supervisor.
const NICE: i32 = 5;
/// How long a program that has taken too long may take to end when it is asked to.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// Reads the order from standard input, and writes to standard output how it went.
///
/// # Errors
/// When nobody can be told.
pub fn run() -> anyhow::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("no order has come")?;
    let outcome = match serde_json::from_str(&line).context("the order cannot be read") {
        Ok(order) => supervise(&order),
        Err(error) => Outcome::not_run(format!("{error:#}")),
    };
    io::stdout().write_all(&serde_json::to_vec(&outcome)?).context("nobody hears how it went")
}

fn supervise(order: &Order) -> Outcome {
    let mut run = None;
    let ended = attempt(order, &mut run).unwrap_or_else(|error| Ended::NotRun(format!("{error:#}")));
    // However that went, nothing that came of it has any business here any longer. Without a supervisor nobody would
    // find it.
    while !descendants::end() {}
    let said = run.map(Run::said).unwrap_or_default();
    Outcome { ended, output: String::from_utf8_lossy(&said).into_owned() }
}

/// Runs the program until it has ended, or is to end.
fn attempt(order: &Order, run: &mut Option<Run>) -> anyhow::Result<Ended> {
    let until = Instant::now() + order.timeout;
    // A worker that has just begun hurries, and would pass that on.
    realtime::give_way(NICE);
    set_child_subreaper(true).context("what it leaves behind cannot be found")?;
    // A signal for the agent's terminal is none for what the agent runs. It may lead a session already.
    let _leads = setsid();
    let (reader, writer) = pipe().context("there is no pipe for its output")?;
    let run = run.insert(Run { output: reader, kept: Vec::new(), silent: false, last_word: None });
    let (supervisor, program) = UnixStream::pair().context("there is no socket for its order")?;
    // Who looks up the user may wait for a network.
    supervisor.set_read_timeout(Some(order.timeout)).context("its order could not be given")?;
    let mut child = Command::new(OWN)
        .arg("become-program")
        .env_clear()
        .stdin(OwnedFd::from(program))
        .stdout(writer.try_clone().context("there is no pipe for its output")?)
        .stderr(writer)
        .spawn()
        .context("it could not be started")?;
    match tell(&supervisor, order)? {
        Some(why) => Ok(Ended::NotRun(why)),
        None => run.follow(&mut child, until),
    }
}

/// Gives the order to the process that becomes the program; why it could not, if it could not.
fn tell(mut program: &UnixStream, order: &Order) -> anyhow::Result<Option<String>> {
    let mut text = serde_json::to_vec(order)?;
    text.push(b'\n');
    program.write_all(&text).context("its order could not be given")?;
    let mut why = String::new();
    // Ends when the program takes the place of the process.
    program.take(4096).read_to_string(&mut why).context("whether it runs cannot be found out")?;
    Ok((!why.is_empty()).then_some(why))
}

/// A program that runs, and what it says.
struct Run {
    output: OwnedFd,
    kept: Vec<u8>,
    /// Whether nobody can say anything any more.
    silent: bool,
    /// Set once it is to end, and why.
    last_word: Option<Ended>,
}

impl Run {
    /// Takes what the program says until it has ended, or has been asked to for long enough.
    fn follow(&mut self, child: &mut Child, mut until: Instant) -> anyhow::Result<Ended> {
        let handle = PidFd::open(child.id()).context("its end cannot be waited for")?;
        loop {
            if let Some(status) = child.try_wait().context("its end cannot be found out")? {
                return Ok(self.last_word.take().unwrap_or_else(|| how(status)));
            }
            let remaining = until.saturating_duration_since(Instant::now());
            let why =
                if remaining.is_zero() { Some(Ended::TimedOut) } else { self.wait(&handle, remaining)? };
            match (why, &self.last_word) {
                (None, _) => {}
                (Some(_), Some(last_word)) => return Ok(last_word.clone()),
                (Some(why), None) => {
                    self.last_word = Some(why);
                    until = Instant::now() + LAST_CHANCE;
                    descendants::signal(Signal::SIGTERM);
                }
            }
        }
    }

    /// Waits until something happens, and takes what was said. Why the run is to end, if it is.
    fn wait(&mut self, handle: &PidFd, at_most: Duration) -> anyhow::Result<Option<Ended>> {
        let stdin = io::stdin();
        let mut waited = vec![PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
        // The worker says nothing more: it is there, or it is not.
        let wanted = self.last_word.is_none().then_some(waited.len());
        waited.extend(wanted.map(|_| PollFd::new(stdin.as_fd(), PollFlags::POLLIN)));
        let output = (!self.silent).then_some(waited.len());
        waited.extend(output.map(|_| PollFd::new(self.output.as_fd(), PollFlags::POLLIN)));
        let timeout =
            PollTimeout::try_from(at_most.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut waited, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("it cannot be waited for"),
        }
        let happened = |at: Option<usize>| {
            let events = at.and_then(|at| waited.get(at)).and_then(PollFd::revents);
            events.is_some_and(|events| !events.is_empty())
        };
        let (is_unwanted, said) = (happened(wanted), happened(output));
        if said {
            self.take();
        }
        Ok(is_unwanted.then_some(Ended::Unwanted))
    }

    /// Takes something of what was said, and keeps the beginning.
    fn take(&mut self) {
        let mut buffer = [0; 64 * 1024];
        match nix::unistd::read(&self.output, &mut buffer) {
            Ok(0) | Err(_) => self.silent = true,
            Ok(length) => {
                let room = KEPT.saturating_sub(self.kept.len()).min(length);
                self.kept.extend_from_slice(&buffer[..room]);
            }
        }
    }

    /// The beginning of what was said, once everybody has ended who could say more.
    fn said(mut self) -> Vec<u8> {
        while !self.silent && self.kept.len() < KEPT {
            self.take();
        }
        self.kept
    }
}

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Signalled(signal),
        (None, None) => Ended::NotRun("nobody knows how it ended".to_owned()),
    }
}
