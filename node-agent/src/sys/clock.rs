//! The one clock of the dataplane.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use vrrp::Instant;

/// The time since the kernel started, suspend included (`CLOCK_BOOTTIME`, see `clock_gettime(2)`).
///
/// Every process of a host reads the same value, so a restarted worker can judge what the one before it wrote.
pub(crate) fn boottime() -> Instant {
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Instant::from_origin(since_boot)
}

/// `instant` in nanoseconds, as shared memory and messages carry it. Enough for 584 years of uptime.
pub(crate) fn nanoseconds(instant: Instant) -> u64 {
    u64::try_from(instant.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

/// The inverse of [`nanoseconds`].
pub(crate) const fn from_nanoseconds(nanoseconds: u64) -> Instant {
    Instant::from_origin(Duration::from_nanos(nanoseconds))
}
