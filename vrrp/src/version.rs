//! The protocol version and the address family of a virtual router.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// A VRRP protocol version: 2 (RFC 3768, IPv4 only) or 3 (RFC 9568).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "i64", into = "u8"))]
pub enum Version {
    /// RFC 3768; intervals in whole seconds, IPv4 only.
    V2,
    /// RFC 9568; intervals in centiseconds, IPv4 and IPv6.
    #[default]
    V3,
}

/// The number names no version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a VRRP version: allowed are 2 and 3")]
pub struct VersionError(i64);

impl Version {
    /// The number as it stands in the packet (RFC 9568 §5.2.1).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl TryFrom<i64> for Version {
    type Error = VersionError;

    fn try_from(number: i64) -> Result<Self, VersionError> {
        match number {
            2 => Ok(Self::V2),
            3 => Ok(Self::V3),
            other => Err(VersionError(other)),
        }
    }
}

impl From<Version> for u8 {
    fn from(version: Version) -> Self {
        version.number()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// The address family of a virtual router. The same VRID in two families is two virtual routers
/// (RFC 9568 §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Family {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// Where advertisements are sent to: 224.0.0.18 or ff02::12 (RFC 9568 §5.1.1.2, §5.1.2.2).
    #[must_use]
    pub const fn multicast_group(self) -> IpAddr {
        match self {
            Self::Ipv4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
            Self::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
        }
    }

    /// The word that configuration, JSON and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_2_and_3_are_known_and_no_other() {
        for number in -1..=5 {
            assert_eq!(Version::try_from(number).is_ok(), [2, 3].contains(&number), "{number}");
        }
        for version in [Version::V2, Version::V3] {
            assert_eq!(Version::try_from(i64::from(u8::from(version))), Ok(version));
        }
        let error = Version::try_from(4).unwrap_err().to_string();
        assert_eq!(error, "4 is not a VRRP version: allowed are 2 and 3");
    }

    #[test]
    fn each_family_has_the_group_that_iana_gave_it() {
        assert_eq!(Family::Ipv4.multicast_group().to_string(), "224.0.0.18");
        assert_eq!(Family::Ipv6.multicast_group().to_string(), "ff02::12");
        for family in [Family::Ipv4, Family::Ipv6] {
            assert_eq!(Family::of(family.multicast_group()), family);
        }
    }
}
