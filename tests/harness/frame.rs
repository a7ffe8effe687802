//! What was on the wire: adverts, ARP and neighbour discovery, decoded by an independent reader of RFC 9568
//! §5.2, RFC 826 and RFC 4861 §4.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::clock::Moment;
use crate::neighbour::Neighbour;

/// The protocol number of VRRP.
const VRRP: u8 = 112;

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// One captured frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// When the kernel received it.
    pub at: Moment,
    /// Who sent it.
    pub source: Mac,
    /// To whom.
    pub destination: Mac,
    /// What it says.
    pub content: Content,
    /// Every octet of it.
    pub octets: Vec<u8>,
}

/// What a frame says, as far as the laboratory cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Protocol 112 over IPv4 or IPv6.
    Advert(Advert),
    /// ARP for IPv4 over Ethernet.
    Arp(Arp),
    /// What takes the place of ARP over IPv6.
    Neighbour(Neighbour),
}

/// A VRRP advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// The IP source.
    pub from: IpAddr,
    /// The IP destination.
    pub to: IpAddr,
    /// The time to live, or the hop limit.
    pub ttl: u8,
    /// The protocol version.
    pub version: u8,
    /// The virtual router.
    pub vrid: u8,
    /// The priority; 0 is a resignation.
    pub priority: u8,
    /// The interval it announces, in milliseconds.
    pub interval_ms: u32,
    /// The virtual addresses.
    pub addresses: Vec<IpAddr>,
}

/// An ARP request or reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// Whether it is a reply.
    pub is_reply: bool,
    /// The hardware address that it claims for `sender`.
    pub sender_mac: Mac,
    /// The address of the sender.
    pub sender: Ipv4Addr,
    /// The hardware address of the target.
    pub target_mac: Mac,
    /// The address that is asked for or answered to.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Whether it tells everybody where `sender` is (RFC 5227 §3).
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender == self.target
    }
}

impl Frame {
    /// Reads an Ethernet frame; `None` for everything but adverts, ARP and neighbour discovery.
    #[must_use]
    pub fn read(at: Moment, octets: &[u8]) -> Option<Self> {
        let payload = octets.get(14..)?;
        let content = match octets.get(12..14)? {
            [0x08, 0x00] => Content::Advert(Advert::over_ipv4(payload)?),
            [0x86, 0xdd] if payload.get(6) == Some(&VRRP) => Content::Advert(Advert::over_ipv6(payload)?),
            [0x86, 0xdd] => Content::Neighbour(Neighbour::read(payload)?),
            [0x08, 0x06] => Content::Arp(Arp::read(payload)?),
            _ => return None,
        };
        let (destination, source) = (mac(octets.get(0..6)?)?, mac(octets.get(6..12)?)?);
        Some(Self { at, source, destination, content, octets: octets.to_vec() })
    }
}

impl Advert {
    fn over_ipv4(packet: &[u8]) -> Option<Self> {
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let (from, to) = (ipv4(packet.get(12..16)?)?.into(), ipv4(packet.get(16..20)?)?.into());
        (*packet.get(9)? == VRRP).then_some(())?;
        Self::read(from, to, *packet.get(8)?, packet.get(header..)?)
    }

    fn over_ipv6(packet: &[u8]) -> Option<Self> {
        let (from, to) = (address(packet.get(8..24)?)?, address(packet.get(24..40)?)?);
        Self::read(from, to, *packet.get(7)?, packet.get(40..)?)
    }

    fn read(from: IpAddr, to: IpAddr, ttl: u8, message: &[u8]) -> Option<Self> {
        let version = message.first()? >> 4;
        let count = usize::from(*message.get(3)?);
        let interval_ms = match version {
            2 => u32::from(*message.get(5)?) * 1_000,
            _ => (u32::from(*message.get(4)? & 0x0f) << 8 | u32::from(*message.get(5)?)) * 10,
        };
        let length = if from.is_ipv4() { 4 } else { 16 };
        let addresses = message.get(8..)?.chunks_exact(length).take(count).filter_map(address).collect();
        let (vrid, priority) = (*message.get(1)?, *message.get(2)?);
        Some(Self { from, to, ttl, version, vrid, priority, interval_ms, addresses })
    }
}

impl Arp {
    fn read(packet: &[u8]) -> Option<Self> {
        const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 0x08, 0, 6, 4];
        if packet.get(0..6)? != ETHERNET_AND_IPV4 {
            return None;
        }
        Some(Self {
            is_reply: packet.get(6..8)? == [0, 2],
            sender_mac: mac(packet.get(8..14)?)?,
            sender: ipv4(packet.get(14..18)?)?,
            target_mac: mac(packet.get(18..24)?)?,
            target: ipv4(packet.get(24..28)?)?,
        })
    }

    /// The frame of a request from `sender` to everybody for `target`.
    #[must_use]
    pub fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend(sender_mac.0);
        frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
        frame.extend(sender_mac.0);
        frame.extend(sender.octets());
        frame.extend([0; 6]);
        frame.extend(target.octets());
        frame
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} > {} ", self.at, self.source, self.destination)?;
        match &self.content {
            Content::Advert(advert) => write!(
                f,
                "VRRPv{} {} > {} ttl {} vrid {} prio {} every {} ms {:?}",
                advert.version,
                advert.from,
                advert.to,
                advert.ttl,
                advert.vrid,
                advert.priority,
                advert.interval_ms,
                advert.addresses
            ),
            Content::Arp(arp) if arp.is_reply => {
                write!(f, "ARP {} is at {} (to {})", arp.sender, arp.sender_mac, arp.target)
            }
            Content::Arp(arp) => write!(f, "ARP who has {}, tell {}", arp.target, arp.sender),
            Content::Neighbour(neighbour) => neighbour.fmt(f),
        }
    }
}

fn mac(octets: &[u8]) -> Option<Mac> {
    octets.try_into().ok().map(Mac)
}

/// An address of four or sixteen octets.
fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => ipv4(octets).map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    }
}

fn ipv4(octets: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sent by keepalived 2.2.7 (`vrrp_version 3`, VRID 51, priority 200, `advert_int 0.1`, one address) from
    /// 10.77.0.11, and printed by tcpdump 4.99.3 (`tcpdump -xx`).
    const KEEPALIVED: &str = "0100 5e00 0012 0277 0000 000b 0800 45c0 0020 0001 0000 ff70 d042 0a4d 000b e000
                              0012 3133 c801 000a 1129 0a4d 0064";

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn an_advert_of_keepalived_is_read() {
        let frame = Frame::read(Moment::now(), &octets(KEEPALIVED)).unwrap();
        let Content::Advert(advert) = frame.content else { panic!("not an advert: {frame}") };
        assert_eq!((advert.vrid, advert.priority, advert.interval_ms, advert.ttl), (51, 200, 100, 255));
        assert_eq!(advert.addresses, [IpAddr::from([10, 77, 0, 100])]);
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let (mac, asking, asked) =
            (Mac([2, 0, 0, 0, 0, 9]), Ipv4Addr::new(10, 0, 0, 9), Ipv4Addr::new(10, 0, 0, 1));
        let frame = Frame::read(Moment::now(), &Arp::request(mac, asking, asked)).unwrap();
        let Content::Arp(arp) = frame.content else { panic!("not ARP: {frame}") };
        assert!(!arp.is_reply && !arp.is_gratuitous());
        assert_eq!((arp.sender_mac, arp.sender, arp.target), (mac, asking, asked));
    }

    #[test]
    fn a_frame_that_is_cut_short_is_not_read() {
        let whole = octets(KEEPALIVED);
        for length in 0..40 {
            assert!(Frame::read(Moment::now(), &whole[..length]).is_none(), "{length} octets");
        }
    }
}
