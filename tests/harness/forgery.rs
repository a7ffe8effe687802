//! Adverts that no router would send, from an attacker on the LAN.
//!
//! Encoded here from RFC 9568 §5.2 and RFC 5798 §5.2.8, not by the code under test.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::host::Host;

const VRRP: u8 = 112;
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const IPV4_HEADER: usize = 20;

/// An advert as an attacker makes it. [`Forgery::valid`] is one that routers believe; each field can be
/// spoilt.
#[derive(Debug, Clone)]
pub struct Forgery {
    /// The IPv4 time to live; 255 on a valid one.
    pub ttl: u8,
    /// The high nibble of the first octet; 3 on a valid one.
    pub version: u8,
    /// The low nibble of the first octet; 1 on a valid one.
    pub kind: u8,
    /// The virtual router.
    pub vrid: u8,
    /// The priority.
    pub priority: u8,
    /// The interval in hundredths of a second.
    pub interval_cs: u16,
    /// The virtual addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// How many addresses it says it has; the truth on a valid one.
    pub count: u8,
    /// What is added to the right checksum; 0 on a valid one.
    pub checksum_error: u16,
    /// How many octets of the VRRP message are sent; all of them when there are fewer.
    pub octets_sent: usize,
}

impl Forgery {
    /// An advert that routers believe.
    #[must_use]
    pub fn valid(vrid: u8, priority: u8, interval_cs: u16, address: Ipv4Addr) -> Self {
        Self {
            ttl: 255,
            version: 3,
            kind: 1,
            vrid,
            priority,
            interval_cs,
            addresses: vec![address],
            count: 1,
            checksum_error: 0,
            octets_sent: usize::MAX,
        }
    }

    /// Sends it once from `host`.
    ///
    /// # Errors
    /// When the kernel refuses to send it.
    pub fn send(&self, host: &Host) -> Result<()> {
        let packet = self.packet(host.lan);
        let from = host.lan;
        host.namespace
            .enter(move || {
                let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(VRRP))))?;
                socket.set_header_included_v4(true)?;
                socket.set_multicast_if_v4(&from)?;
                socket.send_to(&packet, &SocketAddrV4::new(ALL_ROUTERS, 0).into())
            })?
            .map(drop)
            .context("cannot send a forged advert")
    }

    /// The IPv4 packet; the kernel fills in the header's checksum.
    fn packet(&self, from: Ipv4Addr) -> Vec<u8> {
        let mut message = vec![self.version << 4 | self.kind, self.vrid, self.priority, self.count];
        message.extend(self.interval_cs.to_be_bytes());
        message.extend([0, 0]);
        message.extend(self.addresses.iter().flat_map(|address| address.octets()));
        let checksum = checksum_with_pseudo_header(from, &message).wrapping_add(self.checksum_error);
        message[6..8].copy_from_slice(&checksum.to_be_bytes());
        message.truncate(self.octets_sent);

        let length = u16::try_from(IPV4_HEADER + message.len()).unwrap_or(u16::MAX);
        let mut packet = vec![0x45, 0xc0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0, 0, self.ttl, VRRP, 0, 0]);
        packet.extend(from.octets());
        packet.extend(ALL_ROUTERS.octets());
        packet.extend(message);
        packet
    }
}

fn checksum_with_pseudo_header(from: Ipv4Addr, message: &[u8]) -> u16 {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
    let covered = [&from.octets()[..], &ALL_ROUTERS.octets(), &[0, VRRP], &length, message].concat();
    let words = covered.chunks(2).map(|pair| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    let mut sum: u32 = words.map(u32::from).sum();
    while sum > u32::from(u16::MAX) {
        sum = (sum & u32::from(u16::MAX)) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message of the advert in `frame.rs`, sent by keepalived 2.2.7 from 10.77.0.11.
    #[test]
    fn a_valid_one_is_what_keepalived_sends() {
        let forged = Forgery::valid(51, 200, 10, Ipv4Addr::new(10, 77, 0, 100));
        let packet = forged.packet(Ipv4Addr::new(10, 77, 0, 11));
        assert_eq!(
            packet[IPV4_HEADER..],
            [0x31, 0x33, 0xc8, 0x01, 0x00, 0x0a, 0x11, 0x29, 0x0a, 0x4d, 0x00, 0x64]
        );
    }
}
