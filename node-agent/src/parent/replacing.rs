//! One worker for another while the addresses stay, and one program for another: see
//! [`upgrade`](super::upgrade).

use std::error::Error;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;

use super::{Bequest, Candidate, EXIT_HANDED_OVER, Unfit, Watch, Worker, retry_interrupted};
use crate::sys::clock;
use crate::sys::pidfd::PidFd;

/// How long a worker may take to make ready, and the one before to hand over.
const WITHIN: Duration = Duration::from_secs(10);
/// How often to look whether the one before has handed over: from then on somebody else advertises.
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Watch<'_> {
    /// Has a worker of another program, or with another configuration, hand over to one of this. The worker
    /// that goes on: the old one, when the new one has not come so far.
    pub(super) fn replace(&mut self, mut old: Worker) -> io::Result<Worker> {
        // Another one may have had its number.
        self.memory.forget_handover();
        let mut new = self.start(Some(&old))?;
        let (old_ends, new_ends) = (PidFd::open(old.id)?, PidFd::open(new.id)?);
        let until = clock::boottime() + WITHIN;
        loop {
            if self.memory.has_handed_over(old.id) {
                tracing::info!("the worker has handed over to another");
                self.guard.iter_mut().for_each(|guard| guard.follow_handover(&self.memory));
                self.retired = Some(old);
                return Ok(new);
            }
            let left = until.saturating_duration_since(clock::boottime());
            let mut fds =
                [&old_ends, &new_ends].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).to_vec();
            fds.extend([old.lifeline.as_fd(), self.signals.as_fd()].map(readable));
            let wait = TimeSpec::from_duration(left.min(LOOK_EVERY));
            retry_interrupted(|| ppoll(&mut fds, Some(wait), None))?;
            let happened: Vec<_> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            let (old_ended, new_ended) = (happened[0] || happened[2], happened[1]);
            if old_ended && !self.memory.has_handed_over(old.id) {
                self.guard.iter_mut().for_each(|guard| guard.follow_death(&self.memory, false));
                let status = old.wait()?;
                tracing::error!(%status, "the worker died instead of handing over");
                self.memory.count_worker_death();
                return Ok(new);
            }
            if old_ended || !new_ended && !left.is_zero() && !happened[3] {
                continue;
            }
            // What it may have told the old one already is obeyed; then this one is started again.
            new.tell(Signal::SIGKILL)?;
            let status = new.wait()?;
            tracing::error!(%status, "the new worker was not ready to go on; the old one does");
            return Ok(old);
        }
    }

    /// Tells how a worker that has handed over has ended, once it has.
    pub(super) fn follow_retired(&mut self) {
        let Some(ended) = self.retired.as_ref().and_then(|worker| worker.has_ended().transpose()) else {
            return;
        };
        self.retired = None;
        match ended {
            Ok(status) if status.code() == Some(i32::from(EXIT_HANDED_OVER)) => {
                tracing::info!("the worker that handed over has ended");
            }
            Ok(status) => tracing::error!(%status, "the worker that handed over has died since"),
            Err(error) => tracing::error!(%error, "how the worker that handed over has ended is not known"),
        }
    }

    /// Asks the program that stands where this one came from whether it can take its place.
    pub(super) fn look_for_another_program(&mut self) {
        if self.stopping || self.candidate.is_some() {
            return;
        }
        match self.place.ask(self.config, self.state_dir) {
            Ok(candidate) => self.candidate = Some(candidate),
            Err(unfit) => decline(&unfit),
        }
    }

    /// Becomes the program that was asked, once it has said yes.
    pub(super) fn follow_candidate(&mut self, worker: &Worker) {
        // A stop does not wait for it, and a worker that has not begun yet cannot hand over.
        if self.stopping {
            self.candidate = None;
        }
        if self.memory.heartbeat().is_none() || self.retired.is_some() {
            return;
        }
        let Some(answer) = self.candidate.as_mut().and_then(Candidate::answer) else { return };
        self.candidate = None;
        let bequest = Bequest {
            memory: self.memory.descriptor(),
            lock: self.lock.as_raw_fd(),
            lifeline: worker.lifeline.as_raw_fd(),
            worker: worker.id,
        };
        let declined: Result<(), Unfit> = answer.and_then(|()| {
            tracing::info!("the program and the configuration that are there now take the place of these");
            // The settings are read anew; the lifeline must not break.
            let _read_anew = inherits(&self.settings, false);
            let _kept = inherits(&worker.lifeline, true);
            let refused = self.place.become_it(self.config, bequest);
            let _handed_down = inherits(&self.settings, true);
            let _kept = inherits(&worker.lifeline, false);
            Err(refused)
        });
        if let Err(unfit) = declined {
            decline(&unfit);
        }
    }
}

fn decline(unfit: &Unfit) {
    let cause = unfit.source().map(ToString::to_string);
    tracing::error!(%unfit, cause, "the agent goes on as it is; restart it to run what is there now");
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// Whether a program that is run after this call has the descriptor too.
fn inherits(fd: &impl AsFd, inherits: bool) -> io::Result<()> {
    let flags = if inherits { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
    fcntl(fd, FcntlArg::F_SETFD(flags))?;
    Ok(())
}
