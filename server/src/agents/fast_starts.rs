//! Which session a fast start goes to.
//!
//! What counts is time: one that cannot be told at once is dropped, and the group begins as usual.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use api_types::fast_start::FastStart;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::store::sessions::SessionKey;

/// How many fast starts may wait for one session: as many groups as are made at once.
const WAITING: usize = 1_024;

/// The sessions of agents that understand fast starts.
#[derive(Debug, Default)]
pub struct FastStarts {
    listeners: Mutex<HashMap<Uuid, Listener>>,
}

#[derive(Debug)]
struct Listener {
    session: Uuid,
    sender: mpsc::Sender<FastStart>,
}

impl FastStarts {
    /// Lets a new session hear fast starts; an older one of the node hears no more.
    pub fn join(&self, key: SessionKey) -> mpsc::Receiver<FastStart> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.listeners().insert(key.node, Listener { session: key.session, sender });
        receiver
    }

    /// Forgets this session.
    pub fn leave(&self, key: SessionKey) {
        let mut listeners = self.listeners();
        if listeners.get(&key.node).is_some_and(|listener| listener.session == key.session) {
            listeners.remove(&key.node);
        }
    }

    /// Tells the session of the node, if it is here and has room. Waits for nobody.
    pub fn deliver(&self, node: Uuid, start: FastStart) {
        if self.listeners().get(&node).is_some_and(|listener| listener.sender.try_send(start).is_ok()) {
            metrics::counter!("baton_fast_starts_total").increment(1);
        }
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<Uuid, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: u128) -> SessionKey {
        SessionKey { node: Uuid::from_u128(1), session: Uuid::from_u128(session), server: Uuid::from_u128(9) }
    }

    fn start(generation: i64) -> FastStart {
        FastStart { group_id: Uuid::from_u128(5), generation, boot_id: Uuid::nil(), valid_ms: 1_000 }
    }

    #[test]
    fn the_newest_session_of_the_node_is_told_and_nobody_else() {
        let starts = FastStarts::default();
        starts.deliver(key(11).node, start(1));
        let mut old = starts.join(key(11));
        let mut new = starts.join(key(21));
        starts.leave(key(11));
        starts.deliver(key(21).node, start(2));
        starts.deliver(Uuid::from_u128(2), start(3));
        assert_eq!((old.try_recv().ok(), new.try_recv().ok()), (None, Some(start(2))));
        starts.leave(key(21));
        starts.deliver(key(21).node, start(4));
        assert_eq!(new.try_recv().ok(), None);
    }
}
