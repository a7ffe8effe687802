//! The sockets that hear ARP and neighbour discovery, as far as they tell who has an address.
//!
//! Opened only while somebody wants to know: the filters cost little, but every packet of the host meets them.

use std::io;

use socket2::{SockFilter, Socket};
use tokio::io::unix::AsyncFd;
use vrrp::Family;

use super::packet_receiver::{ReceivedPacket, bind_to, filtered, receive_from, register};

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;

const LOAD_HALF: u16 = 0x28;
const LOAD_WORD: u16 = 0x20;
const LOAD_OCTET: u16 = 0x30;
const COPY_TO_X: u16 = 0x07;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_EQUAL_X: u16 = 0x1d;
const RETURN: u16 = 0x06;
const VLAN_TAG_PRESENT: u32 = 0xffff_f000 + 48;
const WHOLE_PACKET: u32 = 0x0004_0000;

/// Hears on every interface of the network namespace.
pub(crate) struct NeighbourReceiver {
    arp: AsyncFd<Socket>,
    ipv6: AsyncFd<Socket>,
}

impl NeighbourReceiver {
    /// Opens the sockets. Needs `CAP_NET_RAW` and a tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            arp: open(ETHERTYPE_ARP, &untagged_arp())?,
            ipv6: open(ETHERTYPE_IPV6, &untagged_neighbour_discovery())?,
        })
    }

    /// The sockets, to be closed on another thread: the kernel takes its time (`synchronize_net`).
    pub(crate) fn into_sockets(self) -> [Socket; 2] {
        [self.arp.into_inner(), self.ipv6.into_inner()]
    }

    /// Returns once there may be something to [`receive`](Self::receive).
    pub(crate) async fn readable(&self) -> io::Result<()> {
        tokio::select! {
            ready = self.arp.readable() => ready?.clear_ready(),
            ready = self.ipv6.readable() => ready?.clear_ready(),
        }
        Ok(())
    }

    /// The next packet that is not addressed to another host, written to `buffer`; `None` when there is none now. ARP
    /// counts as IPv4.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<ReceivedPacket>> {
        match receive_from(self.arp.get_ref(), Family::Ipv4, buffer)? {
            Some(packet) => Ok(Some(packet)),
            None => receive_from(self.ipv6.get_ref(), Family::Ipv6, buffer),
        }
    }
}

fn open(ethertype: u16, filter: &[SockFilter]) -> io::Result<AsyncFd<Socket>> {
    let socket = filtered(filter)?;
    bind_to(&socket, ethertype)?;
    register(socket)
}

/// Replies; of the requests those whose sender has no address (probes, RFC 5227 §2.1.1) or asks for its own
/// (announcements, §2.3).
fn untagged_arp() -> [SockFilter; 12] {
    const OPERATION: u32 = 6;
    const SENDER: u32 = 14;
    const TARGET: u32 = 24;
    [
        SockFilter::new(LOAD_OCTET, 0, 0, VLAN_TAG_PRESENT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 9, 0),
        SockFilter::new(LOAD_HALF, 0, 0, OPERATION),
        SockFilter::new(JUMP_IF_EQUAL, 6, 0, 2),
        SockFilter::new(JUMP_IF_EQUAL, 0, 6, 1),
        SockFilter::new(LOAD_WORD, 0, 0, TARGET),
        SockFilter::new(COPY_TO_X, 0, 0, 0),
        SockFilter::new(LOAD_WORD, 0, 0, SENDER),
        SockFilter::new(JUMP_IF_EQUAL, 1, 0, 0),
        SockFilter::new(JUMP_IF_EQUAL_X, 0, 1, 0),
        SockFilter::new(RETURN, 0, 0, WHOLE_PACKET),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Neighbour solicitations and advertisements (RFC 4861 §4.3, §4.4).
fn untagged_neighbour_discovery() -> [SockFilter; 9] {
    const NEXT_HEADER: u32 = 6;
    const TYPE: u32 = 40;
    [
        SockFilter::new(LOAD_OCTET, 0, 0, NEXT_HEADER),
        SockFilter::new(JUMP_IF_EQUAL, 0, 6, 58),
        SockFilter::new(LOAD_OCTET, 0, 0, VLAN_TAG_PRESENT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 4, 0),
        SockFilter::new(LOAD_OCTET, 0, 0, TYPE),
        SockFilter::new(JUMP_IF_EQUAL, 1, 0, 135),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 136),
        SockFilter::new(RETURN, 0, 0, WHOLE_PACKET),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
