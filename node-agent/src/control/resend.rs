//! From where transitions are sent in one session, and what an acknowledgement means for the next batch.
//!
//! The server says in its `welcome` how far it has committed each boot. What follows is sent even if some
//! server acknowledged it once: a database can be restored to a state from before.

use std::collections::BTreeMap;

use api_types::channel::{Acknowledged, MAX_TRANSITIONS};
use api_types::transition::TransitionRecord;
use uuid::Uuid;

use super::journal::Journal;

/// Transitions of one boot on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) boot_id: Uuid,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// From where the journal was asked; smaller than `first` when the journal does not have what lies
    /// between.
    from: u64,
}

/// How far each boot has been sent in this session.
#[derive(Debug, Default)]
pub(crate) struct Resend {
    /// The next sequence to send.
    next: BTreeMap<Uuid, u64>,
}

impl Resend {
    pub(crate) fn new(acknowledged: &[Acknowledged]) -> Self {
        Self { next: acknowledged.iter().map(|known| (known.boot_id, known.sequence + 1)).collect() }
    }

    /// The next transitions to send, of the oldest boot that has any.
    pub(crate) async fn next_batch(&mut self, journal: &Journal) -> Option<(Batch, Vec<TransitionRecord>)> {
        for boot in journal.boots() {
            let from = self.next.get(&boot.boot_id).copied().unwrap_or(1);
            if from > boot.last {
                continue;
            }
            let transitions = match journal.batch(boot.boot_id, from, MAX_TRANSITIONS).await {
                Ok(transitions) => transitions,
                Err(error) => {
                    tracing::warn!(%error, "cannot read transitions back");
                    return None;
                }
            };
            let (Some(first), Some(last)) = (transitions.first(), transitions.last()) else {
                // Retention has removed them.
                self.next.insert(boot.boot_id, boot.last + 1);
                continue;
            };
            let batch = Batch { boot_id: boot.boot_id, first: first.sequence, last: last.sequence, from };
            return Some((batch, transitions));
        }
        None
    }

    /// Takes note that the server has committed a boot up to `sequence`, in answer to a batch. Returns up to
    /// where nothing needs to be sent again.
    ///
    /// # Errors
    /// The batch, when the server took none of it although nothing before it is missing.
    pub(crate) fn answered(&mut self, batch: Batch, sequence: u64) -> Result<Acknowledged, Batch> {
        let has_hole = batch.from < batch.first;
        let settled = if sequence >= batch.first {
            sequence
        } else if has_hole {
            // What lies before the batch is nowhere any more, so no server can ever count past it.
            tracing::error!(
                boot_id = %batch.boot_id,
                from = batch.from,
                to = batch.first - 1,
                "transitions are missing from the journal"
            );
            batch.last
        } else {
            return Err(batch);
        };
        self.next.insert(batch.boot_id, settled + 1);
        Ok(Acknowledged { boot_id: batch.boot_id, sequence: settled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(from: u64, first: u64, last: u64) -> Batch {
        Batch { boot_id: Uuid::nil(), from, first, last }
    }

    fn next_after(batch: Batch, sequence: u64) -> Option<u64> {
        let mut resend = Resend::default();
        resend.answered(batch, sequence).ok()?;
        resend.next.get(&Uuid::nil()).copied()
    }

    #[test]
    fn the_next_batch_begins_behind_what_is_committed() {
        assert_eq!(next_after(batch(1, 1, 100), 100), Some(101));
        assert_eq!(next_after(batch(1, 1, 100), 40), Some(41), "a part was committed");
        assert_eq!(next_after(batch(1, 1, 100), 250), Some(251), "another server knew more");
    }

    #[test]
    fn a_hole_in_the_journal_does_not_hold_up_what_follows_it() {
        assert_eq!(next_after(batch(3, 7, 20), 2), Some(21));
    }

    #[test]
    fn a_server_that_takes_nothing_is_not_asked_for_ever() {
        assert_eq!(next_after(batch(3, 3, 20), 2), None);
    }
}
