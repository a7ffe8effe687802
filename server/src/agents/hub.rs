//! The sessions of this server.
//!
//! A node has one session, the newest. Where several servers share a database, the row of the node says whose it
//! is; [`Hub::reconcile`] compares both views, so that a session that another server took over ends here, and one
//! that this server lost ends in the database.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use api_types::boost::Boost;
use api_types::channel::Revision;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use uuid::Uuid;

use super::assists::Assists;
use super::fast_starts::FastStarts;
use crate::store::servers::Held;
use crate::store::sessions::SessionKey;

/// How many sessions may use the database at the same time; the rest wait, so that operators do not.
const CONCURRENT_WRITES: usize = 6;

/// The sessions of this server.
#[derive(Debug)]
pub struct Hub {
    server: Uuid,
    live: Mutex<HashMap<Uuid, Live>>,
    count: watch::Sender<usize>,
    writes: Semaphore,
    desired_changed: Notify,
    boosts_changed: Notify,
    assists: Assists,
    fast_starts: FastStarts,
}

#[derive(Debug)]
struct Live {
    session: Uuid,
    /// Whether the database knows of it.
    begun: bool,
    desired: watch::Sender<Revision>,
    boosts: watch::Sender<Option<Vec<Boost>>>,
    doubted: watch::Sender<()>,
    ending: watch::Sender<Option<Ending>>,
}

/// Why a session must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The agent has a newer session with this server.
    Replaced,
    /// The database knows it no longer: the agent has a newer session with another server, or enrolled anew, or
    /// the node was deleted.
    Gone,
}

/// What a session hears from the hub.
#[derive(Debug)]
pub struct Membership {
    /// Names the session.
    pub key: SessionKey,
    /// The newest revision that its node shall run.
    pub desired: watch::Receiver<Revision>,
    /// Every boost of its node; `None` before they are known.
    pub boosts: watch::Receiver<Option<Vec<Boost>>>,
    /// Changes when somebody wants to know whether the agent lives.
    pub doubted: watch::Receiver<()>,
    /// Set once it must end.
    pub ending: watch::Receiver<Option<Ending>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub without sessions, of a server that has just started.
    #[must_use]
    pub fn new() -> Self {
        Self {
            server: Uuid::now_v7(),
            live: Mutex::default(),
            count: watch::Sender::new(0),
            writes: Semaphore::new(CONCURRENT_WRITES),
            desired_changed: Notify::new(),
            boosts_changed: Notify::new(),
            assists: Assists::default(),
            fast_starts: FastStarts::default(),
        }
    }

    /// Names this run of this server.
    #[must_use]
    pub const fn server(&self) -> Uuid {
        self.server
    }

    /// Takes in a new session of the node; an older one ends.
    pub fn admit(&self, node: Uuid) -> Membership {
        let session = Uuid::now_v7();
        let (desired, desired_receiver) = watch::channel(Revision::default());
        let (boosts, boosts_receiver) = watch::channel(None);
        let (doubted, doubted_receiver) = watch::channel(());
        let (ending, ending_receiver) = watch::channel(None);
        let live = Live { session, begun: false, desired, boosts, doubted, ending };
        let replaced = self.live().insert(node, live);
        if let Some(replaced) = replaced {
            replaced.ending.send_replace(Some(Ending::Replaced));
        }
        self.count();
        Membership {
            key: SessionKey { node, session, server: self.server },
            desired: desired_receiver,
            boosts: boosts_receiver,
            doubted: doubted_receiver,
            ending: ending_receiver,
        }
    }

    /// Notes that the database knows of this session.
    pub fn begun(&self, key: SessionKey) {
        if let Some(live) = self.live().get_mut(&key.node).filter(|live| live.session == key.session) {
            live.begun = true;
        }
    }

    /// Forgets this session.
    pub fn leave(&self, key: SessionKey) {
        let mut live = self.live();
        if live.get(&key.node).is_some_and(|live| live.session == key.session) {
            live.remove(&key.node);
        }
        drop(live);
        self.assists.leave(key);
        self.fast_starts.leave(key);
        self.count();
    }

    /// Who is told when a member has let go of addresses.
    #[must_use]
    pub const fn assists(&self) -> &Assists {
        &self.assists
    }

    /// Who is told that a new group may begin at once.
    #[must_use]
    pub const fn fast_starts(&self) -> &FastStarts {
        &self.fast_starts
    }

    /// Says that some node shall run something newer.
    pub fn wake_desired(&self) {
        self.desired_changed.notify_one();
    }

    /// Returns once [`Self::wake_desired`] was called, at once where it was since this returned last.
    pub async fn desired_changed(&self) {
        self.desired_changed.notified().await;
    }

    /// Says that boosts have begun or ended, or that a session does not know its own.
    pub fn wake_boosts(&self) {
        self.boosts_changed.notify_one();
    }

    /// Returns once [`Self::wake_boosts`] was called, at once where it was since this returned last.
    pub async fn boosts_changed(&self) {
        self.boosts_changed.notified().await;
    }

    /// Tells each session the boosts of its node, where they are others than it was told.
    pub fn boost(&self, mut boosts: HashMap<Uuid, Vec<Boost>>) {
        for (node, live) in self.live().iter() {
            let now = boosts.remove(node).unwrap_or_default();
            live.boosts.send_if_modified(|told| {
                let is_news = told.as_ref() != Some(&now);
                *told = Some(now);
                is_news
            });
        }
    }

    /// Has those of these nodes that have a session here show that they live.
    pub fn doubt(&self, nodes: &[Uuid]) {
        let live = self.live();
        for doubted in nodes.iter().filter_map(|node| live.get(node)) {
            doubted.doubted.send_replace(());
        }
    }

    /// Returns once there is no session any more.
    pub async fn drained(&self) {
        // An error says that the sender is gone, which is this hub itself.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }

    /// The sessions that the database knew of before it is asked.
    #[must_use]
    pub fn begun_sessions(&self) -> Vec<(Uuid, Uuid)> {
        self.live().iter().filter(|(_, live)| live.begun).map(|(node, live)| (*node, live.session)).collect()
    }

    /// Compares with what the database says: tells each session the revision its node shall run, ends those that
    /// it knows no longer, and returns those that only it knows.
    ///
    /// `begun` was taken by [`Hub::begun_sessions`] before the database was asked.
    #[must_use]
    pub fn reconcile(&self, begun: &[(Uuid, Uuid)], held: &[Held]) -> Vec<SessionKey> {
        let known: HashMap<_, _> =
            held.iter().map(|held| ((held.node, held.session), held.desired)).collect();
        let live = self.live();
        for (node, session) in begun {
            let Some(live) = live.get(node).filter(|live| live.session == *session) else { continue };
            match known.get(&(*node, *session)) {
                None => {
                    live.ending.send_replace(Some(Ending::Gone));
                }
                Some(desired) => {
                    live.desired.send_if_modified(|told| {
                        let is_newer = *desired > *told;
                        *told = (*desired).max(*told);
                        is_newer
                    });
                }
            }
        }
        let is_lost = |held: &&Held| live.get(&held.node).is_none_or(|live| live.session != held.session);
        let key = |held: &Held| SessionKey { node: held.node, session: held.session, server: self.server };
        // One that is about to be replaced here will be so in the database, too.
        let lost = held.iter().filter(is_lost);
        lost.filter(|held| live.get(&held.node).is_none_or(|live| live.begun)).map(key).collect()
    }

    /// Waits until this session may use the database.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.writes.acquire().await.ok()
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Uuid, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        let live = self.live();
        self.count.send_replace(live.len());
        metrics::gauge!("baton_agent_sessions").set(live.len() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(counter: i64) -> Revision {
        Revision { epoch: 1, counter }
    }

    fn held(key: SessionKey, counter: i64) -> Held {
        Held { node: key.node, session: key.session, desired: revision(counter) }
    }

    #[test]
    fn the_newest_session_of_a_node_wins() {
        let hub = Hub::new();
        let node = Uuid::from_u128(1);
        let first = hub.admit(node);
        let second = hub.admit(node);
        assert_eq!(*first.ending.borrow(), Some(Ending::Replaced));
        assert_eq!(*second.ending.borrow(), None);
        hub.leave(first.key);
        hub.begun(second.key);
        assert_eq!(hub.begun_sessions(), [(node, second.key.session)], "the old one cannot take it along");
    }

    #[test]
    fn a_session_hears_of_newer_revisions_only() {
        let hub = Hub::new();
        let mut session = hub.admit(Uuid::from_u128(1));
        hub.begun(session.key);
        session.desired.mark_unchanged();
        for (counter, is_news) in [(3, true), (3, false), (2, false), (4, true)] {
            assert_eq!(hub.reconcile(&hub.begun_sessions(), &[held(session.key, counter)]), []);
            assert_eq!(session.desired.has_changed().unwrap(), is_news, "{counter}");
            session.desired.mark_unchanged();
        }
        assert_eq!(*session.desired.borrow(), revision(4));
    }

    #[test]
    fn what_only_one_side_knows_ends() {
        let hub = Hub::new();
        let session = hub.admit(Uuid::from_u128(1));
        assert_eq!(hub.reconcile(&hub.begun_sessions(), &[]), []);
        assert_eq!(*session.ending.borrow(), None, "the database does not know it yet");
        hub.begun(session.key);
        let lost = SessionKey { node: Uuid::from_u128(2), session: Uuid::from_u128(3), server: hub.server() };
        assert_eq!(hub.reconcile(&hub.begun_sessions(), &[held(lost, 1)]), [lost]);
        assert_eq!(*session.ending.borrow(), Some(Ending::Gone));
    }
}
