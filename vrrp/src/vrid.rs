//! The virtual router identifier.

use std::fmt;
use std::num::NonZeroU8;

use thiserror::Error;

use crate::Family;

/// A virtual router identifier, 1 to 255 (RFC 9568 §5.2.3). There is no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "i64", into = "u8"))]
pub struct Vrid(NonZeroU8);

/// The number is no VRID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a VRID: allowed are 1 to 255")]
pub struct VridError(i64);

impl Vrid {
    /// The smallest VRID.
    pub const MIN: Self = Self(NonZeroU8::MIN);
    /// The largest VRID.
    pub const MAX: Self = Self(NonZeroU8::MAX);

    /// A VRID from its octet in a packet; `None` for 0.
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

    /// The virtual MAC address of the virtual router (RFC 9568 §7.3).
    #[must_use]
    pub const fn virtual_mac(self, family: Family) -> [u8; 6] {
        let family_octet = match family {
            Family::Ipv4 => 0x01,
            Family::Ipv6 => 0x02,
        };
        [0x00, 0x00, 0x5e, 0x00, family_octet, self.get()]
    }
}

impl TryFrom<i64> for Vrid {
    type Error = VridError;

    fn try_from(number: i64) -> Result<Self, VridError> {
        u8::try_from(number).ok().and_then(Self::new).ok_or(VridError(number))
    }
}

impl From<Vrid> for u8 {
    fn from(vrid: Vrid) -> Self {
        vrid.get()
    }
}

impl fmt::Display for Vrid {
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
            assert_eq!(Vrid::try_from(number).is_ok(), allowed, "{number}");
        }
        assert_eq!((Vrid::MIN.get(), Vrid::MAX.get()), (1, 255));
        assert_eq!(Vrid::new(0), None);
    }

    #[test]
    fn a_refusal_names_the_number_and_the_range() {
        let error = Vrid::try_from(300).unwrap_err();
        assert_eq!(error.to_string(), "300 is not a VRID: allowed are 1 to 255");
    }

    #[test]
    fn a_vrid_is_stored_as_its_number() {
        assert_eq!(u8::from(Vrid::new(0x2a).unwrap()), 0x2a);
    }

    #[test]
    fn the_virtual_mac_ends_in_the_vrid_and_differs_by_family() {
        let vrid = Vrid::new(0x2a).unwrap();
        assert_eq!(vrid.virtual_mac(Family::Ipv4), [0x00, 0x00, 0x5e, 0x00, 0x01, 0x2a]);
        assert_eq!(vrid.virtual_mac(Family::Ipv6), [0x00, 0x00, 0x5e, 0x00, 0x02, 0x2a]);
    }
}
