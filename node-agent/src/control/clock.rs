//! The two clocks of control, and how a point of one is named by the other.
//!
//! The dataplane counts in `CLOCK_BOOTTIME`, which no one can set. People and servers read the wall clock,
//! which can be set at any time; so a wall-clock time is made as late as possible and never computed with.

use api_types::Timestamp;
use chrono::{DateTime, TimeDelta, Utc};
use nix::time::{ClockId, clock_gettime};

/// Now, in nanoseconds of `CLOCK_BOOTTIME` (`clock_gettime(2)`).
pub(crate) fn boottime_ns() -> u64 {
    // The kernel knows this clock since 2.6.39 and has no other error for it.
    let Ok(now) = clock_gettime(ClockId::CLOCK_BOOTTIME) else { return 0 };
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(now.tv_sec()).saturating_mul(1_000_000_000).saturating_add(part(now.tv_nsec()))
}

/// Now, by the wall clock.
pub(crate) fn wall_now() -> DateTime<Utc> {
    Utc::now()
}

/// When it was `at_boottime_ns`, by what the wall clock shows now.
pub(crate) fn wall_at(at_boottime_ns: u64) -> Timestamp {
    let ago = boottime_ns().saturating_sub(at_boottime_ns);
    let ago = TimeDelta::nanoseconds(i64::try_from(ago).unwrap_or(i64::MAX));
    Timestamp::from(wall_now().checked_sub_signed(ago).unwrap_or(DateTime::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_of_boottime_lies_as_long_ago_on_the_wall() {
        let an_hour_ago = boottime_ns().saturating_sub(3_600_000_000_000);
        let expected = boottime_ns() - an_hour_ago;
        let seen = (wall_now() - wall_at(an_hour_ago).as_datetime()).num_nanoseconds().unwrap();
        let apart = seen.abs_diff(i64::try_from(expected).unwrap());
        assert!(apart < 1_000_000_000, "{apart} ns");
    }
}
