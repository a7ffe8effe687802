//! What this node has found out about takeovers of others, on its way to the server.
//!
//! Kept in memory until a session takes it: a failover that is recorded without it lacks a figure, no more. When
//! no session comes the oldest make room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use api_types::convergence::Convergence;
use tokio::sync::Notify;

use super::clock;
use crate::messages::ObservedConvergence;

/// How many wait for a session at most.
const ROOM: usize = 256;

/// What waits; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    waiting: Arc<Mutex<VecDeque<Convergence>>>,
    more: Arc<Notify>,
}

impl Findings {
    /// Keeps one for the session.
    pub(crate) fn push(&self, observed: &ObservedConvergence) {
        let found = Convergence {
            group_id: observed.group_id,
            holder: observed.holder,
            heard_at: clock::wall_at(observed.heard_at_boottime_ns),
            took_us: u64::try_from(observed.took.as_micros()).unwrap_or(u64::MAX),
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.len() >= ROOM {
            waiting.pop_front();
        }
        waiting.push_back(found);
        self.more.notify_one();
    }

    /// The oldest, once there is one. There is one session at a time, and whoever stops waiting loses none.
    pub(crate) async fn next(&self) -> Convergence {
        loop {
            let found = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match found {
                Some(found) => return found,
                None => self.more.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_newest_wait_for_a_session_in_their_order() {
        let findings = Findings::default();
        for number in 0..300 {
            findings.push(&ObservedConvergence {
                group_id: uuid::Uuid::from_u128(7),
                group: "web".to_owned(),
                holder: [192, 0, 2, 1].into(),
                heard_at_boottime_ns: clock::boottime_ns(),
                took: Duration::from_micros(number),
            });
        }
        for number in 44..300 {
            assert_eq!(findings.next().await.took_us, number);
        }
        let none = tokio::time::timeout(Duration::from_millis(1), findings.next()).await;
        assert!(none.is_err(), "{none:?}");
    }
}
