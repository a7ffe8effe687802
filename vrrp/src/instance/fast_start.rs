//! A fast start: the caller knows that nobody can hold the addresses, so there is no silence to wait for.
//!
//! RFC 9568 §6.4.1 has every router but the owner wait for Active_Down_Interval first. That wait finds out
//! one thing: whether another router is Active. A caller that has found it out by other means may spare it.
//! From there on the ordinary rules hold: whoever is heard after all is obeyed, or obeys.

use super::Instance;
use super::state::{State, Wait};
use crate::{Instant, Reason, Role};

/// For how many intervals nobody may have been heard.
const INTERVALS: u32 = 3;

impl Instance {
    /// Whether it is Backup, and has heard nobody for three intervals.
    #[must_use]
    pub fn is_idle(&self, now: Instant) -> bool {
        let State::Backup(Wait { active: None, let_go_at: None, .. }) = &self.state else { return false };
        self.last_heard.is_none_or(|heard| {
            let interval = self.config.interval().max(heard.interval).as_duration();
            heard.at + interval * INTERVALS <= now
        })
    }

    /// Takes over at once as Backup that is [idle](Self::is_idle), unless what its LAN side did or the kernel
    /// refused a moment ago keeps it from that, or it is in a sync group. Whether it does.
    pub fn begin_at_once(&mut self, now: Instant) -> bool {
        let may =
            !self.in_set && self.is_idle(now) && self.held_off_until <= now && self.backoff.until() <= now;
        if may {
            self.take_over(Role::Backup, Reason::FastStart);
        }
        may
    }
}
