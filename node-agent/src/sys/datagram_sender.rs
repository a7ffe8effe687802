//! Sends VRRP messages to single routers, through the kernel's IP layer: it knows the way and resolves the next hop.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, SockaddrIn6, sendmsg};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

const PROTOCOL_VRRP: i32 = 112;
/// What the TTL of an advertisement must be (RFC 9568 §5.1.1.3).
const HOP_LIMIT: u32 = 255;
/// Class selector 6, "internetwork control" (RFC 4594 §3.1), in its place in the octet.
const TRAFFIC_CLASS: u32 = 48 << 2;

/// A VRRP message for one router.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagram<'a> {
    /// The interface it leaves through.
    pub(crate) ifindex: u32,
    /// The address it comes from.
    pub(crate) source: IpAddr,
    /// Where it goes.
    pub(crate) destination: IpAddr,
    /// What the IP packet carries.
    pub(crate) message: &'a [u8],
}

/// One raw socket of protocol 112 for each family, which only sends.
pub(crate) struct DatagramSender {
    ipv4: Socket,
    /// `None` on a host without IPv6.
    ipv6: Option<Socket>,
}

impl DatagramSender {
    /// Opens the sockets. Needs `CAP_NET_RAW`.
    pub(crate) fn open() -> io::Result<Self> {
        let ipv4 = open(Domain::IPV4)?;
        ipv4.set_ttl_v4(HOP_LIMIT)?;
        ipv4.set_tos_v4(TRAFFIC_CLASS)?;
        let ipv6 = open(Domain::IPV6).ok();
        if let Some(socket) = &ipv6 {
            socket.set_unicast_hops_v6(HOP_LIMIT)?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
        }
        Ok(Self { ipv4, ipv6 })
    }

    /// Sends one message; never waits.
    pub(crate) fn send(&self, datagram: &Datagram<'_>) -> io::Result<()> {
        let parts = [IoSlice::new(datagram.message)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = match (datagram.source, datagram.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let from = from_ipv4(datagram.ifindex, source);
                let to = SockaddrIn::from(SocketAddrV4::new(destination, 0));
                sendmsg(
                    self.ipv4.as_raw_fd(),
                    &parts,
                    &[ControlMessage::Ipv4PacketInfo(&from)],
                    flags,
                    Some(&to),
                )
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let socket = self.ipv6.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                let from = from_ipv6(datagram.ifindex, source);
                let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, datagram.ifindex));
                sendmsg(
                    socket.as_raw_fd(),
                    &parts,
                    &[ControlMessage::Ipv6PacketInfo(&from)],
                    flags,
                    Some(&to),
                )
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        };
        sent.map(drop).map_err(Into::into)
    }
}

fn open(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(PROTOCOL_VRRP)))?;
    // A raw socket of a protocol is given every packet of it; nobody reads them here.
    const RETURN: u16 = 0x06;
    socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])?;
    Ok(socket)
}

fn from_ipv4(ifindex: u32, source: Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: i32::try_from(ifindex).unwrap_or(0),
        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

const fn from_ipv6(ifindex: u32, source: Ipv6Addr) -> libc::in6_pktinfo {
    libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: ifindex }
}
