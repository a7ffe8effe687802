//! A router that was kept from running: it lets go first, and then listens.
//!
//! Backups wait for three intervals. A router that finds itself later than that with what it had to do cannot know
//! who answers for the addresses by now, and must say nothing in their name before it does.

use super::Instance;
use super::state::{State, Wait};
use crate::{Instant, Reason, Role};

/// How many intervals late is too late.
const INTERVALS: u32 = 3;

impl Instance {
    /// Whether the router holds, and is more than three intervals late with what it had to do. An owner never is: the
    /// addresses are its own, and nobody wins against it.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        let patience = self.config.interval().as_duration() * INTERVALS;
        let due = match &self.state {
            State::Active(tenure) => tenure.advertise_at,
            State::Leaving(leave) => leave.release_at,
            State::Initialize | State::Backup(_) | State::TakingOver(_) => return false,
        };
        !self.config.priority().is_owner() && due + patience < now
    }

    /// Lets go of the addresses without a word. An Active router becomes Backup and listens, as after a start; one
    /// that leaves has left.
    pub fn lapse(&mut self, now: Instant) {
        match &self.state {
            State::Active(_) => {
                self.config.set_boost(None);
                self.fall_back(Role::Active, Wait::from(now).fallen(), Reason::Lapsed);
            }
            State::Leaving(_) => self.end_leaving(Reason::Lapsed, now),
            State::Initialize | State::Backup(_) | State::TakingOver(_) => {}
        }
    }
}
