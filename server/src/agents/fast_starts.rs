//! Which session a fast start goes to. One that cannot be told at once is dropped, and the group begins as usual.

use api_types::fast_start::FastStart;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::mailboxes::Mailboxes;
use crate::store::sessions::SessionKey;

/// How many fast starts may wait for one session: as many groups as are made at once.
const WAITING: usize = 1_024;

/// The sessions of agents that understand fast starts.
#[derive(Debug)]
pub struct FastStarts {
    mailboxes: Mailboxes<FastStart>,
}

impl Default for FastStarts {
    fn default() -> Self {
        Self { mailboxes: Mailboxes::with_room(WAITING) }
    }
}

impl FastStarts {
    /// Lets a new session hear fast starts; an older one of the node hears no more.
    pub fn join(&self, key: SessionKey) -> mpsc::Receiver<FastStart> {
        self.mailboxes.join(key)
    }

    /// Forgets this session.
    pub fn leave(&self, key: SessionKey) {
        self.mailboxes.leave(key);
    }

    /// Tells the session of the node, if it is here and has room. Waits for nobody.
    pub fn deliver(&self, node: Uuid, start: FastStart) {
        if self.mailboxes.send(node, start) {
            metrics::counter!("baton_fast_starts_total").increment(1);
        }
    }
}
