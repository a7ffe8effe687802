//! What an ARP packet or a message of neighbour discovery says about who has an address.

use std::net::{IpAddr, Ipv6Addr};

use pnet_packet::Packet;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, ArpPacket};
use pnet_packet::ethernet::EtherTypes;
use pnet_packet::icmpv6::ndp::{NdpOptionTypes, NeighborAdvertPacket, NeighborSolicitPacket};
use pnet_packet::icmpv6::{Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::Ipv6Packet;
use vrrp::Family;

const SOLICITED: u8 = 0x40;
const HOP_LIMIT: u8 = 255;

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// This MAC address answers for the address, to somebody who asked.
    Answers {
        /// The address.
        address: IpAddr,
        /// The MAC address.
        mac: [u8; 6],
    },
    /// The address has moved to this MAC address, to everybody.
    Announces {
        /// The address.
        address: IpAddr,
        /// The MAC address.
        mac: [u8; 6],
    },
    /// Somebody asks for the address.
    Asks {
        /// The address.
        address: IpAddr,
        /// Who; a probe does not tell.
        source: Option<IpAddr>,
    },
}

/// Reads a packet from the header behind Ethernet's on, that came from `mac`; `None` when it says nothing about an address.
pub(super) fn read(family: Family, octets: &[u8], mac: Option<[u8; 6]>) -> Option<Said> {
    match family {
        Family::Ipv4 => arp(octets),
        Family::Ipv6 => neighbour_discovery(octets, mac),
    }
}

fn arp(octets: &[u8]) -> Option<Said> {
    let packet = ArpPacket::new(octets)?;
    let lengths = (packet.get_hw_addr_len(), packet.get_proto_addr_len());
    let kinds = (packet.get_hardware_type(), packet.get_protocol_type());
    if lengths != (6, 4) || kinds != (ArpHardwareTypes::Ethernet, EtherTypes::Ipv4) {
        return None;
    }
    let (sender, target) = (packet.get_sender_proto_addr(), packet.get_target_proto_addr());
    let mac = packet.get_sender_hw_addr().octets();
    let address = IpAddr::V4(sender);
    match packet.get_operation() {
        ArpOperations::Request | ArpOperations::Reply if sender == target && !sender.is_unspecified() => {
            Some(Said::Announces { address, mac })
        }
        ArpOperations::Reply => Some(Said::Answers { address, mac }),
        ArpOperations::Request if sender.is_unspecified() => {
            Some(Said::Asks { address: target.into(), source: None })
        }
        _ => None,
    }
}

fn neighbour_discovery(octets: &[u8], mac: Option<[u8; 6]>) -> Option<Said> {
    let header = Ipv6Packet::new(octets)?;
    if header.get_hop_limit() != HOP_LIMIT || header.get_next_header() != IpNextHeaderProtocols::Icmpv6 {
        return None;
    }
    match Icmpv6Packet::new(header.payload())?.get_icmpv6_type() {
        Icmpv6Types::NeighborSolicit => {
            let asks = NeighborSolicitPacket::new(header.payload())?;
            let source: Ipv6Addr = header.get_source();
            let source = (!source.is_unspecified()).then_some(IpAddr::V6(source));
            Some(Said::Asks { address: asks.get_target_addr().into(), source })
        }
        Icmpv6Types::NeighborAdvert => {
            let says = NeighborAdvertPacket::new(header.payload())?;
            let address = IpAddr::V6(says.get_target_addr());
            let mac = target_link_layer(says.get_options_raw()).or(mac)?;
            let solicited = says.get_flags() & SOLICITED != 0;
            Some(if solicited { Said::Answers { address, mac } } else { Said::Announces { address, mac } })
        }
        _ => None,
    }
}

/// The target link-layer address among the options (RFC 4861 §4.6), each of which tells its length in units of 8
/// octets.
fn target_link_layer(mut options: &[u8]) -> Option<[u8; 6]> {
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(units) * 8)?;
        match option {
            [_, _, mac @ ..] if kind == NdpOptionTypes::TargetLLAddr.0 => return mac.try_into().ok(),
            // A length of nothing would never end.
            [] => return None,
            _ => options = rest,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataplane::probe::question;
    use crate::dataplane::{gratuitous_arp, unsolicited_na};

    const MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x20, 0x30];

    fn v6(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn announcements_are_heard_as_such() {
        let address = IpAddr::from([192, 0, 2, 10]);
        for frame in gratuitous_arp::frames(MAC, [192, 0, 2, 10].into()) {
            let heard = read(Family::Ipv4, &frame.octets[14..], None);
            assert_eq!(heard, Some(Said::Announces { address, mac: MAC }));
        }
        for frame in unsolicited_na::frames(MAC, "2001:db8::1".parse().unwrap(), false) {
            let heard = read(Family::Ipv6, &frame.octets[14..], None);
            assert_eq!(heard, Some(Said::Announces { address: v6("2001:db8::1"), mac: MAC }));
        }
    }

    #[test]
    fn questions_are_heard_as_such_and_tell_who_asks_over_ipv6_alone() {
        let (own, address) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 10]));
        let frame = question::frame(MAC, own, address).unwrap();
        let heard = read(Family::Ipv4, &frame.octets[14..], None);
        assert_eq!(heard, Some(Said::Asks { address, source: None }));
        let frame = question::frame(MAC, v6("fe80::1"), v6("2001:db8::1")).unwrap();
        let heard = read(Family::Ipv6, &frame.octets[14..], None);
        assert_eq!(heard, Some(Said::Asks { address: v6("2001:db8::1"), source: Some(v6("fe80::1")) }));
    }

    #[test]
    fn a_reply_names_who_answers_and_a_request_for_another_says_nothing() {
        let mut octets = gratuitous_arp::frames(MAC, [192, 0, 2, 10].into())[1].octets.split_off(14);
        // To somebody that probes: the target has no address.
        octets[24..28].fill(0);
        let address = IpAddr::from([192, 0, 2, 10]);
        assert_eq!(read(Family::Ipv4, &octets, None), Some(Said::Answers { address, mac: MAC }));
        octets[7] = 1;
        assert_eq!(read(Family::Ipv4, &octets, None), None, "a request");
        octets[4] = 8;
        assert_eq!(read(Family::Ipv4, &octets, None), None, "no Ethernet");
    }

    #[test]
    fn a_solicited_advertisement_is_an_answer_even_without_the_option() {
        let frame = unsolicited_na::frames(MAC, "2001:db8::1".parse().unwrap(), false).remove(0);
        let mut octets = frame.octets[14..].to_vec();
        octets[44] |= 0x40;
        let address = v6("2001:db8::1");
        assert_eq!(read(Family::Ipv6, &octets, None), Some(Said::Answers { address, mac: MAC }));
        octets.truncate(64);
        octets[5] = 24;
        let other = [2, 0, 0, 0, 0, 9];
        assert_eq!(read(Family::Ipv6, &octets, Some(other)), Some(Said::Answers { address, mac: other }));
        assert_eq!(read(Family::Ipv6, &octets, None), None);
        octets[7] = 254;
        assert_eq!(read(Family::Ipv6, &octets, Some(other)), None, "came through a router");
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_fail(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
            let _said = (read(Family::Ipv4, &octets, None), read(Family::Ipv6, &octets, None));
        }
        #[test]
        fn no_neighbour_discovery_makes_it_fail(
            message in proptest::collection::vec(proptest::num::u8::ANY, 0..80), is_advert: bool,
        ) {
            let length = u8::try_from(message.len() + 1).unwrap();
            let mut octets = vec![0x60, 0, 0, 0, 0, length, 58, 255];
            octets.extend([0; 32]);
            octets.push(if is_advert { 136 } else { 135 });
            octets.extend(message);
            let _said = read(Family::Ipv6, &octets, None);
        }
    }
}
