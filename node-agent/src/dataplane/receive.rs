//! From the octets of an interface to an advertisement that may be believed.
//!
//! The packet socket sees packets before the kernel's IP layer has checked them, so the checks of the IP header
//! are made here; those of the VRRP message (RFC 9568 §7.1) are made by [`vrrp::packet`].

use std::net::IpAddr;

use pnet_packet::ipv4::{self, Ipv4Packet};
use pnet_packet::ipv6::Ipv6Packet;
use vrrp::packet::{self, Envelope};
use vrrp::{Advertisement, Demands, DropCause, Family, Vrid};

/// The length of an IPv4 header without options, in octets.
const MIN_HEADER: usize = 20;
/// The length of an IPv6 header, in octets.
const IPV6_HEADER: usize = 40;
const MORE_FRAGMENTS: u8 = 0b001;

/// A packet that was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Why.
    pub cause: DropCause,
    /// The virtual router it seems to be about.
    pub vrid: Option<Vrid>,
    /// Where it seems to come from.
    pub source: Option<IpAddr>,
}

/// The advertisement in a packet of protocol 112, if it is what the virtual router demands that it is about.
///
/// # Errors
/// [`Dropped`] when any check fails.
pub fn advertisement(
    family: Family,
    octets: &[u8],
    demands_of: impl FnOnce(Vrid) -> Demands,
) -> Result<Advertisement, Dropped> {
    let (envelope, message) = match family {
        Family::Ipv4 => ipv4_payload(octets)?,
        Family::Ipv6 => ipv6_payload(octets)?,
    };
    let vrid = packet::peek(message).map(|(_version, vrid)| vrid);
    let demands = vrid.map_or(Demands::RFC_9568, demands_of);
    packet::decode(message, &envelope, demands).map_err(|error| Dropped {
        cause: error.cause(),
        vrid,
        source: Some(envelope.source),
    })
}

/// The running number of the packet: the identification in IPv4, the low 16 bits of the flow label in IPv6. Only a packet
/// of one of our agents counts with it.
#[must_use]
pub fn number(family: Family, octets: &[u8]) -> Option<u16> {
    let at = match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 2,
    };
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

const fn nobody_s(cause: DropCause) -> Dropped {
    Dropped { cause, vrid: None, source: None }
}

/// What an IPv4 packet carries. The frame may be longer than the packet: Ethernet pads to 46 octets.
fn ipv4_payload(octets: &[u8]) -> Result<(Envelope, &[u8]), Dropped> {
    let header = Ipv4Packet::new(octets).ok_or(nobody_s(DropCause::Length))?;
    let header_length = usize::from(header.get_header_length()) * 4;
    let total_length = usize::from(header.get_total_length());
    if header.get_version() != 4 {
        return Err(nobody_s(DropCause::Family));
    }
    if header_length < MIN_HEADER || total_length < header_length || total_length > octets.len() {
        return Err(nobody_s(DropCause::Length));
    }
    if ipv4::checksum(&header) != header.get_checksum() {
        return Err(nobody_s(DropCause::Checksum));
    }
    let message = &octets[header_length..total_length];
    let envelope = Envelope {
        source: header.get_source().into(),
        destination: header.get_destination().into(),
        hop_limit: header.get_ttl(),
    };
    if header.get_fragment_offset() != 0 || header.get_flags() & MORE_FRAGMENTS != 0 {
        let vrid = packet::peek(message).map(|(_version, vrid)| vrid);
        return Err(Dropped { cause: DropCause::Length, vrid, source: Some(envelope.source) });
    }
    Ok((envelope, message))
}

/// What an IPv6 packet carries right behind its header; the socket lets none with extension headers through.
fn ipv6_payload(octets: &[u8]) -> Result<(Envelope, &[u8]), Dropped> {
    let header = Ipv6Packet::new(octets).ok_or(nobody_s(DropCause::Length))?;
    if header.get_version() != 6 {
        return Err(nobody_s(DropCause::Family));
    }
    let end = IPV6_HEADER + usize::from(header.get_payload_length());
    let message = octets.get(IPV6_HEADER..end).ok_or(nobody_s(DropCause::Length))?;
    let envelope = Envelope {
        source: header.get_source().into(),
        destination: header.get_destination().into(),
        hop_limit: header.get_hop_limit(),
    };
    Ok((envelope, message))
}

#[cfg(test)]
mod tests {
    use vrrp::Claim;

    use super::*;

    /// An advertisement of keepalived 2.2.7, captured with `tcpdump -i eth0 proto 112`, from the IPv4 header on:
    /// 10.66.0.1, VRID 51, priority 200, 100 ms, two addresses.
    const KEEPALIVED: [u8; 36] = [
        0x45, 0xc0, 0x00, 0x24, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x53, 0x0a, 0x42, 0x00, 0x01, 0xe0,
        0x00, 0x00, 0x12, 0x31, 0x33, 0xc8, 0x02, 0x00, 0x0a, 0x04, 0xff, 0x0a, 0x42, 0x01, 0x33, 0x0a, 0x42,
        0x01, 0x34,
    ];

    /// The capture with some octets changed and the header checksum made right again.
    fn altered(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut octets = KEEPALIVED.to_vec();
        for &(index, value) in changes {
            octets[index] = value;
        }
        octets[10..12].fill(0);
        let sum: u32 = octets[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
        octets[10..12].copy_from_slice(&checksum.to_be_bytes());
        octets
    }

    fn heard(octets: &[u8]) -> Result<Advertisement, Dropped> {
        advertisement(Family::Ipv4, octets, |_| Demands::RFC_9568)
    }

    fn cause(octets: &[u8]) -> (&'static str, Option<u8>) {
        let dropped = heard(octets).expect_err("dropped");
        (dropped.cause.as_str(), dropped.vrid.map(Vrid::get))
    }

    #[test]
    fn an_advertisement_of_keepalived_is_heard() {
        let heard = heard(&KEEPALIVED).unwrap();
        assert_eq!(heard.vrid.get(), 51);
        assert_eq!(heard.claim, Claim::from_octet(200));
        assert_eq!(heard.source, IpAddr::from([10, 66, 0, 1]));
    }

    #[test]
    fn what_ethernet_pads_a_short_frame_with_is_no_part_of_the_packet() {
        let mut padded = KEEPALIVED.to_vec();
        padded.extend([0; 10]);
        assert_eq!(heard(&padded).unwrap(), heard(&KEEPALIVED).unwrap());
    }

    #[test]
    fn options_of_the_header_are_skipped() {
        let mut octets = altered(&[(0, 0x46), (3, 40)]);
        octets.splice(20..20, [1, 1, 1, 0]);
        let options = u32::from(u16::from_be_bytes([1, 1])) + u32::from(u16::from_be_bytes([1, 0]));
        let sum = u32::from(!u16::from_be_bytes([octets[10], octets[11]])) + options;
        let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        octets[10..12].copy_from_slice(&checksum.to_be_bytes());
        assert!(heard(&octets).is_ok());
    }

    #[test]
    fn a_bad_packet_is_dropped_by_its_cause_and_named_by_its_vrid() {
        assert_eq!(cause(&altered(&[(8, 254)])), ("ttl", Some(51)));
        assert_eq!(cause(&altered(&[(20, 0x41)])), ("version", Some(51)));
        assert_eq!(cause(&altered(&[(20, 0x32)])), ("type", Some(51)));
        assert_eq!(cause(&altered(&[(26, 0)])), ("checksum", Some(51)));
        assert_eq!(cause(&altered(&[(23, 3)])), ("length", Some(51)));
        assert_eq!(cause(&altered(&[(6, 0x20)])), ("length", Some(51)), "more fragments follow");
        assert_eq!(cause(&altered(&[(7, 1)])), ("length", Some(51)), "not the first fragment");
    }

    #[test]
    fn a_header_that_cannot_be_believed_names_nobody() {
        let mut wrong_checksum = KEEPALIVED;
        wrong_checksum[11] ^= 1;
        assert_eq!(cause(&wrong_checksum), ("checksum", None));
        assert_eq!(cause(&altered(&[(0, 0x65)])), ("family", None));
        assert_eq!(cause(&altered(&[(0, 0x44)])), ("length", None));
        assert_eq!(cause(&altered(&[(3, 37)])), ("length", None), "longer than what came");
        assert_eq!(cause(&KEEPALIVED[..19]), ("length", None));
        assert_eq!(cause(&[]), ("length", None));
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_fail(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _outcome = heard(&octets);
        }
    }
}
