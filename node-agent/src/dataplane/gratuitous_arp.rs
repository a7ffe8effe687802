//! Gratuitous ARP: tells the neighbours and switches of a LAN which MAC address answers for an IPv4 address now.

use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use pnet_packet::MutablePacket;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperation, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};

use super::announcement::AnnouncementFrame;

/// An Ethernet header and an ARP packet for Ethernet and IPv4, in octets.
const FRAME_OCTETS: usize = 14 + 28;

/// A request and a reply, since some neighbours listen only to the one and some only to the other.
pub(super) fn frames(mac: [u8; 6], address: Ipv4Addr) -> Vec<AnnouncementFrame> {
    [ArpOperations::Request, ArpOperations::Reply]
        .map(|operation| AnnouncementFrame {
            ethertype: EtherTypes::Arp.0,
            octets: frame(operation, mac, address),
        })
        .into()
}

/// One gratuitous ARP. Sender and target hardware address are the same (RFC 9568 erratum 7949): neighbours that
/// have just learnt the address from somebody else ignore the form with an empty target.
fn frame(operation: ArpOperation, mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let mac = MacAddr::from(mac);
    let mut octets = vec![0; FRAME_OCTETS];
    if let Some(mut ethernet) = MutableEthernetPacket::new(&mut octets) {
        ethernet.set_destination(MacAddr::broadcast());
        ethernet.set_source(mac);
        ethernet.set_ethertype(EtherTypes::Arp);
        if let Some(mut arp) = MutableArpPacket::new(ethernet.payload_mut()) {
            arp.set_hardware_type(ArpHardwareTypes::Ethernet);
            arp.set_protocol_type(EtherTypes::Ipv4);
            arp.set_hw_addr_len(6);
            arp.set_proto_addr_len(4);
            arp.set_operation(operation);
            arp.set_sender_hw_addr(mac);
            arp.set_sender_proto_addr(address);
            arp.set_target_hw_addr(mac);
            arp.set_target_proto_addr(address);
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x20, 0x30];

    /// Written by hand from RFC 826 and RFC 5227 §3: request, then reply.
    const REQUEST: [u8; FRAME_OCTETS] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x08, 0x06, // Ethernet
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, // Ethernet, IPv4, lengths, request
        0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 192, 0, 2, 10, // sender
        0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 192, 0, 2, 10, // target
    ];

    #[test]
    fn each_address_is_announced_by_a_request_and_a_reply() {
        let frames = frames(MAC, Ipv4Addr::new(192, 0, 2, 10));
        let mut reply = REQUEST;
        reply[21] = 2;
        let octets: Vec<_> = frames.iter().map(|frame| frame.octets.as_slice()).collect();
        assert_eq!(octets, [&REQUEST[..], &reply[..]]);
        assert!(frames.iter().all(|frame| frame.ethertype == 0x0806));
    }
}
