//! Unsolicited neighbour advertisements: gratuitous ARP's counterpart in IPv6 (RFC 4861 §7.2.6, RFC 9568 §6.4.2).

use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{
    MutableNdpOptionPacket, MutableNeighborAdvertPacket, NdpOptionTypes, NeighborAdvertFlags,
};
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::{MutablePacket, Packet};

use super::announcement::AnnouncementFrame;

const ETHERNET_OCTETS: usize = 14;
const IPV6_OCTETS: usize = 40;
/// A neighbour advertisement with the target link-layer address of an Ethernet interface (RFC 4861 §4.4, §4.6.1).
const MESSAGE_OCTETS: usize = 24 + 8;
const OPTION_LENGTH: u8 = 1;
/// What the hop limit of neighbour discovery must be (RFC 4861 §7.1.2).
const HOP_LIMIT: u8 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0x00, 0x00, 0x00, 0x01];

/// One advertisement to all nodes.
pub(super) fn frames(mac: [u8; 6], address: Ipv6Addr, router: bool) -> Vec<AnnouncementFrame> {
    let octets = frame(mac, address, router);
    octets.map(|octets| AnnouncementFrame { ethertype: EtherTypes::Ipv6.0, octets }).into_iter().collect()
}

/// Solicited is clear and override is set: whatever neighbours knew of the address before is out of date. The router
/// flag says what the host does, rather than always yes as RFC 9568 §6.4.2 has it: a host that serves an address and
/// forwards nothing must not become anybody's default router.
fn frame(mac: [u8; 6], address: Ipv6Addr, router: bool) -> Option<Vec<u8>> {
    let mac = MacAddr::from(mac);
    let mut octets = vec![0; ETHERNET_OCTETS + IPV6_OCTETS + MESSAGE_OCTETS];
    let mut ethernet = MutableEthernetPacket::new(&mut octets)?;
    ethernet.set_destination(MacAddr::from(ALL_NODES_MAC));
    ethernet.set_source(mac);
    ethernet.set_ethertype(EtherTypes::Ipv6);
    let mut header = MutableIpv6Packet::new(ethernet.payload_mut())?;
    header.set_version(6);
    header.set_payload_length(u16::try_from(MESSAGE_OCTETS).ok()?);
    header.set_next_header(IpNextHeaderProtocols::Icmpv6);
    header.set_hop_limit(HOP_LIMIT);
    header.set_source(address);
    header.set_destination(ALL_NODES);

    let mut advert = MutableNeighborAdvertPacket::new(header.payload_mut())?;
    advert.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
    let router = if router { NeighborAdvertFlags::Router } else { 0 };
    advert.set_flags(router | NeighborAdvertFlags::Override);
    advert.set_target_addr(address);
    let mut option = MutableNdpOptionPacket::new(advert.get_options_raw_mut())?;
    option.set_option_type(NdpOptionTypes::TargetLLAddr);
    option.set_length(OPTION_LENGTH);
    option.set_data(&mac.octets());
    let checksum = icmpv6::checksum(&Icmpv6Packet::new(advert.packet())?, &address, &ALL_NODES);
    advert.set_checksum(checksum);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by hand from RFC 4861 §4.4 and RFC 4443 §2.3.
    const EXPECTED: [u8; 86] = [
        0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x86, 0xdd, // Ethernet
        0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, // version 6, 32 octets of ICMPv6, hop limit 255
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00, // from fe80::100
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, // to ff02::1
        0x88, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, // neighbour advertisement, override
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00, // target fe80::100
        0x02, 0x01, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, // target link-layer address
    ];
    const CHECKSUM: std::ops::Range<usize> = 56..58;

    fn announced(router: bool) -> Vec<u8> {
        let address = "fe80::100".parse().unwrap();
        let mut frames = frames([0x02, 0x00, 0x5e, 0x10, 0x20, 0x30], address, router);
        assert_eq!((frames.len(), frames[0].ethertype), (1, 0x86dd));
        frames.remove(0).octets
    }

    /// The sum of RFC 1071 over pseudo-header and message, computed here.
    fn sum(frame: &[u8]) -> u32 {
        let pseudo_header = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58]].concat();
        let words = [&pseudo_header, &frame[54..]].concat();
        let sum: u32 = words.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
        (sum & 0xffff) + (sum >> 16)
    }

    #[test]
    fn a_neighbour_advertisement_is_what_the_rfcs_write_octet_by_octet() {
        let mut octets = announced(false);
        assert_eq!(sum(&octets), 0xffff, "the checksum");
        octets[CHECKSUM].fill(0);
        assert_eq!(octets, EXPECTED);
    }

    #[test]
    fn only_a_host_that_forwards_says_that_it_is_a_router() {
        assert_eq!((announced(true)[58], announced(false)[58]), (0xa0, 0x20));
        assert_eq!(sum(&announced(true)), 0xffff);
    }
}
