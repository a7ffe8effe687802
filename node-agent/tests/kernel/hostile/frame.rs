//! Frames octet by octet, with each field free to be wrong, and a socket that sends them as they are.
//!
//! Written from RFC 791, RFC 8200, RFC 9568 §5.2 and RFC 3768 §5.3, not by the code under test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::ifaddrs::getifaddrs;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::bind;
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

use crate::lab::Lab;

/// The host that sends hostile frames.
pub(super) const ATTACKER: u8 = 2;
/// The MAC address of the VRRP multicast group, by family.
pub(crate) const GROUP_MAC: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
pub(super) const GROUP_MAC_V6: [u8; 6] = [0x33, 0x33, 0x00, 0x00, 0x00, 0x12];
const ATTACKER_MAC: [u8; 6] = [2, 0, 0, 0, 0, ATTACKER];
const VRRP: u8 = 112;

/// An IPv4 packet. [`Ipv4::of`] is one that routers take, if they take the message.
#[derive(Debug, Clone)]
pub(crate) struct Ipv4 {
    pub(super) version: u8,
    pub(super) ttl: u8,
    pub(super) protocol: u8,
    /// Flags and fragment offset.
    pub(super) fragment: u16,
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) options: Vec<u8>,
    /// In words of four octets; what it is, unless this says something else.
    pub(super) header_length: Option<u8>,
    pub(super) total_length: Option<u16>,
    /// Added to the right checksum of the header.
    pub(super) checksum_error: u16,
    pub(super) message: Vec<u8>,
}

impl Ipv4 {
    pub(crate) fn of(message: Vec<u8>) -> Self {
        Self {
            version: 4,
            ttl: 255,
            protocol: VRRP,
            fragment: 0,
            source: Ipv4Addr::new(10, 66, 0, ATTACKER),
            destination: Ipv4Addr::new(224, 0, 0, 18),
            options: Vec::new(),
            header_length: None,
            total_length: None,
            checksum_error: 0,
            message,
        }
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        let words = u8::try_from(5 + self.options.len() / 4).expect("short options");
        let length = u16::try_from(20 + self.options.len() + self.message.len()).expect("a packet");
        let mut packet = vec![self.version << 4 | self.header_length.unwrap_or(words), 0xc0];
        packet.extend(self.total_length.unwrap_or(length).to_be_bytes());
        packet.extend([0, 1]);
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(&self.options);
        let checksum = (!sum(&packet)).wrapping_add(self.checksum_error);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        packet.extend(&self.message);
        packet
    }
}

/// An IPv6 packet. [`Ipv6::of`] is one that routers take, if they take the message.
#[derive(Debug, Clone)]
pub(super) struct Ipv6 {
    pub(super) version: u8,
    pub(super) hop_limit: u8,
    pub(super) next_header: u8,
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) payload_length: Option<u16>,
    /// Extension headers and message.
    pub(super) payload: Vec<u8>,
}

impl Ipv6 {
    pub(crate) fn of(message: Vec<u8>) -> Self {
        Self {
            version: 6,
            hop_limit: 255,
            next_header: VRRP,
            source: link_local(ATTACKER),
            destination: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            payload_length: None,
            payload: message,
        }
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        let length = u16::try_from(self.payload.len()).expect("a packet");
        let mut packet = vec![self.version << 4 | 0x0c, 0, 0, 0];
        packet.extend(self.payload_length.unwrap_or(length).to_be_bytes());
        packet.extend([self.next_header, self.hop_limit]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(&self.payload);
        packet
    }
}

/// The link-local address of a host.
pub(super) fn link_local(host: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host.into())
}

/// A version 3 message with these header octets, without a checksum.
pub(crate) fn version_3(vrid: u8, priority: u8, count: u8, interval: u16, addresses: &[IpAddr]) -> Vec<u8> {
    let [high, low] = interval.to_be_bytes();
    let mut message = vec![0x31, vrid, priority, count, high, low, 0, 0];
    for address in addresses {
        match address {
            IpAddr::V4(address) => message.extend(address.octets()),
            IpAddr::V6(address) => message.extend(address.octets()),
        }
    }
    message
}

/// Puts the checksum right that covers the message alone (RFC 9568 §5.2.8 over IPv4, RFC 3768 §5.3.8).
pub(crate) fn plain(mut message: Vec<u8>) -> Vec<u8> {
    message[6..8].fill(0);
    let checksum = !sum(&message);
    message[6..8].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// Puts the checksum right that covers the pseudo-header too, for these endpoints.
pub(super) fn covered(mut message: Vec<u8>, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    message[6..8].fill(0);
    let mut covered = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => covered.extend(address.octets()),
            IpAddr::V6(address) => covered.extend(address.octets()),
        }
    }
    covered.extend(u32::try_from(message.len()).expect("a packet").to_be_bytes());
    covered.extend([0, 0, 0, VRRP]);
    covered.extend(&message);
    let checksum = !sum(&covered);
    message[6..8].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// An Ethernet frame from the attacker.
pub(crate) fn ethernet(destination: [u8; 6], ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&destination[..], &ATTACKER_MAC, &ethertype.to_be_bytes(), packet].concat()
}

/// Sends frames out of the attacker's interface.
pub(crate) struct Attacker(Socket);

impl Attacker {
    pub(crate) fn on(lab: &Lab) -> Self {
        lab.inside(ATTACKER, || {
            let socket = Socket::new(Domain::PACKET, Type::RAW, None).expect("a packet socket");
            let mut interfaces = getifaddrs().expect("interfaces");
            let is_eth0 = |interface: &nix::ifaddrs::InterfaceAddress| interface.interface_name == "eth0";
            let address = interfaces.find_map(|interface| {
                is_eth0(&interface).then_some(interface.address?)?.as_link_addr().copied()
            });
            bind(socket.as_raw_fd(), &address.expect("an Ethernet interface")).expect("bound");
            Self(socket)
        })
    }

    /// Keeps this thread on one processor: what it sends arrives in the order in which it was sent.
    pub(super) fn stay_on_one_processor() {
        let allowed = sched_getaffinity(Pid::this()).expect("an affinity");
        let first = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap_or(false));
        let mut one = CpuSet::new();
        one.set(first.expect("a processor")).expect("a valid number");
        sched_setaffinity(Pid::from_raw(0), &one).expect("allowed");
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        let sent = self.0.send(frame).expect("sent");
        assert_eq!(sent, frame.len());
    }
}

/// The one's complement sum of RFC 1071.
fn sum(octets: &[u8]) -> u16 {
    octets.chunks(2).fold(0, |sum: u16, pair| {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        let (sum, carried) = sum.overflowing_add(word);
        sum + u16::from(carried)
    })
}
