//! The journal's thread: the only one that touches its files.
//!
//! One mutex and one condition variable stand between it and the rest of control. The mutex is held for
//! copying in memory only, never across a system call on a file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, io};

use api_types::channel::Acknowledged;
use api_types::transition::{State as MemberState, TransitionRecord};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::Unfinished;
use super::disk::{Disk, Limits};
use super::pending::Pending;
use super::run::{LastRun, Run};

/// Syncs are at least this far apart, so that a burst shares them.
const GROUP: Duration = Duration::from_millis(20);
/// How often a failed disk is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A disk that has not answered for this long counts as failed.
const STALLED: Duration = Duration::from_secs(2);
/// How often old segments are looked for.
const PRUNE: Duration = Duration::from_secs(3_600);

/// A wish to read transitions back.
#[derive(Debug)]
pub(super) struct ReadRequest {
    pub(super) boot_id: Uuid,
    pub(super) from: u64,
    pub(super) limit: usize,
    pub(super) reply: oneshot::Sender<io::Result<Vec<TransitionRecord>>>,
}

/// What a run says for the run before, which could not say it any more.
pub(super) type Tell = Box<dyn FnOnce(Unfinished) -> Vec<TransitionRecord> + Send>;

/// How a run begins, or goes on with another worker.
pub(super) struct Beginning {
    /// Whether the kernel is to remove addresses that nobody refreshes.
    pub(super) address_lease: bool,
    /// Only where it begins.
    pub(super) tell: Option<Tell>,
}

impl fmt::Debug for Beginning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Beginning")
            .field("address_lease", &self.address_lease)
            .finish_non_exhaustive()
    }
}

/// What the thread and the handles share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) pending: Pending,
    /// Acknowledgements that are not on disk yet.
    acknowledged: BTreeMap<Uuid, u64>,
    pub(super) reads: Vec<ReadRequest>,
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    pub(super) beginning: Option<Beginning>,
    /// Why the last attempt to write failed, if it did.
    pub(super) degraded: Option<String>,
    /// Since when the disk has been asked to do something, while it is.
    busy_since: Option<Instant>,
    closed: bool,
    changes: u64,
    tell: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(pending: Pending, tell: watch::Sender<u64>) -> Self {
        let state = State {
            pending,
            acknowledged: BTreeMap::new(),
            reads: Vec::new(),
            flushes: Vec::new(),
            beginning: None,
            degraded: None,
            busy_since: None,
            closed: false,
            changes: 0,
            tell,
        };
        Self { state: Mutex::new(state), work: Condvar::new() }
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.lock())
    }

    pub(super) fn wake(&self) {
        self.work.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No invariant spans a panic: every critical section is a few assignments.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, most: Duration) -> MutexGuard<'_, State> {
        let (state, _) = self
            .work
            .wait_timeout_while(self.lock(), most, |state| !state.has_work())
            .unwrap_or_else(PoisonError::into_inner);
        state
    }
}

impl State {
    /// The highest sequence of this boot that may be sent: with a working disk, what is on it.
    pub(super) fn sendable(&self) -> u64 {
        if self.degradation().is_some() { self.pending.last() } else { self.pending.durable() }
    }

    /// Why the journal cannot be written now, if it cannot.
    pub(super) fn degradation(&self) -> Option<String> {
        let stalled = self.busy_since.is_some_and(|since| since.elapsed() > STALLED);
        let why = match (&self.degraded, stalled) {
            (Some(why), _) => why.clone(),
            (None, true) => "the disk does not answer".to_owned(),
            (None, false) => return None,
        };
        Some(match self.pending.lost() {
            0 => why,
            lost => format!("{why}; {lost} transitions were lost because memory was full"),
        })
    }

    /// Takes note of an acknowledgement, here and, later, on disk.
    pub(super) fn acknowledge(&mut self, acknowledged: Acknowledged) {
        let Some(acknowledged) = self.pending.acknowledged(acknowledged) else { return };
        let highest = self.acknowledged.entry(acknowledged.boot_id).or_default();
        *highest = acknowledged.sequence.max(*highest);
    }

    /// Wakes whoever waits for more to send.
    pub(super) fn announce(&mut self) {
        self.changes += 1;
        self.tell.send_replace(self.changes);
    }

    fn has_work(&self) -> bool {
        let writable = self.degraded.is_none()
            && (self.pending.last() > self.pending.durable()
                || !self.acknowledged.is_empty()
                || self.beginning.is_some());
        writable || !self.reads.is_empty() || !self.flushes.is_empty() || self.closed
    }
}

/// Starts the thread, which opens the journal first; a failure is tried again.
pub(super) fn spawn(shared: Arc<Shared>, directory: PathBuf, limits: Limits) -> io::Result<()> {
    let last_run = LastRun::beside(&directory);
    let thread = Thread { shared, directory, limits, disk: None, last_run, last_sync: None };
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || thread.run())?;
    Ok(())
}

struct Thread {
    shared: Arc<Shared>,
    directory: PathBuf,
    limits: Limits,
    disk: Option<Disk>,
    last_run: LastRun,
    last_sync: Option<Instant>,
}

impl Thread {
    fn run(mut self) {
        let outcome = self.open();
        self.report(outcome);
        let mut next_try = Instant::now() + RETRY;
        let mut next_prune = Instant::now() + PRUNE;
        loop {
            let (reads, flushes, closed, degraded) = {
                let mut state = self.shared.wait(RETRY);
                (
                    std::mem::take(&mut state.reads),
                    std::mem::take(&mut state.flushes),
                    state.closed,
                    state.degraded.is_some(),
                )
            };
            if !degraded || next_try <= Instant::now() || closed {
                let outcome = self.write();
                next_try = Instant::now() + RETRY;
                self.report(outcome);
            }
            for read in reads {
                self.read(read);
            }
            for flush in flushes {
                let _ = flush.send(());
            }
            if next_prune <= Instant::now() {
                next_prune = Instant::now() + PRUNE;
                if let Some(disk) = &mut self.disk {
                    disk.prune(SystemTime::now());
                }
            }
            if closed {
                return;
            }
        }
    }

    /// Brings what is pending to disk.
    fn write(&mut self) -> io::Result<()> {
        if self.disk.is_none() {
            self.open()?;
        }
        let (transitions, acknowledged) = loop {
            self.begin();
            let outstanding = self.shared.with(|state| {
                let numbered = || (state.pending.unwritten(), state.acknowledged.clone());
                state.beginning.is_none().then(numbered)
            });
            if let Some(outstanding) = outstanding {
                break outstanding;
            }
        };
        if transitions.is_empty() && acknowledged.is_empty() {
            return Ok(());
        }
        self.shared.with(|state| state.busy_since = Some(Instant::now()));
        let outcome = self.write_to_disk(&transitions, &acknowledged);
        self.shared.with(|state| {
            state.busy_since = None;
            if outcome.is_ok() {
                state.acknowledged.retain(|boot_id, highest| acknowledged.get(boot_id) != Some(highest));
                if let Some(last) = transitions.last() {
                    state.pending.written(last.sequence);
                    state.announce();
                }
            }
        });
        outcome
    }

    fn write_to_disk(
        &mut self,
        transitions: &[Arc<TransitionRecord>],
        acknowledged: &BTreeMap<Uuid, u64>,
    ) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Err(io::Error::other("the journal is not open")) };
        let acknowledged: Vec<_> = acknowledged
            .iter()
            .map(|(boot_id, sequence)| Acknowledged { boot_id: *boot_id, sequence: *sequence })
            .collect();
        disk.append(transitions, &acknowledged)?;
        // A lost acknowledgement costs a repetition: it waits for the next transition's sync.
        if transitions.is_empty() {
            return Ok(());
        }
        if let Some(since) = self.last_sync.map(|at| at.elapsed()).filter(|since| *since < GROUP) {
            std::thread::sleep(GROUP - since);
        }
        disk.sync()?;
        self.last_sync = Some(Instant::now());
        Ok(())
    }

    /// Has said what the run before could not say, if this one is to begin with that. Nothing else fails
    /// because of it.
    fn begin(&mut self) {
        let begun = self.shared.with(|state| {
            let beginning = state.beginning.take()?;
            state.busy_since = Some(Instant::now());
            Some((state.pending.boot_id(), beginning))
        });
        let Some((boot_id, Beginning { address_lease, tell })) = begun else { return };
        let told = self.tell(boot_id, address_lease, tell);
        self.shared.with(|state| state.busy_since = None);
        let told = told.unwrap_or_else(|error| {
            tracing::warn!(%error, "what became of the addresses of the run before is not known");
            Vec::new()
        });
        if !told.is_empty() && !self.shared.with(|state| state.pending.precede(told)) {
            tracing::warn!("what became of the addresses of the run before comes too late to be recorded");
        }
    }

    /// What is said for the run before, if that was this one's predecessor in the same kernel.
    fn tell(
        &mut self,
        boot_id: Uuid,
        address_lease: bool,
        tell: Option<Tell>,
    ) -> io::Result<Vec<TransitionRecord>> {
        let Some(disk) = &self.disk else { return Err(io::Error::other("the journal is not open")) };
        let run = Run::current(boot_id, address_lease).inspect_err(|_| self.last_run.follow(false))?;
        let Some(tell) = tell else { return self.last_run.go_on(&run).map(|()| Vec::new()) };
        let Some(before) = self.last_run.begin(&run)? else { return Ok(Vec::new()) };
        let mut held = disk.ends_of(before.boot_id)?;
        held.retain(|transition| transition.to == MemberState::Active);
        Ok(tell(Unfinished { held, address_lease: before.address_lease }))
    }

    /// Reads the journal. Nothing is written before: what it holds of this boot comes first in the sequence.
    fn open(&mut self) -> io::Result<()> {
        let boot_id = self.shared.with(|state| {
            state.busy_since = Some(Instant::now());
            state.pending.boot_id()
        });
        let outcome = Disk::open(&self.directory, boot_id, self.limits);
        let (disk, replay) = self.shared.with(|state| {
            state.busy_since = None;
            outcome
        })?;
        for damage in &replay.damage {
            tracing::error!(damage, "the journal was damaged");
        }
        self.shared.with(|state| {
            state.pending.adopt(replay.boots);
            state.announce();
        });
        self.disk = Some(disk);
        Ok(())
    }

    fn report(&mut self, outcome: io::Result<()>) {
        let is_ok = outcome.is_ok();
        let why = outcome.err().map(|error| error.to_string());
        let changed = self.shared.with(|state| {
            let changed = state.degraded != why;
            state.degraded.clone_from(&why);
            if changed {
                state.announce();
            }
            changed
        });
        match (changed, why) {
            (true, Some(why)) => {
                tracing::error!(why, "the journal cannot be written; transitions stay in memory")
            }
            (true, None) => tracing::info!("the journal is written again"),
            (false, _) => {}
        }
        let is_complete = self.shared.with(|state| {
            state.busy_since = Some(Instant::now());
            is_ok && state.pending.lost() == 0
        });
        self.last_run.follow(is_complete);
        self.shared.with(|state| state.busy_since = None);
    }

    fn read(&self, request: ReadRequest) {
        let ReadRequest { boot_id, from, limit, reply } = request;
        let outcome = match &self.disk {
            Some(disk) => disk.read(boot_id, from, limit),
            None => Ok(Vec::new()),
        };
        let _ = reply.send(outcome);
    }
}
