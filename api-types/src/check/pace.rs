//! How often a check runs, for how long, and how many runs decide.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// From the start of one run of a check to the start of the next, in milliseconds: 10 to 3,600,000; 1,000 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u32")]
pub struct CheckInterval(u32);

/// The number is no interval of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} ms is not the interval of a check: allowed are 10 to 3600000")]
pub struct CheckIntervalError(i64);

/// How long a run of a check may take, in milliseconds: 10 to 60,000; 1,000 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u32")]
pub struct CheckTimeout(u32);

/// The number is no time limit of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} ms is not the time limit of a check: allowed are 10 to 60000")]
pub struct CheckTimeoutError(i64);

/// How many runs in a row decide: 1 to 100; 2 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u8")]
pub struct Runs(u8);

/// The number is none of runs in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a number of runs in a row: allowed are 1 to 100")]
pub struct RunsError(i64);

impl CheckInterval {
    /// The shortest and the longest, in milliseconds.
    pub const RANGE_MS: std::ops::RangeInclusive<u32> = 10..=3_600_000;

    /// The interval.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

impl CheckTimeout {
    /// The shortest and the longest, in milliseconds.
    pub const RANGE_MS: std::ops::RangeInclusive<u32> = 10..=60_000;

    /// The time limit.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

impl Runs {
    /// The fewest and the most.
    pub const RANGE: std::ops::RangeInclusive<u8> = 1..=100;

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for CheckInterval {
    fn default() -> Self {
        Self(1_000)
    }
}

impl Default for CheckTimeout {
    fn default() -> Self {
        Self(1_000)
    }
}

impl Default for Runs {
    fn default() -> Self {
        Self(2)
    }
}

impl TryFrom<i64> for CheckInterval {
    type Error = CheckIntervalError;

    fn try_from(number: i64) -> Result<Self, CheckIntervalError> {
        let in_range = u32::try_from(number).ok().filter(|number| Self::RANGE_MS.contains(number));
        in_range.map(Self).ok_or(CheckIntervalError(number))
    }
}

impl TryFrom<i64> for CheckTimeout {
    type Error = CheckTimeoutError;

    fn try_from(number: i64) -> Result<Self, CheckTimeoutError> {
        let in_range = u32::try_from(number).ok().filter(|number| Self::RANGE_MS.contains(number));
        in_range.map(Self).ok_or(CheckTimeoutError(number))
    }
}

impl TryFrom<i64> for Runs {
    type Error = RunsError;

    fn try_from(number: i64) -> Result<Self, RunsError> {
        let in_range = u8::try_from(number).ok().filter(|number| Self::RANGE.contains(number));
        in_range.map(Self).ok_or(RunsError(number))
    }
}

impl From<CheckInterval> for u32 {
    fn from(interval: CheckInterval) -> Self {
        interval.0
    }
}

impl From<CheckTimeout> for u32 {
    fn from(timeout: CheckTimeout) -> Self {
        timeout.0
    }
}

impl From<Runs> for u8 {
    fn from(runs: Runs) -> Self {
        runs.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_say() {
        for (number, fits) in [(9, false), (10, true), (3_600_000, true), (3_600_001, false), (-1, false)] {
            assert_eq!(CheckInterval::try_from(number).is_ok(), fits, "{number}");
        }
        for (number, fits) in [(9, false), (10, true), (60_000, true), (60_001, false)] {
            assert_eq!(CheckTimeout::try_from(number).is_ok(), fits, "{number}");
        }
        for (number, fits) in [(0, false), (1, true), (100, true), (101, false), (256, false)] {
            assert_eq!(Runs::try_from(number).is_ok(), fits, "{number}");
        }
    }
}
