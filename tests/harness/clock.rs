//! One clock for all evidence: nanoseconds of the wall clock, the same that stamps captured packets.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, comparable between probes, packets and the test itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// A moment from the two halves of a kernel time stamp.
    #[must_use]
    pub const fn from_parts(seconds: i64, nanoseconds: i64) -> Self {
        Self(seconds * 1_000_000_000 + nanoseconds)
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0 + i64::try_from(later.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        Self(self.0 - i64::try_from(earlier.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// How long after `earlier`; zero when it was before.
impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        chrono::DateTime::from_timestamp_nanos(self.0).format("%H:%M:%S%.6f").fmt(f)
    }
}
