//! The priority of a router for a virtual router. Zero is not one: on the wire it says "I resign".

use std::fmt;
use std::num::NonZeroU8;

use thiserror::Error;

/// A priority, 1 to 255 (RFC 9568 §5.2.4). 255 belongs to the owner of the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "i64", into = "u8"))]
pub struct Priority(NonZeroU8);

/// The number is no priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a priority: allowed are 1 to 254, and 255 for the owner of the addresses")]
pub struct PriorityError(i64);

impl Priority {
    /// The priority of the router that owns the virtual addresses as its interface addresses.
    pub const OWNER: Self = Self(NonZeroU8::MAX);
    /// The smallest priority.
    pub const MIN: Self = Self(NonZeroU8::MIN);

    /// A priority from its octet in a packet; `None` for 0, which is a resignation.
    #[must_use]
    pub const fn new(octet: u8) -> Option<Self> {
        match NonZeroU8::new(octet) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, 1 to 255.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// Whether this is the owner's priority.
    #[must_use]
    pub const fn is_owner(self) -> bool {
        self.get() == u8::MAX
    }
}

impl TryFrom<i64> for Priority {
    type Error = PriorityError;

    fn try_from(number: i64) -> Result<Self, PriorityError> {
        u8::try_from(number).ok().and_then(Self::new).ok_or(PriorityError(number))
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.get()
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_are_allowed_and_nothing_beyond() {
        for (number, allowed) in
            [(i64::MIN, false), (-1, false), (0, false), (1, true), (255, true), (256, false)]
        {
            assert_eq!(Priority::try_from(number).is_ok(), allowed, "{number}");
        }
    }

    #[test]
    fn zero_is_a_resignation_and_no_priority() {
        assert_eq!(Priority::new(0), None);
        let error = Priority::try_from(0).unwrap_err().to_string();
        assert_eq!(
            error,
            "0 is not a priority: allowed are 1 to 254, and 255 for the owner of the addresses"
        );
    }

    #[test]
    fn only_255_is_the_owner_s() {
        let owners: Vec<u8> = (1..=255).filter(|n| Priority::new(*n).unwrap().is_owner()).collect();
        assert_eq!(owners, [255]);
        assert_eq!(Priority::OWNER.get(), 255);
    }

    #[test]
    fn a_priority_is_shown_and_stored_as_its_number() {
        let priority = Priority::new(200).unwrap();
        assert_eq!((priority.to_string(), u8::from(priority)), ("200".to_owned(), 200));
    }
}
