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
