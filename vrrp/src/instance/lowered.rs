//! A router that has just lowered its priority while it holds: because a switchover was taken back, or by an edit.
//!
//! Whoever obeyed the higher priority says once more what its own one is, and lets go. Measured by the lower priority
//! that is an advertisement to obey, and the two would let go for each other. So it is answered first: a router that
//! does hold says so again, at once in version 3, and is obeyed then.

use std::time::Duration;

use super::state::Tenure;
use crate::election::Candidate;
use crate::{Config, Instant, Priority};

/// For how many intervals a concession is expected. No Backup takes over sooner because of the lower priority: an
/// Active_Down_Interval has three, and the last advertisement that it obeyed is one old at most.
const INTERVALS: u32 = 2;
/// For how long after the first answer others may not have heard it.
const UNHEARD: Duration = Duration::from_millis(10);

/// What an Active router said until it lowered its priority.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lowered {
    before: Priority,
    until: Instant,
    /// From when on a better router is obeyed; `None` while none was heard.
    obeys_from: Option<Instant>,
}

impl Tenure {
    /// Another priority is said from now on than `before`.
    pub(super) fn changes_priority(&mut self, before: Priority, config: &Config, now: Instant) {
        let known = self.lowered.filter(|known| now < known.until).map(|known| known.before);
        let before = known.map_or(before, |known| known.max(before));
        let until = now + config.interval().as_duration() * INTERVALS;
        self.lowered = Some(Lowered { before, until, obeys_from: None });
    }

    /// Whether a better router may only be conceding to what was said before.
    pub(super) fn may_be_conceded_to(&mut self, rival: Priority, now: Instant) -> bool {
        let Some(Lowered { before, until, obeys_from }) = &mut self.lowered else { return false };
        if now >= *until || !Candidate::may_be_conceded_to(*before, rival) {
            return false;
        }
        now < *obeys_from.get_or_insert(now + UNHEARD)
    }
}
