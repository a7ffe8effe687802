//! Frames that ask who has an address and change nobody's mind about it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_base::MacAddr;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{MutableNdpOptionPacket, MutableNeighborSolicitPacket, NdpOptionTypes};
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::{MutablePacket, Packet};

use crate::dataplane::announcement::AnnouncementFrame as Frame;

const ETHERNET_OCTETS: usize = 14;
const ARP_OCTETS: usize = 28;
const IPV6_OCTETS: usize = 40;
/// A neighbour solicitation with the source link-layer address (RFC 4861 §4.3, §4.6.1).
const SOLICITATION_OCTETS: usize = 24 + 8;
/// What the hop limit of neighbour discovery must be (RFC 4861 §7.1.1).
const HOP_LIMIT: u8 = 255;

/// The frame that asks for `address` from an interface with this MAC address; `source` is the interface's own
/// address, which only IPv6 tells, so that the answer comes to us alone.
pub(super) fn frame(mac: [u8; 6], source: IpAddr, address: IpAddr) -> Option<Frame> {
    let mac = MacAddr::from(mac);
    match (address, source) {
        (IpAddr::V4(address), _) => {
            Some(Frame { ethertype: EtherTypes::Arp.0, octets: arp_probe(mac, address)? })
        }
        (IpAddr::V6(address), IpAddr::V6(source)) => {
            Some(Frame { ethertype: EtherTypes::Ipv6.0, octets: solicitation(mac, source, address)? })
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// An ARP probe (RFC 5227 §2.1.1): without the sender's address, so that nobody remembers one.
fn arp_probe(mac: MacAddr, address: Ipv4Addr) -> Option<Vec<u8>> {
    let mut octets = vec![0; ETHERNET_OCTETS + ARP_OCTETS];
    let mut ethernet = MutableEthernetPacket::new(&mut octets)?;
    ethernet.set_destination(MacAddr::broadcast());
    ethernet.set_source(mac);
    ethernet.set_ethertype(EtherTypes::Arp);
    let mut arp = MutableArpPacket::new(ethernet.payload_mut())?;
    arp.set_hardware_type(ArpHardwareTypes::Ethernet);
    arp.set_protocol_type(EtherTypes::Ipv4);
    arp.set_hw_addr_len(6);
    arp.set_proto_addr_len(4);
    arp.set_operation(ArpOperations::Request);
    arp.set_sender_hw_addr(mac);
    arp.set_target_proto_addr(address);
    Some(octets)
}

/// A neighbour solicitation to the solicited-node multicast address (RFC 4861 §7.2.2, RFC 4291 §2.7.1). What it
/// says of its sender is true, and what was known before.
fn solicitation(mac: MacAddr, source: Ipv6Addr, address: Ipv6Addr) -> Option<Vec<u8>> {
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::from([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let mut octets = vec![0; ETHERNET_OCTETS + IPV6_OCTETS + SOLICITATION_OCTETS];
    let mut ethernet = MutableEthernetPacket::new(&mut octets)?;
    ethernet.set_destination(MacAddr::new(0x33, 0x33, 0xff, a, b, c));
    ethernet.set_source(mac);
    ethernet.set_ethertype(EtherTypes::Ipv6);
    let mut header = MutableIpv6Packet::new(ethernet.payload_mut())?;
    header.set_version(6);
    header.set_payload_length(u16::try_from(SOLICITATION_OCTETS).ok()?);
    header.set_next_header(IpNextHeaderProtocols::Icmpv6);
    header.set_hop_limit(HOP_LIMIT);
    header.set_source(source);
    header.set_destination(group);

    let mut asks = MutableNeighborSolicitPacket::new(header.payload_mut())?;
    asks.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
    asks.set_target_addr(address);
    let mut option = MutableNdpOptionPacket::new(asks.get_options_raw_mut())?;
    option.set_option_type(NdpOptionTypes::SourceLLAddr);
    option.set_length(1);
    option.set_data(&mac.octets());
    let checksum = icmpv6::checksum(&Icmpv6Packet::new(asks.packet())?, &source, &group);
    asks.set_checksum(checksum);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x20, 0x30];

    #[test]
    fn an_arp_probe_is_what_rfc_5227_writes_octet_by_octet() {
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x08,
            0x06, // Ethernet
            0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, // Ethernet, IPv4, lengths, request
            0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0, 0, 0, 0, // sender
            0, 0, 0, 0, 0, 0, 192, 0, 2, 10, // target
        ];
        let source = "192.0.2.1".parse().unwrap();
        let frame = frame(MAC, source, "192.0.2.10".parse().unwrap()).unwrap();
        assert_eq!((frame.ethertype, frame.octets.as_slice()), (0x0806, &expected[..]));
    }

    #[test]
    fn a_neighbour_solicitation_is_what_the_rfcs_write_octet_by_octet() {
        let (source, address) = ("fe80::1".parse().unwrap(), "2001:db8::12:3456".parse().unwrap());
        let frame = frame(MAC, source, address).unwrap();
        let mut octets = frame.octets;
        let pseudo_header = [&octets[22..54], &[0, 0, 0, 32, 0, 0, 0, 58]].concat();
        let words = [&pseudo_header, &octets[54..]].concat();
        let sum: u32 = words.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "the checksum");
        octets[56..58].fill(0);
        let expected = [
            0x33, 0x33, 0xff, 0x12, 0x34, 0x56, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x86,
            0xdd, // Ethernet
            0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a,
            0xff, // version 6, 32 octets of ICMPv6, hop limit 255
            0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // from fe80::1
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x12, 0x34, 0x56, // to ff02::1:ff12:3456
            0x87, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // neighbour solicitation
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, // target
            0x01, 0x01, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, // source link-layer address
        ];
        assert_eq!(octets, expected);
    }
}
