//! Bytes ↔ advertisements (RFC 9568 §5.2, RFC 3768 §5.3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+---------------+---------------+
//! |Version| Type 1|      VRID     |    Priority   |     Count     |
//! +-------+-------+---------------+---------------+---------------+
//! |Reserve|  Max Advertise Int cs |           Checksum            |   version 3
//! | Auth Type 0   |  Adver Int s  |           Checksum            |   version 2
//! +---------------+---------------+-------------------------------+
//! |            Count addresses of 4 octets (IPv6: 16)             |
//! +---------------------------------------------------------------+
//! |      version 2 only: 8 octets of authentication data, 0       |
//! +---------------------------------------------------------------+
//! ```
//!
//! Decoding makes every check of RFC 9568 §7.1 that needs no configuration, so whatever comes out of it can be
//! believed; [`Config::admits`] makes the others. Encoding cannot fail, because a [`Config`] is valid.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::checksum::{self, Endpoints, Verdict};
use crate::{
    Advertisement, AdvertisementInterval, Authentication, ChecksumForm, Claim, Config, DropCause, Family,
    Version, Vrid,
};

#[cfg(test)]
mod tests;

/// The only type of message there is: ADVERTISEMENT (RFC 9568 §5.2.2).
const TYPE: u8 = 1;
/// What the TTL or hop limit must be, so that nobody beyond the link can have sent it (RFC 9568 §5.1.1.3).
pub const HOP_LIMIT: u8 = 255;
const HEADER_LENGTH: usize = 8;
const CHECKSUM_FIELD: std::ops::Range<usize> = 6..8;
const AUTHENTICATION_LENGTH: usize = 8;

/// What the IP header around a VRRP message said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The source address.
    pub source: IpAddr,
    /// The destination address.
    pub destination: IpAddr,
    /// The TTL, or the hop limit in IPv6.
    pub hop_limit: u8,
}

/// Why received bytes are not an advertisement. They are dropped, and counted by [`PacketError::cause`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PacketError {
    /// Source and destination of different families.
    #[error("from {0} to {1}: both must be of one family")]
    MixedFamilies(IpAddr, IpAddr),
    /// It may come from beyond the link, or from further away than allowed.
    #[error("TTL or hop limit {actual}: must be at least {least}")]
    HopLimit {
        /// The TTL or hop limit.
        actual: u8,
        /// The least that is allowed.
        least: u8,
    },
    /// Nobody can have sent it from there, or, over IPv6, no router may have (RFC 9568 §5.1.2.1).
    #[error("from {0}: must be an address of one host, link-local in IPv6")]
    Source(IpAddr),
    /// It was not sent to the multicast group (RFC 9568 §5.1.1.2, §5.1.2.2).
    #[error("to {0}: must be the multicast group of VRRP")]
    Destination(IpAddr),
    /// Too short to hold a header.
    #[error("{0} octets: a header has 8")]
    NoHeader(usize),
    /// An unknown version.
    #[error("version {0}: must be 2 or 3")]
    Version(u8),
    /// RFC 3768 knows IPv4 only.
    #[error("version 2 over IPv6: must be version 3")]
    Version2OverIpv6,
    /// Not an advertisement.
    #[error("type {0}: must be 1")]
    Type(u8),
    /// Not as long as its count of addresses makes it.
    #[error("{actual} octets with {count} addresses: must be {expected}")]
    Length {
        /// The count field.
        count: u8,
        /// The length that follows from it, in octets.
        expected: usize,
        /// The length of the IP payload, in octets.
        actual: usize,
    },
    /// Wrong in every form that the version and family allow.
    #[error("checksum {0:#06x} is wrong")]
    Checksum(u16),
    /// VRID 0.
    #[error("VRID 0: must be 1 to 255")]
    Vrid,
    /// RFC 3768 §5.3.6 has abolished authentication; of RFC 2338's, only simple text is known.
    #[error("authentication type {0}: must be 0 or 1")]
    AuthenticationType(u8),
    /// An interval of 0 (erratum 8301).
    #[error("interval 0: must be at least 1")]
    Interval,
    /// A count of 0 (erratum 8299).
    #[error("no address: must list at least 1")]
    NoAddress,
    /// In IPv6 the first address must be link-local (RFC 9568 §5.2.9, erratum 8300).
    #[error("first address {0}: must be link-local")]
    FirstAddressNotLinkLocal(Ipv6Addr),
}

impl PacketError {
    /// Why the packet is dropped.
    #[must_use]
    pub const fn cause(&self) -> DropCause {
        match self {
            Self::MixedFamilies(..) | Self::Version2OverIpv6 => DropCause::Family,
            Self::HopLimit { .. } => DropCause::Ttl,
            Self::Source(_) => DropCause::Source,
            Self::Destination(_) => DropCause::Destination,
            Self::NoHeader(_) | Self::Length { .. } => DropCause::Length,
            Self::Version(_) => DropCause::Version,
            Self::Type(_) => DropCause::Type,
            Self::Checksum(_) => DropCause::Checksum,
            Self::Vrid => DropCause::Vrid,
            Self::AuthenticationType(_) => DropCause::Authentication,
            Self::Interval => DropCause::Interval,
            Self::NoAddress | Self::FirstAddressNotLinkLocal(_) => DropCause::AddressList,
        }
    }
}

/// The version field and the VRID of a message that may be bad, to name the group whose counter it belongs to.
/// `None` where there is no VRID to read.
#[must_use]
pub fn peek(message: &[u8]) -> Option<(u8, Vrid)> {
    let [version_and_type, vrid, ..] = *message else { return None };
    Some((version_and_type >> 4, Vrid::new(vrid)?))
}

/// What must be true of received packets where RFC 9568 leaves a choice to those who know their LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demands {
    /// The least TTL or hop limit: 255, or less where peers are addressed one by one and some are routers away.
    pub least_hop_limit: u8,
    /// Whether the first IPv6 address must be link-local (RFC 9568 §5.2.9, erratum 8300).
    pub link_local_first: bool,
    /// Whether routers speak to all of the LAN: to the multicast group, and over IPv6 from a link-local address.
    pub multicast: bool,
}

impl Demands {
    /// What RFC 9568 §7.1 demands.
    pub const RFC_9568: Self = Self { least_hop_limit: HOP_LIMIT, link_local_first: true, multicast: true };
}

/// Reads an advertisement from the payload of an IP packet: exactly what the IP header's length field covers,
/// without what Ethernet pads a short frame with.
///
/// The reserved bits of version 3 are ignored, and so is the authentication data of version 2 unless its type says that
/// there is some.
///
/// # Errors
/// [`PacketError`] names the first check that failed; the checks come in the order of RFC 9568 §7.1.
pub fn decode(message: &[u8], envelope: &Envelope, demands: Demands) -> Result<Advertisement, PacketError> {
    let Envelope { source, destination, hop_limit } = *envelope;
    let family = Family::of(source);
    if Family::of(destination) != family {
        return Err(PacketError::MixedFamilies(source, destination));
    }
    if hop_limit < demands.least_hop_limit {
        return Err(PacketError::HopLimit { actual: hop_limit, least: demands.least_hop_limit });
    }

    if !can_have_sent(source, demands) {
        return Err(PacketError::Source(source));
    }
    if demands.multicast && destination != family.multicast_group() {
        return Err(PacketError::Destination(destination));
    }
    let Some((header, rest)) = message.split_first_chunk::<HEADER_LENGTH>() else {
        return Err(PacketError::NoHeader(message.len()));
    };
    let [version_and_type, vrid, priority, count, high, low, checksum_high, checksum_low] = *header;
    let version = match (version_and_type >> 4, family) {
        (2, Family::Ipv4) => Version::V2,
        (2, Family::Ipv6) => return Err(PacketError::Version2OverIpv6),
        (3, Family::Ipv4 | Family::Ipv6) => Version::V3,
        (other, _) => return Err(PacketError::Version(other)),
    };
    if version_and_type & 0x0f != TYPE {
        return Err(PacketError::Type(version_and_type & 0x0f));
    }

    let addresses_length = usize::from(count) * address_length(family);
    let expected = HEADER_LENGTH + addresses_length + trailer_length(version);
    if message.len() != expected {
        return Err(PacketError::Length { count, expected, actual: message.len() });
    }
    let checksum = match checksum::verify(version, family, message, Endpoints { source, destination }) {
        Verdict::Form(form) => Some(form),
        Verdict::Indifferent => None,
        Verdict::Wrong => {
            return Err(PacketError::Checksum(u16::from_be_bytes([checksum_high, checksum_low])));
        }
    };

    let vrid = Vrid::new(vrid).ok_or(PacketError::Vrid)?;
    let authentication = match (version, high, message.last_chunk::<AUTHENTICATION_LENGTH>()) {
        (Version::V3, ..) | (Version::V2, 0, _) => Authentication::None,
        (Version::V2, 1, Some(data)) => Authentication::SimpleText(*data),
        (Version::V2, other, _) => return Err(PacketError::AuthenticationType(other)),
    };
    let interval = match version {
        Version::V2 => AdvertisementInterval::from_seconds(low),
        Version::V3 => AdvertisementInterval::from_centiseconds(u16::from_be_bytes([high & 0x0f, low])),
    }
    .ok_or(PacketError::Interval)?;
    let addresses = read_addresses(family, rest.get(..addresses_length).unwrap_or_default());
    match addresses.first() {
        None => return Err(PacketError::NoAddress),
        Some(IpAddr::V6(first)) if demands.link_local_first && !first.is_unicast_link_local() => {
            return Err(PacketError::FirstAddressNotLinkLocal(*first));
        }
        Some(IpAddr::V4(_) | IpAddr::V6(_)) => {}
    }

    let claim = Claim::from_octet(priority);
    Ok(Advertisement { version, family, vrid, claim, interval, authentication, addresses, source, checksum })
}

/// An advertisement to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'config> {
    /// The sender's settings.
    pub config: &'config Config,
    /// What it claims.
    pub claim: Claim,
    /// How often it says that it advertises: [`Config::interval`] unless it concedes to another router.
    pub interval: AdvertisementInterval,
    /// Where it goes; [`Family::multicast_group`] unless peers are addressed one by one.
    pub destination: IpAddr,
    /// What the checksum covers; only version 3 over IPv4 has the choice.
    pub checksum: ChecksumForm,
}

/// Writes the payload of the IP packet. It goes out from [`Config::source`] with a TTL or hop limit of
/// [`HOP_LIMIT`].
#[must_use]
pub fn encode(outgoing: &Outgoing<'_>) -> Vec<u8> {
    let Outgoing { config, claim, interval, destination, checksum } = *outgoing;
    let (version, family) = (config.version(), config.family());

    let [high, low] = config.in_wire_units(interval).to_be_bytes();
    let high = match version {
        Version::V2 => config.authentication().octet(),
        Version::V3 => high,
    };
    let mut message =
        vec![(version.number() << 4) | TYPE, config.vrid().get(), claim.octet(), 0, high, low, 0, 0];
    for (count, address) in (1..=u8::MAX).zip(config.advertised()) {
        match address {
            IpAddr::V4(address) => message.extend(address.octets()),
            IpAddr::V6(address) => message.extend(address.octets()),
        }
        message[3] = count;
    }
    if version == Version::V2 {
        message.extend(config.authentication().data());
    }

    let endpoints = Endpoints { source: config.source(), destination };
    let sum = checksum::to_send(version, family, checksum, &message, endpoints);
    message[CHECKSUM_FIELD].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Whether a router can have this address. The kernel's IP layer would ask the same, but a packet socket hears what
/// comes before it.
fn can_have_sent(source: IpAddr, demands: Demands) -> bool {
    match source {
        // "This network" and the reserved addresses, broadcast among them (RFC 1122 §3.2.1.3, RFC 1112 §4).
        IpAddr::V4(source) => !matches!(source.octets()[0], 0 | 127 | 224..),
        IpAddr::V6(source) if demands.multicast => source.is_unicast_link_local(),
        IpAddr::V6(source) => !(source.is_unspecified() || source.is_loopback() || source.is_multicast()),
    }
}

const fn address_length(family: Family) -> usize {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

/// How many octets follow the addresses.
const fn trailer_length(version: Version) -> usize {
    match version {
        Version::V2 => AUTHENTICATION_LENGTH,
        Version::V3 => 0,
    }
}

fn read_addresses(family: Family, octets: &[u8]) -> Vec<IpAddr> {
    match family {
        Family::Ipv4 => octets.as_chunks::<4>().0.iter().map(|&a| Ipv4Addr::from(a).into()).collect(),
        Family::Ipv6 => octets.as_chunks::<16>().0.iter().map(|&a| Ipv6Addr::from(a).into()).collect(),
    }
}
