//! How long to wait after the kernel would not hold the addresses.

use std::time::Duration;

use super::Instance;
use crate::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Doubles from 1 s to 30 s with each failure in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    until: Instant,
    last: Duration,
}

impl Backoff {
    /// Nothing has failed.
    pub(super) const NONE: Self = Self { until: Instant::ORIGIN, last: Duration::ZERO };

    /// The earliest time of the next attempt.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn grow(&mut self, now: Instant) {
        self.last = (self.last * 2).clamp(FIRST, LONGEST);
        self.until = now + self.last;
    }

    pub(super) fn clear(&mut self) {
        *self = Self::NONE;
    }
}

impl Instance {
    /// What could not be held is no longer what is to be held: the next attempt need not wait because of it.
    pub fn forget_failure(&mut self) {
        self.backoff.clear();
    }
}
