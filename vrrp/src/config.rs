//! The settings of one router for one virtual router, valid by construction.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use crate::election::Candidate;
use crate::{Advertisement, AdvertisementInterval, Family, IntervalError, Priority, Version, Vrid};

#[cfg(test)]
mod tests;

/// How many addresses one advertisement can list: its count is one octet (RFC 9568 §5.2.5).
const MAX_IPV4_ADDRESSES: usize = 255;
/// How many fit into an Ethernet frame of 1,500 octets, since an advertisement must not need fragments.
const MAX_IPV6_ADDRESSES: usize = 90;

/// Settings before they are checked. [`Config::new`] checks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The protocol version.
    pub version: Version,
    /// The address family.
    pub family: Family,
    /// The virtual router.
    pub vrid: Vrid,
    /// Our priority; 255 says that the addresses are our interface's own.
    pub priority: Priority,
    /// How often we advertise as Active.
    pub interval: AdvertisementInterval,
    /// Whether we take the addresses from a router of lower priority. An owner does in any case.
    pub preempt: bool,
    /// The virtual addresses in the order in which they are advertised.
    pub addresses: Vec<IpAddr>,
    /// Our interface's own address, from which we advertise: link-local in IPv6 (RFC 9568 §5.1.2.1), and none of
    /// the virtual addresses unless we own them.
    pub source: IpAddr,
}

/// [`Settings`] that have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    settings: Settings,
    wire_interval: u16,
}

/// Why settings are refused. Each message says what is allowed; [`ConfigError::field`] names the field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// RFC 3768 knows IPv4 only.
    #[error("version 2 does not know IPv6: allowed is version 3")]
    VersionForFamily,
    /// The version cannot say this interval.
    #[error("the interval does not fit the version")]
    Interval(#[source] IntervalError),
    /// There must be an address to hold (RFC 9568 §5.2.5, erratum 8299).
    #[error("no virtual address: allowed are 1 to {allowed}")]
    NoAddress {
        /// The largest allowed number.
        allowed: usize,
    },
    /// More addresses than an advertisement can list.
    #[error("{number} virtual addresses: allowed are 1 to {allowed}")]
    TooManyAddresses {
        /// How many there are.
        number: usize,
        /// The largest allowed number.
        allowed: usize,
    },
    /// An address of the other family (RFC 9568 §5.2.9).
    #[error("virtual address {address} is not {family}: allowed are addresses of the group's family")]
    AddressFamily {
        /// The address.
        address: IpAddr,
        /// The family of the virtual router.
        family: Family,
    },
    /// No host can have this address.
    #[error(
        "virtual address {0} cannot be a host's: allowed are unicast addresses other than loopback and unspecified"
    )]
    AddressUnusable(IpAddr),
    /// The same address twice.
    #[error("virtual address {0} is listed twice: allowed is each address once")]
    DuplicateAddress(IpAddr),
    /// RFC 9568 §5.2.9 and erratum 8300.
    #[error("the first virtual address {0} is not link-local: in IPv6 it must be one of fe80::/10")]
    FirstAddressNotLinkLocal(IpAddr),
    /// The source is of the other family.
    #[error(
        "source {source_address} is not {family}: allowed is the interface's own address of the group's family"
    )]
    SourceFamily {
        /// The source address.
        source_address: IpAddr,
        /// The family of the virtual router.
        family: Family,
    },
    /// No host can send from this address, or IPv6 routers do not advertise from it (RFC 9568 §5.1.2.1).
    #[error("source {0} cannot advertise: allowed is the interface's own address, link-local in IPv6")]
    SourceUnusable(IpAddr),
    /// A virtual address moves; a source must not.
    #[error(
        "source {0} is a virtual address: allowed is the interface's own address, unless it owns the virtual one"
    )]
    SourceIsVirtual(IpAddr),
}

impl ConfigError {
    /// The field of [`Settings`] that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::VersionForFamily => "version",
            Self::Interval(_) => "interval",
            Self::NoAddress { .. }
            | Self::TooManyAddresses { .. }
            | Self::AddressFamily { .. }
            | Self::AddressUnusable(_)
            | Self::DuplicateAddress(_)
            | Self::FirstAddressNotLinkLocal(_) => "addresses",
            Self::SourceFamily { .. } | Self::SourceUnusable(_) | Self::SourceIsVirtual(_) => "source",
        }
    }
}

/// Why a valid advertisement is none for this virtual router. It changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Another version than ours (RFC 9568 §7.1).
    #[error("version {heard} instead of {ours}")]
    Version {
        /// The version of the advertisement.
        heard: Version,
        /// The configured version.
        ours: Version,
    },
    /// Another virtual router (RFC 9568 §7.1).
    #[error("VRID {heard} instead of {ours}")]
    Vrid {
        /// The VRID of the advertisement.
        heard: Vrid,
        /// The configured VRID.
        ours: Vrid,
    },
    /// Another address family, and so another virtual router (RFC 9568 §7.3).
    #[error("family {heard} instead of {ours}")]
    Family {
        /// The family of the advertisement.
        heard: Family,
        /// The configured family.
        ours: Family,
    },
    /// Another interval than ours, which only version 2 minds (RFC 3768 §7.1).
    #[error("interval {heard} instead of {ours}, which version 2 does not allow")]
    Interval {
        /// The interval of the advertisement.
        heard: AdvertisementInterval,
        /// The configured interval.
        ours: AdvertisementInterval,
    },
}

impl Refusal {
    /// The counter it belongs to; the words are those of [`PacketError::cause`](crate::PacketError::cause).
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Version { .. } => "version",
            Self::Vrid { .. } => "vrid",
            Self::Family { .. } => "family",
            Self::Interval { .. } => "interval",
        }
    }
}

impl Config {
    /// Checks settings.
    ///
    /// # Errors
    /// [`ConfigError`] names the first wrong field and what is allowed.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        let wire_interval = wire_interval(&settings)?;
        check_addresses(&settings)?;
        check_source(&settings)?;
        Ok(Self { settings, wire_interval })
    }

    /// The settings as they were given, to make others of them.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The protocol version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.settings.version
    }

    /// The address family.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.settings.family
    }

    /// The virtual router.
    #[must_use]
    pub const fn vrid(&self) -> Vrid {
        self.settings.vrid
    }

    /// Our priority.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.settings.priority
    }

    /// How often we advertise as Active.
    #[must_use]
    pub const fn interval(&self) -> AdvertisementInterval {
        self.settings.interval
    }

    /// Whether we take the addresses from a router of lower priority; true for every owner (RFC 9568 §6.1).
    #[must_use]
    pub const fn preempts(&self) -> bool {
        self.settings.preempt || self.settings.priority.is_owner()
    }

    /// The virtual addresses in the order in which they are advertised; at least one.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.settings.addresses
    }

    /// Our interface's own address.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        self.settings.source
    }

    /// Skew_Time when the Active router advertises every `active_interval` (RFC 9568 §6.1), to the nanosecond.
    /// Version 2 does not scale it by the interval (RFC 3768 §6.1).
    #[must_use]
    pub fn skew_time(&self, active_interval: AdvertisementInterval) -> Duration {
        let unit = match self.version() {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => active_interval.as_duration(),
        };
        unit * (256 - u32::from(self.priority().get())) / 256
    }

    /// Active_Down_Interval when the Active router advertises every `active_interval` (RFC 9568 §6.1).
    #[must_use]
    pub fn active_down_interval(&self, active_interval: AdvertisementInterval) -> Duration {
        active_interval.as_duration() * 3 + self.skew_time(active_interval)
    }

    /// Whether both are settings for one virtual router, so that an instance can go from one to the other while it
    /// runs.
    #[must_use]
    pub fn is_same_router(&self, other: &Self) -> bool {
        (self.version(), self.family(), self.vrid()) == (other.version(), other.family(), other.vrid())
    }

    /// The checks of RFC 9568 §7.1 and RFC 3768 §7.1 that compare an advertisement with the configuration.
    /// A different address list is no reason to drop it, nor is a different interval in version 3.
    ///
    /// # Errors
    /// [`Refusal`] says what differs.
    pub fn admits(&self, advertisement: &Advertisement) -> Result<(), Refusal> {
        let Advertisement { version, family, vrid, interval, .. } = *advertisement;
        if version != self.version() {
            return Err(Refusal::Version { heard: version, ours: self.version() });
        }
        if family != self.family() {
            return Err(Refusal::Family { heard: family, ours: self.family() });
        }
        if vrid != self.vrid() {
            return Err(Refusal::Vrid { heard: vrid, ours: self.vrid() });
        }
        if version == Version::V2 && interval != self.interval() {
            return Err(Refusal::Interval { heard: interval, ours: self.interval() });
        }
        Ok(())
    }

    /// The interval in the unit of the version: centiseconds, or seconds.
    pub(crate) const fn wire_interval(&self) -> u16 {
        self.wire_interval
    }

    /// We as the election sees us.
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate { priority: self.priority(), address: self.source(), preempts: self.preempts() }
    }
}

fn wire_interval(settings: &Settings) -> Result<u16, ConfigError> {
    let Settings { version, family, interval, .. } = *settings;
    let in_units = match (version, family) {
        (Version::V2, Family::Ipv6) => return Err(ConfigError::VersionForFamily),
        (Version::V2, Family::Ipv4) => interval.seconds().map(u16::from),
        (Version::V3, Family::Ipv4 | Family::Ipv6) => interval.centiseconds(),
    };
    in_units.ok_or_else(|| {
        ConfigError::Interval(match version {
            Version::V2 => IntervalError::NotV2(interval.as_millis()),
            Version::V3 => IntervalError::NotV3(interval.as_millis()),
        })
    })
}

fn check_addresses(settings: &Settings) -> Result<(), ConfigError> {
    let Settings { family, ref addresses, .. } = *settings;
    let allowed = match family {
        Family::Ipv4 => MAX_IPV4_ADDRESSES,
        Family::Ipv6 => MAX_IPV6_ADDRESSES,
    };
    let Some(first) = addresses.first() else {
        return Err(ConfigError::NoAddress { allowed });
    };
    if addresses.len() > allowed {
        return Err(ConfigError::TooManyAddresses { number: addresses.len(), allowed });
    }
    let mut seen = BTreeSet::new();
    for &address in addresses {
        if Family::of(address) != family {
            return Err(ConfigError::AddressFamily { address, family });
        }
        if !is_host_address(address) {
            return Err(ConfigError::AddressUnusable(address));
        }
        if !seen.insert(address) {
            return Err(ConfigError::DuplicateAddress(address));
        }
    }
    match first {
        IpAddr::V6(address) if !address.is_unicast_link_local() => {
            Err(ConfigError::FirstAddressNotLinkLocal(*first))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(()),
    }
}

fn check_source(settings: &Settings) -> Result<(), ConfigError> {
    let Settings { family, source, ref addresses, priority, .. } = *settings;
    if Family::of(source) != family {
        return Err(ConfigError::SourceFamily { source_address: source, family });
    }
    let can_advertise = match source {
        IpAddr::V4(_) => is_host_address(source),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if !can_advertise {
        return Err(ConfigError::SourceUnusable(source));
    }
    if addresses.contains(&source) && !priority.is_owner() {
        return Err(ConfigError::SourceIsVirtual(source));
    }
    Ok(())
}

fn is_host_address(address: IpAddr) -> bool {
    let is_broadcast = match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    !(is_broadcast || address.is_unspecified() || address.is_loopback() || address.is_multicast())
}
