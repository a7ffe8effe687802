//! From the octets of an interface to an advertisement that may be believed.
//!
//! The packet socket sees packets before the kernel's IP layer has checked them, so the checks of the IPv4 header
//! are made here; those of the VRRP message (RFC 9568 §7.1) are made by [`vrrp::packet`].

use std::net::IpAddr;

use pnet_packet::ipv4::{self, Ipv4Packet};
use vrrp::packet::{self, Envelope};
use vrrp::{Advertisement, Family, Vrid};

/// The length of an IPv4 header without options, in octets.
const MIN_HEADER: usize = 20;
const MORE_FRAGMENTS: u8 = 0b001;

/// A packet that was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    /// The counter: a word of RFC 8347.
    pub(super) cause: &'static str,
    /// The virtual router it seems to be about.
    pub(super) vrid: Option<Vrid>,
    /// Where it seems to come from.
    pub(super) source: Option<IpAddr>,
}

/// The advertisement in an IPv4 packet of protocol 112.
///
/// # Errors
/// [`Dropped`] when any check fails.
pub(super) fn advertisement(octets: &[u8]) -> Result<Advertisement, Dropped> {
    let unknown = |cause| Dropped { cause, vrid: None, source: None };
    let header = Ipv4Packet::new(octets).ok_or(unknown("length"))?;
    let header_length = usize::from(header.get_header_length()) * 4;
    let total_length = usize::from(header.get_total_length());
    if header.get_version() != 4 {
        return Err(unknown("family"));
    }
    if header_length < MIN_HEADER || total_length < header_length || total_length > octets.len() {
        return Err(unknown("length"));
    }
    if ipv4::checksum(&header) != header.get_checksum() {
        return Err(unknown("checksum"));
    }
    // The frame may be longer than the packet: Ethernet pads to 46 octets.
    let message = &octets[header_length..total_length];
    let envelope = Envelope {
        source: header.get_source().into(),
        destination: header.get_destination().into(),
        hop_limit: header.get_ttl(),
    };
    let vrid = packet::peek(message).map(|(_version, vrid)| vrid);
    let dropped = |cause| Dropped { cause, vrid, source: Some(envelope.source) };
    if header.get_fragment_offset() != 0 || header.get_flags() & MORE_FRAGMENTS != 0 {
        return Err(dropped("length"));
    }
    packet::decode(message, &envelope).map_err(|error| dropped(error.cause()))
}

/// The family of every packet that [`advertisement`] reads.
pub(super) const FAMILY: Family = Family::Ipv4;
