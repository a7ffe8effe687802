//! `baton_agent::dataplane::receive`: from the first octet of the IP header on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::{Result, Unstructured};
use baton_agent::dataplane::receive::{self, Dropped};
use vrrp::{Demands, DropCause, Envelope, Family};

use crate::{envelope, message, written};

const IPV6_HEADER: usize = 40;
const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;

/// Any octets as an IPv4 packet.
///
/// # Panics
/// When a promise is broken.
pub fn ipv4_packet(data: &[u8]) {
    let _enough = read(&mut Unstructured::new(data), Family::Ipv4);
}

/// Any octets as an IPv6 packet.
///
/// # Panics
/// When a promise is broken.
pub fn ipv6_packet(data: &[u8]) {
    let _enough = read(&mut Unstructured::new(data), Family::Ipv6);
}

fn read(input: &mut Unstructured<'_>, family: Family) -> Result<()> {
    let demands = envelope::demands(input)?;
    let (header_fits, sealing) = (input.arbitrary()?, envelope::sealing(input)?);
    let mut octets = std::mem::replace(input, Unstructured::new(&[])).take_rest().to_vec();
    if header_fits {
        make_fit(family, &mut octets);
    }
    if let (Some(form), Some((around, start))) = (sealing, header(family, &octets)) {
        written::seal(&mut octets[start..], form, around.source, around.destination);
    }
    match receive::advertisement(family, &octets, |_| demands) {
        Ok(said) => {
            let (around, start) = header(family, &octets).expect("a believed packet has a header");
            let end = length(family, &octets);
            assert_eq!(family, said.family);
            message::believed(&said, &octets[start..end], &around, demands);
            if family == Family::Ipv4 {
                assert_eq!(written::sum(&octets[..start]), 0xffff, "the header's checksum is right");
                assert_eq!(word(&octets, 6) & MORE_FRAGMENTS_AND_OFFSET, 0, "a whole packet");
            }
            let padded = [&octets[..end], &[0; 10]].concat();
            assert_eq!(
                receive::advertisement(family, &padded, |_| demands),
                Ok(said),
                "padding says nothing"
            );
            assert!(receive::advertisement(family, &octets[..end - 1], |_| demands).is_err(), "cut short");
        }
        Err(Dropped { cause, source, vrid }) => {
            if let Some(source) = source {
                assert_eq!(header(family, &octets).map(|(around, _)| around.source), Some(source));
            }
            assert!(vrid.is_none() || source.is_some(), "whose VRID is known came from somewhere");
            let without_demands = Demands { least_hop_limit: 0, link_local_first: false, multicast: false };
            if cause == DropCause::Checksum || cause == DropCause::Length {
                let again = receive::advertisement(family, &octets, |_| without_demands);
                assert!(again.is_err(), "no demand makes octets right");
            }
        }
    }
    Ok(())
}

/// What the header says, and where the payload starts; nothing if there is no room for either.
fn header(family: Family, octets: &[u8]) -> Option<(Envelope, usize)> {
    let start = match family {
        Family::Ipv4 => usize::from(octets.first()? & 0x0f) * 4,
        Family::Ipv6 => IPV6_HEADER,
    };
    let (source, destination, hop_limit): (IpAddr, IpAddr, u8) = match family {
        Family::Ipv4 => (ipv4(octets, 12)?.into(), ipv4(octets, 16)?.into(), *octets.get(8)?),
        Family::Ipv6 => (ipv6(octets, 8)?.into(), ipv6(octets, 24)?.into(), *octets.get(7)?),
    };
    (start <= octets.len()).then_some((Envelope { source, destination, hop_limit }, start))
}

/// Where the packet ends, by its header.
fn length(family: Family, octets: &[u8]) -> usize {
    match family {
        Family::Ipv4 => word(octets, 2).into(),
        Family::Ipv6 => IPV6_HEADER + usize::from(word(octets, 4)),
    }
}

/// Makes version, length, TTL and header checksum right, so that what is behind them is looked at.
fn make_fit(family: Family, octets: &mut [u8]) {
    let Ok(length) = u16::try_from(octets.len()) else { return };
    match family {
        Family::Ipv4 if octets.len() >= 20 => {
            let words = (octets[0] & 0x0f).clamp(5, u8::try_from(octets.len() / 4).unwrap_or(15).min(15));
            octets[0] = 0x40 | words;
            octets[2..4].copy_from_slice(&length.to_be_bytes());
            octets[8] = 255;
            octets[10..12].fill(0);
            let checksum = !written::sum(&octets[..usize::from(words) * 4]);
            octets[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        Family::Ipv6 if octets.len() >= IPV6_HEADER => {
            octets[0] = 0x60 | octets[0] & 0x0f;
            octets[4..6].copy_from_slice(&(length - 40).to_be_bytes());
            octets[7] = 255;
        }
        Family::Ipv4 | Family::Ipv6 => {}
    }
}

fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn ipv4(octets: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(*octets.get(at..)?.first_chunk::<4>()?))
}

fn ipv6(octets: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(*octets.get(at..)?.first_chunk::<16>()?))
}
