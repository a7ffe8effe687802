//! The advertisement interval. The only place where wire units become time.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::Version;

/// How often the Active router advertises, in whole milliseconds.
///
/// Version 3: a multiple of 10 ms from 10 to 40,950 (RFC 9568 §5.2.7: 12 bits of centiseconds).
/// Version 2: a multiple of 1,000 ms from 1,000 to 255,000 (RFC 3768 §5.3.7: 8 bits of seconds).
/// The type holds what at least one version can say; [`AdvertisementInterval::checked_for`] asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "i64", into = "u32"))]
pub struct AdvertisementInterval {
    milliseconds: u32,
}

/// The number of milliseconds is no advertisement interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IntervalError {
    /// Neither version can say it.
    #[error(
        "{0} ms is not an advertisement interval: allowed are multiples of 10 from 10 to 40950 (version 3), \
         multiples of 1000 from 1000 to 255000 (version 2)"
    )]
    Neither(i64),
    /// Version 3 cannot say it.
    #[error("{0} ms is not a version 3 interval: allowed are multiples of 10 from 10 to 40950")]
    NotV3(u32),
    /// Version 2 cannot say it.
    #[error("{0} ms is not a version 2 interval: allowed are multiples of 1000 from 1000 to 255000")]
    NotV2(u32),
}

const V3_STEP_MS: u32 = 10;
const V3_MAX_MS: u32 = 40_950;
const V2_STEP_MS: u32 = 1_000;
const V2_MAX_MS: u32 = 255_000;

impl AdvertisementInterval {
    /// What version 3 groups use when nothing else is asked for: 100 ms.
    pub const DEFAULT_V3: Self = Self { milliseconds: 100 };
    /// What version 2 groups use when nothing else is asked for: 1 s.
    pub const DEFAULT_V2: Self = Self { milliseconds: 1_000 };

    /// An interval that `version` can say.
    ///
    /// # Errors
    /// [`IntervalError`] names what is allowed when it cannot.
    pub fn from_millis(version: Version, milliseconds: u32) -> Result<Self, IntervalError> {
        Self { milliseconds }.checked_for(version)
    }

    /// This interval, if `version` can say it.
    ///
    /// # Errors
    /// [`IntervalError`] names what is allowed when it cannot.
    pub fn checked_for(self, version: Version) -> Result<Self, IntervalError> {
        let milliseconds = self.milliseconds;
        match version {
            Version::V3 if is_step(milliseconds, V3_STEP_MS, V3_MAX_MS) => Ok(self),
            Version::V3 => Err(IntervalError::NotV3(milliseconds)),
            Version::V2 if is_step(milliseconds, V2_STEP_MS, V2_MAX_MS) => Ok(self),
            Version::V2 => Err(IntervalError::NotV2(milliseconds)),
        }
    }

    /// An interval from the 12 bits of a version 3 packet, in centiseconds; `None` for 0
    /// (erratum 8301: discard) and for more than 4,095.
    #[must_use]
    pub fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        Self::from_millis(Version::V3, u32::from(centiseconds) * V3_STEP_MS).ok()
    }

    /// An interval from the octet of a version 2 packet, in seconds; `None` for 0.
    #[must_use]
    pub fn from_seconds(seconds: u8) -> Option<Self> {
        Self::from_millis(Version::V2, u32::from(seconds) * V2_STEP_MS).ok()
    }

    /// The 12 bits of a version 3 packet; `None` when version 3 cannot say this interval.
    #[must_use]
    pub fn centiseconds(self) -> Option<u16> {
        self.checked_for(Version::V3).ok()?;
        u16::try_from(self.milliseconds / V3_STEP_MS).ok()
    }

    /// The octet of a version 2 packet; `None` when version 2 cannot say this interval.
    #[must_use]
    pub fn seconds(self) -> Option<u8> {
        self.checked_for(Version::V2).ok()?;
        u8::try_from(self.milliseconds / V2_STEP_MS).ok()
    }

    /// Whole milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u32 {
        self.milliseconds
    }

    /// The time between two advertisements.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.milliseconds as u64)
    }
}

fn is_step(milliseconds: u32, step: u32, max: u32) -> bool {
    milliseconds >= step && milliseconds <= max && milliseconds.is_multiple_of(step)
}

impl TryFrom<i64> for AdvertisementInterval {
    type Error = IntervalError;

    fn try_from(milliseconds: i64) -> Result<Self, IntervalError> {
        let Ok(narrow) = u32::try_from(milliseconds) else {
            return Err(IntervalError::Neither(milliseconds));
        };
        Self::from_millis(Version::V3, narrow)
            .or_else(|_| Self::from_millis(Version::V2, narrow))
            .map_err(|_| IntervalError::Neither(milliseconds))
    }
}

impl From<AdvertisementInterval> for u32 {
    fn from(interval: AdvertisementInterval) -> Self {
        interval.milliseconds
    }
}

impl fmt::Display for AdvertisementInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.milliseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_centisecond_is_ten_milliseconds_of_real_time() {
        let interval = AdvertisementInterval::from_centiseconds(100).expect("100 cs is valid");
        assert_eq!(interval.as_duration(), Duration::from_secs(1));
        assert_eq!(interval.centiseconds(), Some(100));
        assert_eq!(interval.seconds(), Some(1));
    }

    #[test]
    fn the_ends_of_both_ranges_are_allowed_and_nothing_beyond() {
        for (milliseconds, v3, v2) in [
            (0, false, false),
            (9, false, false),
            (10, true, false),
            (15, false, false),
            (1_000, true, true),
            (40_950, true, false),
            (40_960, false, false),
            (41_000, false, true),
            (255_000, false, true),
            (256_000, false, false),
        ] {
            let ask = |version| AdvertisementInterval::from_millis(version, milliseconds).is_ok();
            assert_eq!((ask(Version::V3), ask(Version::V2)), (v3, v2), "{milliseconds} ms");
        }
    }

    #[test]
    fn an_interval_is_shown_and_stored_in_milliseconds_and_is_one_of_either_version() {
        for milliseconds in [10, 1_000, 255_000] {
            let interval = AdvertisementInterval::try_from(i64::from(milliseconds)).expect("one can say it");
            assert_eq!(
                (u32::from(interval), interval.to_string()),
                (milliseconds, format!("{milliseconds} ms"))
            );
        }
        for refused in [-10, 0, 41_500, i64::from(u32::MAX) + 11] {
            assert_eq!(AdvertisementInterval::try_from(refused), Err(IntervalError::Neither(refused)));
        }
    }

    #[test]
    fn the_wire_values_that_no_router_may_send_are_refused() {
        assert_eq!(AdvertisementInterval::from_centiseconds(0), None, "erratum 8301");
        assert_eq!(AdvertisementInterval::from_centiseconds(4_096), None);
        assert_eq!(AdvertisementInterval::from_seconds(0), None);
    }
}
