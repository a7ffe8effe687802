//! What waits for the sessions of this server beside their desired states: one mailbox for each node, of its newest
//! session.
//!
//! What counts is time: what finds no mailbox, or no room in one, is dropped.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use uuid::Uuid;

use crate::store::sessions::SessionKey;

/// The mailboxes of the nodes that have a session here.
#[derive(Debug)]
pub(super) struct Mailboxes<T> {
    /// How much may wait in one of them.
    room: usize,
    by_node: Mutex<HashMap<Uuid, Mailbox<T>>>,
}

#[derive(Debug)]
struct Mailbox<T> {
    session: Uuid,
    sender: mpsc::Sender<T>,
}

impl<T> Mailboxes<T> {
    /// None yet; in each, so much may wait.
    pub(super) fn with_room(room: usize) -> Self {
        Self { room, by_node: Mutex::new(HashMap::new()) }
    }

    /// Gives a new session its mailbox; an older one of the node hears no more.
    pub(super) fn join(&self, key: SessionKey) -> mpsc::Receiver<T> {
        let (sender, receiver) = mpsc::channel(self.room);
        self.by_node().insert(key.node, Mailbox { session: key.session, sender });
        receiver
    }

    /// Whether the node's mailbox is the one of this session.
    pub(super) fn belongs_to(&self, key: SessionKey) -> bool {
        self.by_node().get(&key.node).is_some_and(|mailbox| mailbox.session == key.session)
    }

    /// Takes this session's mailbox away, and returns whether it had one.
    pub(super) fn leave(&self, key: SessionKey) -> bool {
        let mut by_node = self.by_node();
        let had_one = by_node.get(&key.node).is_some_and(|mailbox| mailbox.session == key.session);
        if had_one {
            by_node.remove(&key.node);
        }
        had_one
    }

    /// Leaves this for the node's session, if it is here and has room, and returns whether it was. Waits for nobody.
    pub(super) fn send(&self, node: Uuid, what: T) -> bool {
        self.by_node().get(&node).is_some_and(|mailbox| mailbox.sender.try_send(what).is_ok())
    }

    fn by_node(&self) -> MutexGuard<'_, HashMap<Uuid, Mailbox<T>>> {
        self.by_node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: u128) -> SessionKey {
        SessionKey { node: Uuid::from_u128(1), session: Uuid::from_u128(session), server: Uuid::from_u128(9) }
    }

    #[test]
    fn the_newest_session_of_the_node_is_told_and_nobody_else() {
        let mailboxes = Mailboxes::with_room(8);
        assert!(!mailboxes.send(key(11).node, 1));
        let mut old = mailboxes.join(key(11));
        let mut new = mailboxes.join(key(21));
        assert_eq!((mailboxes.belongs_to(key(11)), mailboxes.belongs_to(key(21))), (false, true));
        assert!(!mailboxes.leave(key(11)), "its mailbox is gone already");
        assert!(mailboxes.send(key(21).node, 2));
        assert!(!mailboxes.send(Uuid::from_u128(2), 3));
        assert_eq!((old.try_recv().ok(), new.try_recv().ok()), (None, Some(2)));
        assert!(mailboxes.leave(key(21)));
        assert!(!mailboxes.send(key(21).node, 4));
        assert_eq!(new.try_recv().ok(), None);
    }

    #[test]
    fn what_finds_no_room_is_dropped() {
        let mailboxes = Mailboxes::with_room(1);
        let mut receiver = mailboxes.join(key(11));
        assert_eq!((mailboxes.send(key(11).node, 1), mailboxes.send(key(11).node, 2)), (true, false));
        assert_eq!((receiver.try_recv().ok(), receiver.try_recv().ok()), (Some(1), None));
    }
}
