//! The sockets that hear VRRP on every interface, one for each family.
//!
//! Packet sockets rather than raw IP sockets: a raw IP socket of a router that holds the virtual address does
//! not hear an owner that sends from that very address.
#![expect(unsafe_code, reason = "socket options and addresses of packet sockets have no safe wrapper")]

use std::io;
use std::mem::size_of;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_void, packet_mreq, socklen_t};
use nix::sys::socket::{LinkAddr, recvfrom, setsockopt, sockopt};
use socket2::{Domain, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vrrp::Family;

use super::sockaddr::link_layer;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Where the protocol stands in an IPv4 header, and the next header in an IPv6 header.
const IPV4_PROTOCOL: u32 = 9;
const IPV6_NEXT_HEADER: u32 = 6;
const PROTOCOL_VRRP: u32 = 112;
/// The MAC address of 224.0.0.18 (RFC 1112 §6.4).
const MULTICAST_MAC_IPV4: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
const MULTICAST_GROUP_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// Room for a burst of some thousand advertisements while the thread does something else.
const RECEIVE_BUFFER_OCTETS: usize = 4 * 1024 * 1024;

/// Hears the IPv4 and IPv6 packets of protocol 112 on every interface of the network namespace.
pub(crate) struct PacketReceiver {
    ipv4: AsyncFd<Socket>,
    ipv6: AsyncFd<Socket>,
    /// Carries the memberships of ff02::12. The kernel reports those of a packet socket to nobody, and a switch that
    /// listens to such reports (RFC 4541 §3) would keep the advertisements from us.
    listener: Socket,
}

/// A packet as it came from an interface, from its IP header on.
pub(crate) struct ReceivedPacket {
    /// Whether it came as IPv4 or IPv6.
    pub(crate) family: Family,
    /// The interface it came in on.
    pub(crate) ifindex: u32,
    /// The MAC address that it came from, where the interface is one of Ethernet.
    pub(crate) mac: Option<[u8; 6]>,
    /// How many octets of the buffer it fills.
    pub(crate) length: usize,
}

impl PacketReceiver {
    /// Opens the sockets. Needs `CAP_NET_RAW` and a tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            ipv4: registered(open(Family::Ipv4)?, Family::Ipv4)?,
            ipv6: registered(open(Family::Ipv6)?, Family::Ipv6)?,
            listener: Socket::new(Domain::IPV6, Type::DGRAM.cloexec(), None)?,
        })
    }

    /// Makes the interface accept what is sent to the multicast group of VRRP.
    pub(crate) fn join(&self, ifindex: u32, family: Family) -> io::Result<()> {
        match family {
            Family::Ipv4 => join_ipv4(self.ipv4.get_ref(), ifindex),
            Family::Ipv6 => join_ipv6(&self.listener, ifindex),
        }
    }

    /// Undoes one [`join`](Self::join).
    pub(crate) fn leave(&self, ifindex: u32, family: Family) -> io::Result<()> {
        match family {
            Family::Ipv4 => {
                let membership = membership(ifindex, MULTICAST_MAC_IPV4);
                set_option(self.ipv4.get_ref(), libc::PACKET_DROP_MEMBERSHIP, &membership)
            }
            Family::Ipv6 => self.listener.leave_multicast_v6(&MULTICAST_GROUP_IPV6, ifindex),
        }
    }

    /// Returns once there may be something to [`receive`](Self::receive).
    pub(crate) async fn readable(&self) -> io::Result<()> {
        tokio::select! {
            ready = self.ipv4.readable() => ready?.clear_ready(),
            ready = self.ipv6.readable() => ready?.clear_ready(),
        }
        Ok(())
    }

    /// How many packets have come since the last call for which there was no room.
    pub(crate) fn take_overflow(&self) -> io::Result<u64> {
        Ok(lost(&self.ipv4)? + lost(&self.ipv6)?)
    }

    /// The next packet that is not addressed to another host, written to `buffer`; `None` when there is none now.
    ///
    /// A packet longer than the buffer is cut.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<ReceivedPacket>> {
        match receive_from(self.ipv4.get_ref(), Family::Ipv4, buffer)? {
            Some(packet) => Ok(Some(packet)),
            None => receive_from(self.ipv6.get_ref(), Family::Ipv6, buffer),
        }
    }
}

/// A socket that hears nothing until it is bound.
pub(super) fn open(family: Family) -> io::Result<Socket> {
    let protocol_offset = match family {
        Family::Ipv4 => IPV4_PROTOCOL,
        Family::Ipv6 => IPV6_NEXT_HEADER,
    };
    filtered(&untagged_vrrp(protocol_offset))
}

/// A socket for what `filter` lets through and this host has not sent, that hears nothing until it is bound.
pub(super) fn filtered(filter: &[SockFilter]) -> io::Result<Socket> {
    // Without a protocol the socket hears nothing until it is bound, so nothing can slip in before the filter.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking().cloexec(), None)?;
    socket.attach_filter(filter)?;
    set_option(&socket, libc::PACKET_IGNORE_OUTGOING, &c_int::from(true))?;
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_OCTETS).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS)?;
    }
    Ok(socket)
}

fn registered(socket: Socket, family: Family) -> io::Result<AsyncFd<Socket>> {
    bind(&socket, family)?;
    register(socket)
}

/// Has the runtime watch a socket.
pub(super) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the `AsyncFd` owns the socket, which keeps its descriptor open until it is dropped.
    unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }.map_err(Into::into)
}

pub(super) fn join_ipv4(socket: &Socket, ifindex: u32) -> io::Result<()> {
    set_option(socket, libc::PACKET_ADD_MEMBERSHIP, &membership(ifindex, MULTICAST_MAC_IPV4))
}

/// `listener` carries the membership.
pub(super) fn join_ipv6(listener: &Socket, ifindex: u32) -> io::Result<()> {
    listener.join_multicast_v6(&MULTICAST_GROUP_IPV6, ifindex)
}

pub(super) fn receive_from(
    socket: &Socket,
    family: Family,
    buffer: &mut [u8],
) -> io::Result<Option<ReceivedPacket>> {
    loop {
        match recvfrom::<LinkAddr>(socket.as_raw_fd(), buffer) {
            Ok((length, Some(from))) if from.pkttype() != libc::PACKET_OTHERHOST => {
                let Ok(ifindex) = u32::try_from(from.ifindex()) else { continue };
                return Ok(Some(ReceivedPacket { family, ifindex, mac: from.addr(), length }));
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The kernel begins to count anew at each call (`PACKET_STATISTICS`, `packet(7)`).
fn lost(socket: &AsyncFd<Socket>) -> io::Result<u64> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = socklen_of::<libc::tpacket_stats>();
    // SAFETY: both pointers are to live values, and `length` is the size of the one that the kernel writes to.
    let outcome = unsafe {
        libc::getsockopt(
            socket.get_ref().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    if outcome == 0 { Ok(statistics.tp_drops.into()) } else { Err(io::Error::last_os_error()) }
}

/// A classic BPF program (`packet(7)`, the kernel's `networking/filter`): protocol 112, and no VLAN tag, since a
/// tagged frame is not traffic of the interface that carries it.
fn untagged_vrrp(protocol_offset: u32) -> [SockFilter; 6] {
    const LOAD_OCTET: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const VLAN_TAG_PRESENT: u32 = 0xffff_f000 + 48;
    const WHOLE_PACKET: u32 = 0x0004_0000;
    [
        SockFilter::new(LOAD_OCTET, 0, 0, protocol_offset),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, PROTOCOL_VRRP),
        SockFilter::new(LOAD_OCTET, 0, 0, VLAN_TAG_PRESENT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0),
        SockFilter::new(RETURN, 0, 0, WHOLE_PACKET),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

fn membership(ifindex: u32, group: [u8; 6]) -> packet_mreq {
    let mut address = [0; 8];
    address[..group.len()].copy_from_slice(&group);
    packet_mreq {
        mr_ifindex: i32::try_from(ifindex).unwrap_or(0),
        mr_type: MULTICAST,
        mr_alen: 6,
        mr_address: address,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "PACKET_MR_MULTICAST is 0")]
const MULTICAST: u16 = libc::PACKET_MR_MULTICAST as u16;

/// From here on it hears.
pub(super) fn bind(socket: &Socket, family: Family) -> io::Result<()> {
    let ethertype = match family {
        Family::Ipv4 => ETHERTYPE_IPV4,
        Family::Ipv6 => ETHERTYPE_IPV6,
    };
    bind_to(socket, ethertype)
}

/// Has the socket hear packets of this EtherType on every interface.
pub(super) fn bind_to(socket: &Socket, ethertype: u16) -> io::Result<()> {
    let address = link_layer(0, ethertype);
    // SAFETY: `address` is a complete `sockaddr_ll`, it outlives the call, and the length is its own.
    let outcome = unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), socklen_of::<libc::sockaddr_ll>())
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set_option<T>(socket: &impl AsFd, name: c_int, value: &T) -> io::Result<()> {
    let value = (&raw const *value).cast::<c_void>();
    // SAFETY: `value` points to a live `T`, the length is that of a `T`, and the kernel only reads it.
    let outcome = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), libc::SOL_PACKET, name, value, socklen_of::<T>())
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(clippy::cast_possible_truncation, reason = "the structures of the socket API are a few octets long")]
const fn socklen_of<T>() -> socklen_t {
    size_of::<T>() as socklen_t
}
