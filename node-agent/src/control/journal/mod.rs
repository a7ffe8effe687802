//! The journal: every transition, in order, until a server has it and for a while after.
//!
//! # Path of a transition
//! [`Journal::append`] gives it the next sequence of this boot and returns at once. The journal's own thread
//! writes it, together with whatever else came meanwhile, and syncs at most every 20 ms. Only then is it
//! handed out for sending ([`Journal::batch`]), so that what a server knows can never be numbered again after
//! a crash. When the server has committed it ([`Journal::acknowledge`]) it stays on disk for a retention
//! window, because a database can be restored to a state in which it does not know it any more.
//!
//! # When the disk fails
//! Full, slow or broken, the disk delays nobody: transitions stay in memory, are sent from there, and the
//! journal says that it is degraded. A file that failed is never written again; once a second a new one is
//! tried.

mod disk;
mod pending;
mod record;
mod run;
mod segment;
#[cfg(test)]
pub(crate) mod test_data;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api_types::agent_status::JournalStatus;
use api_types::channel::Acknowledged;
use api_types::transition::TransitionRecord;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

pub(crate) use self::disk::BootProgress;
use self::disk::Limits;
use self::pending::Pending;
use self::writer::{Beginning, ReadRequest, Shared};
use super::clock;
use crate::messages::ObservedTransition;

/// How long a reader waits for the disk.
const READ: Duration = Duration::from_secs(5);

/// What the run of the agent before this one left unfinished, in the same kernel: none of its processes
/// lives, and none has said so.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// The transitions to Active that no other of their group followed.
    pub(crate) held: Vec<TransitionRecord>,
    /// Whether the kernel was to remove the addresses of that run once nobody refreshed them.
    pub(crate) address_lease: bool,
}

/// A handle on the journal. Clones share it; its thread ends with the last one.
#[derive(Debug, Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    sendable: watch::Receiver<u64>,
    _closes: Arc<CloseOnDrop>,
}

#[derive(Debug)]
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Journal {
    /// Has the journal's thread replay the journal in `directory` and continue the sequence of `boot_id`. Never waits
    /// for the disk: what is taken in meanwhile is numbered after what the replay finds. A disk that cannot be read
    /// makes a journal that is degraded from the start.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn open(directory: &Path, boot_id: Uuid) -> std::io::Result<Self> {
        let (tell, sendable) = watch::channel(0);
        let shared = Arc::new(Shared::new(Pending::new(boot_id), tell));
        writer::spawn(Arc::clone(&shared), directory.to_owned(), Limits::default())?;
        Ok(Self { _closes: Arc::new(CloseOnDrop(Arc::clone(&shared))), shared, sendable })
    }

    /// Begins a run of the agent: what `tell` makes of what the run before has left comes before everything
    /// else in this one's sequence. `tell` is not called when nothing can be known, and what comes too late
    /// is dropped. `address_lease` is for the next run to know of this one.
    pub(crate) fn begin(
        &self,
        address_lease: bool,
        tell: impl FnOnce(Unfinished) -> Vec<ObservedTransition> + Send + 'static,
    ) {
        let tell = Box::new(move |unfinished| {
            // They are numbered when it is known what comes after them.
            tell(unfinished).into_iter().map(|observed| numbered(observed, Uuid::nil(), 0)).collect()
        });
        self.take_up(Beginning { address_lease, tell: Some(tell) });
    }

    /// Goes on with a run of the agent, in another worker, which may have other settings.
    pub(crate) fn go_on(&self, address_lease: bool) {
        self.take_up(Beginning { address_lease, tell: None });
    }

    fn take_up(&self, beginning: Beginning) {
        self.shared.with(|state| state.beginning = Some(beginning));
        self.shared.wake();
    }

    /// Takes in a transition; never waits for the disk.
    pub fn append(&self, observed: ObservedTransition) {
        let taken = self.shared.with(|state| {
            let taken = state.pending.push(|boot_id, sequence| numbered(observed, boot_id, sequence));
            if state.degraded.is_some() {
                state.announce();
            }
            taken
        });
        self.shared.wake();
        if !taken {
            tracing::error!("a transition is lost: memory is full and the journal cannot be written");
        }
    }

    /// Takes note that a server has committed everything of a boot up to a sequence.
    pub fn acknowledge(&self, acknowledged: Acknowledged) {
        self.shared.with(|state| state.acknowledge(acknowledged));
        self.shared.wake();
    }

    /// Takes note of what a server knows of this boot before anything is sent to it.
    pub(crate) fn align(&self, acknowledged: &[Acknowledged]) {
        self.shared.with(|state| {
            let boot_id = state.pending.boot_id();
            if let Some(known) = acknowledged.iter().find(|known| known.boot_id == boot_id) {
                state.pending.renumber_after(known.sequence);
                state.acknowledge(*known);
            }
        });
        self.shared.wake();
    }

    /// Every boot that can be sent from, the current one last, and how far each can be sent now.
    pub(crate) fn boots(&self) -> Vec<BootProgress> {
        self.shared.with(|state| {
            let mut boots = state.pending.boots().to_vec();
            if let Some(current) = boots.last_mut() {
                current.last = state.sendable();
            }
            boots
        })
    }

    /// The transitions of one boot from `from` on, in order, without gaps between them, at most `limit`.
    /// Where `from` is not there any more they begin later; empty when there is nothing to send.
    ///
    /// # Errors
    /// When the disk cannot be read in time.
    pub(crate) async fn batch(
        &self,
        boot_id: Uuid,
        from: u64,
        limit: usize,
    ) -> std::io::Result<Vec<TransitionRecord>> {
        let (reply, answer) = oneshot::channel();
        let in_memory = self.shared.with(|state| {
            let sendable = state.sendable();
            if boot_id == state.pending.boot_id()
                && let Some(batch) = state.pending.batch(from, sendable, limit)
            {
                return Some(batch);
            }
            state.reads.push(ReadRequest { boot_id, from, limit, reply });
            None
        });
        if let Some(batch) = in_memory {
            return Ok(batch);
        }
        self.shared.wake();
        match tokio::time::timeout(READ, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(std::io::Error::other("the disk of the journal does not answer")),
        }
    }

    /// Changes whenever there may be more to send.
    pub(crate) fn watch_sendable(&self) -> watch::Receiver<u64> {
        self.sendable.clone()
    }

    /// How the journal stands.
    #[must_use]
    pub fn status(&self) -> JournalStatus {
        self.shared.with(|state| JournalStatus {
            unacknowledged: state.pending.unacknowledged(),
            degraded: state.degradation(),
        })
    }

    /// Waits until the journal was replayed and everything taken in so far would survive a crash, or the disk has
    /// failed.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        self.shared.with(|state| state.flushes.push(reply));
        self.shared.wake();
        let _ = done.await;
    }
}

fn numbered(observed: ObservedTransition, boot_id: Uuid, sequence: u64) -> TransitionRecord {
    TransitionRecord {
        boot_id,
        sequence,
        group_id: observed.group_id,
        group: observed.group,
        family: observed.family,
        vrid: observed.vrid,
        interface: observed.interface,
        from: observed.from,
        to: observed.to,
        reason: observed.reason,
        priority: observed.priority,
        at: clock::wall_at(observed.at_boottime_ns),
        at_boottime_ns: observed.at_boottime_ns,
        last_advertisement: observed.last_advertisement,
        bound_at_boottime_ns: observed.bound_at_boottime_ns,
        announced_at_boottime_ns: observed.announced_at_boottime_ns,
        released_at_boottime_ns: observed.released_at_boottime_ns,
        failing_checks: observed.failing_checks,
    }
}

#[cfg(test)]
mod tests;
