//! How long something lasted.

use std::time::Duration;

use vrrp::Instant;

/// Measures the longest time for which something was so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stretch {
    since: Option<Instant>,
    longest: Duration,
}

impl Stretch {
    /// Says whether it is so from `now` on.
    pub fn observe(&mut self, is_so: bool, now: Instant) {
        match (self.since, is_so) {
            (None, true) => self.since = Some(now),
            (Some(since), _) => {
                self.longest = self.longest.max(now.saturating_duration_since(since));
                self.since = is_so.then_some(since);
            }
            (None, false) => {}
        }
    }

    /// The longest time, as of the last observation.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }
}
