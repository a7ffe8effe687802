//! The socket that hears VRRP on every interface.
//!
//! A packet socket rather than a raw IP socket: a raw IP socket of a router that holds the virtual address does
//! not hear an owner that sends from that very address.
#![expect(unsafe_code, reason = "socket options and addresses of packet sockets have no safe wrapper")]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_void, packet_mreq, socklen_t};
use nix::sys::socket::{LinkAddr, recvfrom, setsockopt, sockopt};
use socket2::{Domain, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sockaddr::link_layer;

const ETHERTYPE_IPV4: u16 = 0x0800;
const PROTOCOL_VRRP: u32 = 112;
/// Room for a burst of some thousand advertisements while the thread does something else.
const RECEIVE_BUFFER_OCTETS: usize = 4 * 1024 * 1024;

/// Hears the IPv4 packets of protocol 112 on every interface of the network namespace.
pub(crate) struct PacketReceiver {
    fd: AsyncFd<Socket>,
}

/// A packet as it came from an interface, from its IPv4 header on.
pub(crate) struct ReceivedPacket {
    /// The interface it came in on.
    pub(crate) ifindex: u32,
    /// How many octets of the buffer it fills.
    pub(crate) length: usize,
}

impl PacketReceiver {
    /// Opens the socket. Needs `CAP_NET_RAW` and a tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        // Without a protocol the socket hears nothing until it is bound, so nothing can slip in before the filter.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking().cloexec(), None)?;
        socket.attach_filter(&untagged_vrrp())?;
        set_option(&socket, libc::PACKET_IGNORE_OUTGOING, &c_int::from(true))?;
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_OCTETS).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS)?;
        }
        bind_to_ipv4(&socket)?;
        // SAFETY: the `AsyncFd` owns the socket, which keeps its descriptor open until it is dropped.
        let fd = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? };
        Ok(Self { fd })
    }

    /// Makes the interface accept frames to the multicast MAC address `group`.
    pub(crate) fn join(&self, ifindex: u32, group: [u8; 6]) -> io::Result<()> {
        set_option(self.fd.get_ref(), libc::PACKET_ADD_MEMBERSHIP, &membership(ifindex, group))
    }

    /// Undoes one [`join`](Self::join).
    pub(crate) fn leave(&self, ifindex: u32, group: [u8; 6]) -> io::Result<()> {
        set_option(self.fd.get_ref(), libc::PACKET_DROP_MEMBERSHIP, &membership(ifindex, group))
    }

    /// Returns once there may be something to [`receive`](Self::receive).
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.fd.readable().await?.clear_ready();
        Ok(())
    }

    /// The next packet that is not addressed to another host, written to `buffer`; `None` when there is none now.
    ///
    /// A packet longer than the buffer is cut.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<ReceivedPacket>> {
        loop {
            match recvfrom::<LinkAddr>(self.fd.get_ref().as_raw_fd(), buffer) {
                Ok((length, Some(from))) if from.pkttype() != libc::PACKET_OTHERHOST => {
                    let Ok(ifindex) = u32::try_from(from.ifindex()) else { continue };
                    return Ok(Some(ReceivedPacket { ifindex, length }));
                }
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A classic BPF program (`packet(7)`, the kernel's `networking/filter`): protocol 112, and no VLAN tag, since a
/// tagged frame is not traffic of the interface that carries it.
fn untagged_vrrp() -> [SockFilter; 6] {
    const LOAD_OCTET: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const PROTOCOL_OFFSET: u32 = 9;
    const VLAN_TAG_PRESENT: u32 = 0xffff_f000 + 48;
    const WHOLE_PACKET: u32 = 0x0004_0000;
    [
        SockFilter::new(LOAD_OCTET, 0, 0, PROTOCOL_OFFSET),
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

fn bind_to_ipv4(socket: &Socket) -> io::Result<()> {
    let address = link_layer(0, ETHERTYPE_IPV4);
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
