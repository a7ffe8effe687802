//! A virtual address with the prefix length of its subnet.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use vrrp::Family;

/// An address that moves between the members of a group, written `192.0.2.10/24`.
///
/// The prefix length says which subnet the address belongs to; on the interface it is always bound
/// as a host address (/32, /128), so that it never takes another address with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VirtualAddress(IpNet);

/// The text is no virtual address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VirtualAddressError {
    /// It is not an address with a prefix length.
    #[error("{0:?} is not an address with a prefix length: write it like 192.0.2.10/24")]
    Spelling(String),
    /// It is one, but not spelt the canonical way.
    #[error("{given:?} is not the canonical spelling: write it as {wanted:?}")]
    NotCanonical {
        /// As it was given.
        given: String,
        /// As it must be written.
        wanted: String,
    },
    /// It is not the address of a host.
    #[error("{0:?} is not the address of a host: {1}")]
    NotAHost(String, &'static str),
}

impl VirtualAddress {
    /// The address itself.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0.addr()
    }

    /// The prefix length of its subnet.
    #[must_use]
    pub fn prefix_length(self) -> u8 {
        self.0.prefix_len()
    }

    /// The family of the address.
    #[must_use]
    pub const fn family(self) -> Family {
        match self.0 {
            IpNet::V4(_) => Family::Ipv4,
            IpNet::V6(_) => Family::Ipv6,
        }
    }

    fn why_not_a_host(self) -> Option<&'static str> {
        let address = self.address();
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            return Some("unspecified, loopback and multicast addresses cannot move");
        }
        let IpNet::V4(net) = self.0 else { return None };
        if net.addr().is_broadcast() {
            return Some("it is the limited broadcast address");
        }
        if net.prefix_len() < 31 && net.addr() == net.network() {
            return Some("it is the network address of its subnet");
        }
        if net.prefix_len() < 31 && net.addr() == net.broadcast() {
            return Some("it is the broadcast address of its subnet");
        }
        None
    }
}

impl TryFrom<String> for VirtualAddress {
    type Error = VirtualAddressError;

    fn try_from(text: String) -> Result<Self, VirtualAddressError> {
        let Ok(net) = text.parse::<IpNet>() else { return Err(VirtualAddressError::Spelling(text)) };
        let wanted = net.to_string();
        if wanted != text {
            return Err(VirtualAddressError::NotCanonical { given: text, wanted });
        }
        match Self(net).why_not_a_host() {
            Some(why) => Err(VirtualAddressError::NotAHost(text, why)),
            None => Ok(Self(net)),
        }
    }
}

impl FromStr for VirtualAddress {
    type Err = VirtualAddressError;

    fn from_str(text: &str) -> Result<Self, VirtualAddressError> {
        Self::try_from(text.to_owned())
    }
}

impl From<VirtualAddress> for String {
    fn from(address: VirtualAddress) -> Self {
        address.0.to_string()
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_of_a_host_address_is_taken() {
        for good in ["192.0.2.10/24", "10.0.0.1/32", "10.0.0.0/31", "2001:db8::10/64"] {
            assert_eq!(
                good.parse::<VirtualAddress>().map(|address| address.to_string()),
                Ok(good.to_owned())
            );
        }
        for bad in
            ["192.0.2.10", "192.0.2.010/24", "192.0.2.0/24", "192.0.2.255/24", "224.0.0.18/24", "127.0.0.1/8"]
        {
            assert!(bad.parse::<VirtualAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_error_shows_the_wanted_spelling() {
        let error = "2001:DB8::1/64".parse::<VirtualAddress>().expect_err("upper case");
        assert_eq!(
            error.to_string(),
            "\"2001:DB8::1/64\" is not the canonical spelling: write it as \"2001:db8::1/64\""
        );
    }
}
