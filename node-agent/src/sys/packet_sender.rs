//! Sends Ethernet frames in batches.
#![expect(unsafe_code, reason = "`sendmmsg` with link-layer addresses has no safe wrapper")]

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use libc::{c_uint, iovec, mmsghdr, msghdr, sockaddr_ll};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use super::sockaddr::link_layer;

/// How many frames one system call takes.
const BATCH: usize = 64;
const SEND_BUFFER_OCTETS: usize = 4 * 1024 * 1024;

/// A complete Ethernet frame and where it leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The interface.
    pub(crate) ifindex: u32,
    /// The EtherType, as it stands in the frame too.
    pub(crate) ethertype: u16,
    /// From the destination address to the end of the payload.
    pub(crate) octets: &'a [u8],
}

/// A packet socket that only sends, through every interface of the network namespace.
pub(crate) struct PacketSender {
    socket: Socket,
}

impl PacketSender {
    /// Opens the socket. Needs `CAP_NET_RAW`.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
        if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER_OCTETS).is_err() {
            socket.set_send_buffer_size(SEND_BUFFER_OCTETS)?;
        }
        Ok(Self { socket })
    }

    /// Sends the frames in order and tells what became of each. A frame that cannot leave (its interface is down,
    /// its queue is full) does not stop those behind it.
    pub(crate) fn send(&self, frames: &[Frame<'_>], mut outcome: impl FnMut(usize, io::Result<()>)) {
        let mut next = 0;
        while next < frames.len() {
            let end = frames.len().min(next + BATCH);
            match self.send_batch(&frames[next..end]) {
                Ok(0) => {
                    outcome(next, Err(io::ErrorKind::WouldBlock.into()));
                    next += 1;
                }
                Ok(sent) => {
                    (next..next + sent).for_each(|index| outcome(index, Ok(())));
                    next += sent;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    outcome(next, Err(error));
                    next += 1;
                }
            }
        }
    }

    /// Sends at most [`BATCH`] frames; the number that left, or why the first did not.
    fn send_batch(&self, frames: &[Frame<'_>]) -> io::Result<usize> {
        let mut addresses = [link_layer(0, 0); BATCH];
        let mut parts = [iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        let mut messages = [EMPTY_MESSAGE; BATCH];
        let frames = &frames[..frames.len().min(BATCH)];
        for (index, frame) in frames.iter().enumerate() {
            addresses[index] = link_layer(frame.ifindex, frame.ethertype);
            parts[index] =
                iovec { iov_base: frame.octets.as_ptr().cast_mut().cast(), iov_len: frame.octets.len() };
        }
        for index in 0..frames.len() {
            let header = &mut messages[index].msg_hdr;
            header.msg_name = (&raw mut addresses[index]).cast();
            header.msg_namelen = ADDRESS_OCTETS;
            header.msg_iov = &raw mut parts[index];
            header.msg_iovlen = 1;
        }
        let count = c_uint::try_from(frames.len()).unwrap_or(0);
        // SAFETY: the first `count` headers point into `addresses` and `parts`, which point to the borrowed frames;
        // all of them outlive the call, and the kernel only reads the frames.
        let sent = unsafe {
            libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), count, libc::MSG_DONTWAIT)
        };
        usize::try_from(sent).map_err(|_negative| io::Error::last_os_error())
    }
}

const EMPTY_MESSAGE: mmsghdr = mmsghdr {
    // SAFETY: a `msghdr` of zeroes is valid: null pointers with lengths of zero.
    msg_hdr: unsafe { std::mem::zeroed::<msghdr>() },
    msg_len: 0,
};

#[expect(clippy::cast_possible_truncation, reason = "a `sockaddr_ll` has 20 octets")]
const ADDRESS_OCTETS: libc::socklen_t = size_of::<sockaddr_ll>() as libc::socklen_t;
