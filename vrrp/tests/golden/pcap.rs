//! Just enough of the pcap format to take VRRP messages out of Ethernet frames.

use std::net::IpAddr;

use vrrp::{Envelope, IP_PROTOCOL};

const FILE_HEADER: usize = 24;
const ETHERNET_HEADER: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const IPV6_HEADER: usize = 40;

/// A VRRP message and what the IP header around it said.
pub(crate) struct Captured {
    pub(crate) message: Vec<u8>,
    pub(crate) envelope: Envelope,
}

/// Every VRRP message of a little-endian capture with microseconds.
pub(crate) fn read(capture: &[u8]) -> Vec<Captured> {
    assert_eq!(capture[..4], [0xd4, 0xc3, 0xb2, 0xa1], "a pcap file");
    let mut rest = &capture[FILE_HEADER..];
    let mut messages = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap());
        let (frame, after) = after.split_at(usize::try_from(length).unwrap());
        messages.push(payload(frame));
        rest = after;
    }
    messages
}

/// The part that the IP header's length covers, without the frame's padding.
fn payload(frame: &[u8]) -> Captured {
    let (ethernet, packet) = frame.split_at(ETHERNET_HEADER);
    let length = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    let (protocol, hop_limit, source, destination, message) = match [ethernet[12], ethernet[13]] {
        IPV4 => {
            let header = usize::from(packet[0] & 0x0f) * 4;
            (packet[9], packet[8], ipv4(&packet[12..16]), ipv4(&packet[16..20]), &packet[header..length(2)])
        }
        IPV6 => {
            let message = &packet[IPV6_HEADER..IPV6_HEADER + length(4)];
            (packet[6], packet[7], ipv6(&packet[8..24]), ipv6(&packet[24..40]), message)
        }
        other => panic!("EtherType {other:02x?}"),
    };
    assert_eq!(protocol, IP_PROTOCOL);
    Captured { message: message.to_vec(), envelope: Envelope { source, destination, hop_limit } }
}

fn ipv4(octets: &[u8]) -> IpAddr {
    <[u8; 4]>::try_from(octets).unwrap().into()
}

fn ipv6(octets: &[u8]) -> IpAddr {
    <[u8; 16]>::try_from(octets).unwrap().into()
}
