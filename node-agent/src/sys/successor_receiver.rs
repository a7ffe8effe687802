//! Hears VRRP for a moment, without a runtime: whether somebody takes over what is let go.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Socket, Type};
use vrrp::Family;

use super::packet_receiver::{self, ReceivedPacket};

/// Sockets that are open and hear nothing until they are told to.
pub(crate) struct SuccessorReceiver {
    ipv4: Socket,
    ipv6: Socket,
    /// Carries the memberships of ff02::12.
    memberships: Socket,
}

impl SuccessorReceiver {
    /// Opens the sockets. Needs `CAP_NET_RAW`.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            ipv4: packet_receiver::open(Family::Ipv4)?,
            ipv6: packet_receiver::open(Family::Ipv6)?,
            memberships: Socket::new(Domain::IPV6, Type::DGRAM.cloexec(), None)?,
        })
    }

    /// Hears packets of this family from here on; of this interface those to the multicast group too.
    pub(crate) fn listen(&self, ifindex: u32, family: Family) -> io::Result<()> {
        match family {
            Family::Ipv4 => {
                packet_receiver::bind(&self.ipv4, family)?;
                packet_receiver::join_ipv4(&self.ipv4, ifindex)
            }
            Family::Ipv6 => {
                packet_receiver::bind(&self.ipv6, family)?;
                packet_receiver::join_ipv6(&self.memberships, ifindex)
            }
        }
    }

    /// What becomes readable when there is something to [`receive`](Self::receive).
    pub(crate) fn sockets(&self) -> [BorrowedFd<'_>; 2] {
        [self.ipv4.as_fd(), self.ipv6.as_fd()]
    }

    /// The next packet; `None` when there is none now.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<ReceivedPacket>> {
        match packet_receiver::receive_from(&self.ipv4, Family::Ipv4, buffer)? {
            Some(packet) => Ok(Some(packet)),
            None => packet_receiver::receive_from(&self.ipv6, Family::Ipv6, buffer),
        }
    }
}
