//! Neighbour discovery over IPv6 (RFC 4861 §4.3, §4.4): who asks for an address, and who says to have it.

use std::fmt;
use std::net::Ipv6Addr;

use crate::frame::Mac;

const HEADER: usize = 40;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Nothing that was forwarded counts.
const HOP_LIMIT: u8 = 255;

/// A neighbour solicitation or advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Whether it is an advertisement.
    pub is_advertisement: bool,
    /// Who sent it.
    pub from: Ipv6Addr,
    /// To whom.
    pub to: Ipv6Addr,
    /// The address that is asked for, or that somebody has.
    pub target: Ipv6Addr,
}

impl Neighbour {
    /// Reads an IPv6 packet; `None` for everything else.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let (kind, hop_limit) = (*packet.get(HEADER)?, *packet.get(7)?);
        let is_one = *packet.get(6)? == ICMPV6
            && hop_limit == HOP_LIMIT
            && matches!(kind, SOLICITATION | ADVERTISEMENT);
        is_one.then_some(())?;
        Some(Self {
            is_advertisement: kind == ADVERTISEMENT,
            from: ipv6(packet.get(8..24)?)?,
            to: ipv6(packet.get(24..40)?)?,
            target: ipv6(packet.get(HEADER + 8..HEADER + 24)?)?,
        })
    }

    /// The frame of a solicitation from a host for `target`, to whoever may have it.
    pub(crate) fn solicitation(sender_mac: Mac, sender: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
        let [.., x, y, z] = target.octets();
        let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z]);
        let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
        message.extend(target.octets());
        message.extend([1, 1]);
        message.extend(sender_mac.0);
        let checksum = checksum(sender, group, &message).to_be_bytes();
        message[2..4].copy_from_slice(&checksum);
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();

        let mut frame = vec![0x33, 0x33, 0xff, x, y, z];
        frame.extend(sender_mac.0);
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, length[0], length[1], ICMPV6, HOP_LIMIT]);
        frame.extend(sender.octets());
        frame.extend(group.octets());
        frame.extend(message);
        frame
    }
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_advertisement, from, to, target } = self;
        if *is_advertisement {
            write!(f, "NA {target} is here, says {from} (to {to})")
        } else {
            write!(f, "NS who has {target}, tell {from}")
        }
    }
}

/// The checksum of an ICMPv6 message without one (RFC 8200 §8.1).
fn checksum(from: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let pseudo = [&from.octets()[..], &to.octets()[..], &length, &[0, 0, 0, ICMPV6], message].concat();
    let mut sum: u32 = pseudo
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn ipv6(octets: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::frame::{Content, Frame};

    #[test]
    fn a_solicitation_is_read_as_it_was_written_and_its_checksum_is_right() {
        let (from, target) = ("fe80::3c".parse().unwrap(), "2001:db8:77::164".parse().unwrap());
        let written = Neighbour::solicitation(Mac([2, 0x77, 0, 0, 0, 60]), from, target);
        let frame = Frame::read(Moment::now(), &written).unwrap();
        let Content::Neighbour(read) = frame.content else { panic!("no neighbour: {frame}") };
        assert_eq!((read.is_advertisement, read.from, read.target), (false, from, target));
        assert_eq!(read.to, "ff02::1:ff00:164".parse::<Ipv6Addr>().unwrap());
        // With its checksum in it a message sums up to nothing.
        assert_eq!(checksum(read.from, read.to, &written[54..]), 0);
    }
}
