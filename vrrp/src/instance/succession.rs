//! Who takes over from a router that resigns, where all who may are known.
//!
//! Skew_Time (RFC 9568 §6.4.2) puts Backups in order that know nothing of each other: most of an interval for a low
//! priority. Who knows the others has that order already.

use super::Instance;
use super::assist::DISTANCE;
use super::state::State;
use crate::Instant;

impl Instance {
    /// Of those that may take over from a router that has just resigned, `rank` would win before us
    /// ([`Config::rank`](crate::Config::rank)). Each lets the next better one go first, and waits no longer than its
    /// skew. Without effect unless the router that was obeyed is the one that has resigned.
    pub fn succeed_by_rank(&mut self, rank: u32, now: Instant) {
        match &mut self.state {
            State::Backup(wait) if wait.active_resigned => wait.let_go(now + DISTANCE * rank),
            State::Initialize
            | State::Backup(_)
            | State::TakingOver(_)
            | State::Active(_)
            | State::Leaving(_) => {}
        }
    }
}
