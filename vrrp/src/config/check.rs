//! What settings must be.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use super::{MAX_ADDRESSES, MAX_PREEMPT_DELAY, MIN_REFRESH, Settings};
use crate::{Authentication, Family, IntervalError, Version};

/// Why settings are refused. Each message says what is allowed; [`ConfigError::field`] names the field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// RFC 3768 knows IPv4 only.
    #[error("version 2 does not know IPv6: allowed is version 3")]
    VersionForFamily,
    /// The version cannot say this interval.
    #[error("the interval does not fit the version")]
    Interval(#[source] IntervalError),
    /// Longer than a router can be told to wait.
    #[error("preempt delay {} ms: allowed are 0 to {} ms", .0.as_millis(), MAX_PREEMPT_DELAY.as_millis())]
    PreemptDelay(Duration),
    /// More announcements than a LAN should have to bear.
    #[error("refresh {} ms: allowed are {} ms and more", .0.as_millis(), MIN_REFRESH.as_millis())]
    Refresh(Duration),
    /// RFC 5798 has abolished authentication.
    #[error("version 3 knows no authentication: allowed is none")]
    Authentication,
    /// There must be an address to hold (RFC 9568 §5.2.5, erratum 8299).
    #[error("no virtual address: allowed are 1 to {allowed}")]
    NoAddress {
        /// The largest allowed number.
        allowed: usize,
    },
    /// More addresses than a virtual router can have.
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
            Self::PreemptDelay(_) => "preempt_delay",
            Self::Refresh(_) => "refresh",
            Self::Authentication => "authentication",
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

pub(super) fn wire_interval(settings: &Settings) -> Result<u16, ConfigError> {
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

pub(super) fn extensions(settings: &Settings) -> Result<(), ConfigError> {
    if settings.preempt_delay > MAX_PREEMPT_DELAY {
        return Err(ConfigError::PreemptDelay(settings.preempt_delay));
    }
    if let Some(refresh) = settings.refresh.filter(|refresh| *refresh < MIN_REFRESH) {
        return Err(ConfigError::Refresh(refresh));
    }
    if settings.version == Version::V3 && settings.authentication != Authentication::None {
        return Err(ConfigError::Authentication);
    }
    Ok(())
}

pub(super) fn addresses(settings: &Settings) -> Result<(), ConfigError> {
    let Settings { family, ref addresses, require_link_local, .. } = *settings;
    let allowed = MAX_ADDRESSES;
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
        IpAddr::V6(address) if require_link_local && !address.is_unicast_link_local() => {
            Err(ConfigError::FirstAddressNotLinkLocal(*first))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(()),
    }
}

pub(super) fn source(settings: &Settings) -> Result<(), ConfigError> {
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
