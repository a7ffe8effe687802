//! The settings of simulated routers: the same virtual router, each from an address of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vrrp::{
    AdvertisementInterval, Authentication, Config, ConfigError, Family, Priority, Settings, Version, Vrid,
};

/// The versions and families that a virtual router can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Version 3 over IPv4.
    V3Ipv4,
    /// Version 3 over IPv6.
    V3Ipv6,
    /// Version 2, which knows IPv4 only, and intervals of whole seconds.
    V2,
}

impl Dialect {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::V3Ipv4, Self::V3Ipv6, Self::V2];

    /// The protocol version.
    #[must_use]
    pub const fn version(self) -> Version {
        match self {
            Self::V3Ipv4 | Self::V3Ipv6 => Version::V3,
            Self::V2 => Version::V2,
        }
    }

    /// The address that ends in `last`, link-local in IPv6.
    #[must_use]
    pub const fn address(self, last: u8) -> IpAddr {
        match self {
            Self::V3Ipv4 | Self::V2 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
            Self::V3Ipv6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last as u16)),
        }
    }
}

/// The settings of router `number`, which advertises from the address that ends in `number + 1`.
///
/// # Errors
/// When the dialect cannot say the interval.
pub fn router(
    dialect: Dialect,
    number: u8,
    priority: Priority,
    interval: AdvertisementInterval,
    preempt: bool,
) -> Result<Config, ConfigError> {
    Config::new(Settings {
        version: dialect.version(),
        family: Family::of(dialect.address(0)),
        vrid: Vrid::MIN,
        priority,
        interval,
        preempt,
        preempt_delay: Duration::ZERO,
        refresh: None,
        require_link_local: true,
        authentication: Authentication::None,
        addresses: vec![dialect.address(100)],
        source: dialect.address(number.saturating_add(1)),
    })
}
