//! The priority of a member that shall take over: above every declared one, below the owner's.

use std::fmt;

use thiserror::Error;

use crate::priority::Priority;

/// The priority of a member that was told to take over, 251 to 254.
///
/// Declared priorities end at 249 where a switchover shall win; 255 is the owner's (RFC 9568 §5.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "i64", into = "u8"))]
pub struct BoostedPriority(Priority);

/// The number is no priority of a switchover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not the priority of a switchover: allowed are 251 to 254")]
pub struct BoostedPriorityError(i64);

impl BoostedPriority {
    /// The smallest one.
    pub const MIN: u8 = 251;
    /// The largest one.
    pub const MAX: u8 = 254;
    /// The smallest one, as one.
    pub const LOWEST: Self = Self(match Priority::new(Self::MIN) {
        Some(priority) => priority,
        None => Priority::MIN,
    });

    /// A boosted priority from its number; `None` outside 251 to 254.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match (number, Priority::new(number)) {
            (Self::MIN..=Self::MAX, Some(priority)) => Some(Self(priority)),
            _ => None,
        }
    }

    /// What is advertised.
    #[must_use]
    pub const fn get(self) -> Priority {
        self.0
    }
}

impl TryFrom<i64> for BoostedPriority {
    type Error = BoostedPriorityError;

    fn try_from(number: i64) -> Result<Self, BoostedPriorityError> {
        u8::try_from(number).ok().and_then(Self::new).ok_or(BoostedPriorityError(number))
    }
}

impl From<BoostedPriority> for u8 {
    fn from(boosted: BoostedPriority) -> Self {
        boosted.0.get()
    }
}

impl fmt::Display for BoostedPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_251_to_254_are_above_declared_priorities_and_below_the_owner_s() {
        let allowed: Vec<_> = (0..=255).filter_map(BoostedPriority::new).map(u8::from).collect();
        assert_eq!(allowed, [251, 252, 253, 254]);
        assert_eq!(Some(BoostedPriority::LOWEST), BoostedPriority::new(251));
        assert_eq!(BoostedPriority::LOWEST.to_string(), "251");
        let error = BoostedPriority::try_from(255_i64).unwrap_err().to_string();
        assert_eq!(error, "255 is not the priority of a switchover: allowed are 251 to 254");
    }
}
