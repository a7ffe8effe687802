//! Watches one worker until it has ended, and ends it when the guard finds that something is wrong with it.

use std::io;
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;
use vrrp::Instant;

use super::deafness::Deafness;
use super::{Watch, Worker, retry_interrupted};
use crate::guard::{Guard, Verdict};
use crate::sys::clock;
use crate::sys::pidfd::PidFd;

/// How often a worker that has not begun yet is looked at.
const WATCH_START: Duration = Duration::from_millis(10);
/// How often a worker that was told to stop is looked at.
const WATCH_STOP: Duration = Duration::from_millis(100);
/// How often a program that may take the place of this one is looked at.
const WATCH_CANDIDATE: Duration = Duration::from_millis(10);
/// How often a worker that has handed over is looked at.
const WATCH_RETIRED: Duration = Duration::from_millis(100);
/// How often a worker that was killed is looked at.
const WATCH_DEATH: Duration = Duration::from_millis(100);
/// How long a worker may take to end after it has released everything. One whose thread waits for a disk that hangs
/// cannot end, and cannot be killed either.
const PATIENCE_WITH_END: Duration = Duration::from_secs(2);

/// How a worker has ended.
pub(super) enum End {
    /// By itself, or somebody else ended it.
    Died(ExitStatus),
    /// It was killed for this.
    PutDown(Verdict, ExitStatus),
    /// It has done everything, and the kernel does not let it end.
    Stuck,
}

impl Watch<'_> {
    /// Returns when the worker has ended. Its lifeline breaks a while before.
    pub(super) fn attend(&mut self, worker: &mut Worker) -> io::Result<End> {
        let pidfd = PidFd::open(worker.id)?;
        if self.stopping {
            worker.tell(Signal::SIGTERM)?;
        }
        let mut deafness = Deafness::default();
        let mut finished_at = None;
        let mut put_down = None;
        let mut is_dead = false;
        loop {
            let timeout = self.next_look(is_dead || put_down.is_some());
            let mut fds = [
                PollFd::new(pidfd.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(worker.lifeline.as_fd(), PollFlags::POLLIN),
            ];
            // Once broken it would end every wait.
            let watched = if is_dead { &mut fds[..2] } else { &mut fds[..] };
            retry_interrupted(|| ppoll(watched, timeout, None))?;
            let [ended, _, broken] = fds.map(|fd| fd.any().unwrap_or(false));
            self.announce_start();
            self.follow_retired();
            self.guard.iter_mut().for_each(|guard| guard.speak(&self.memory));
            match self.take_signal()? {
                Some(Signal::SIGHUP) => self.look_for_another_program(),
                Some(signal) => worker.tell(signal)?,
                None => {}
            }
            if (broken || ended) && !is_dead {
                is_dead = true;
                self.memory.forget_adoption();
                let at_once = self.has_died_before() && put_down != Some(Verdict::TooLate);
                self.guard.iter_mut().for_each(|guard| guard.follow_death(&self.memory, at_once));
            }
            if ended {
                let status = worker.wait()?;
                return Ok(put_down.map_or(End::Died(status), |verdict| End::PutDown(verdict, status)));
            }
            if self.stopping && self.memory.is_finished() {
                let finished_at = *finished_at.get_or_insert_with(clock::boottime);
                if clock::boottime().saturating_duration_since(finished_at) >= PATIENCE_WITH_END {
                    return Ok(End::Stuck);
                }
            }
            if !is_dead && put_down.is_none() {
                self.follow_candidate(worker);
                if self.stopping && self.is_deaf(worker, &mut deafness) {
                    worker.tell(Signal::SIGKILL)?;
                    put_down = Some(Verdict::Deaf);
                    continue;
                }
            }
            let Some(guard) = self.guard.as_mut().filter(|_| !is_dead) else { continue };
            if put_down.is_some() {
                // One of its threads is in the kernel and cannot be killed. The one that matters is dead.
                if Guard::is_harmless(worker.id, &self.memory) {
                    is_dead = true;
                    self.memory.forget_adoption();
                    guard.follow_death(&self.memory, true);
                }
            } else if let Some(verdict) = guard.judge(worker.id, &self.memory) {
                worker.tell(Signal::SIGKILL)?;
                put_down = Some(verdict);
            }
        }
    }

    /// Whether a worker that was told to stop has not heard it. One whose dataplane does not run yet may.
    fn is_deaf(&self, worker: &Worker, deafness: &mut Deafness) -> bool {
        let runs = self.memory.heartbeat().is_some_and(|at| at >= self.started_at);
        runs && deafness.is_certain(clock::boottime(), self.memory.has_begun_stop(worker.id))
    }

    /// How long the worker may be left alone.
    fn next_look(&self, is_dying: bool) -> Option<TimeSpec> {
        let routine = match (self.announced, self.stopping) {
            _ if self.candidate.is_some() => Some(WATCH_CANDIDATE),
            _ if self.retired.is_some() => Some(WATCH_RETIRED),
            (false, _) => Some(WATCH_START),
            (true, true) => Some(WATCH_STOP),
            (true, false) => None,
        };
        let left = |until: Instant| until.saturating_duration_since(clock::boottime());
        let guard = self.guard.as_ref().map(|guard| match is_dying {
            true => WATCH_DEATH,
            false => left(guard.look_at()),
        });
        let speaks = self.guard.as_ref().and_then(Guard::speaks_at).map(left);
        [routine, guard, speaks].into_iter().flatten().min().map(TimeSpec::from_duration)
    }
}
