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
    pub(crate) fn send(&self, frames: &[Frame<'_>], outcome: impl FnMut(usize, io::Result<()>)) {
        in_batches(frames, |batch| self.send_batch(batch), outcome);
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

/// Sends everything by calls of `send`, which takes at most [`BATCH`] and answers how many of them left.
fn in_batches<T>(
    items: &[T],
    mut send: impl FnMut(&[T]) -> io::Result<usize>,
    mut outcome: impl FnMut(usize, io::Result<()>),
) {
    let mut next = 0;
    while next < items.len() {
        let end = items.len().min(next + BATCH);
        match send(&items[next..end]) {
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

const EMPTY_MESSAGE: mmsghdr = mmsghdr {
    // SAFETY: a `msghdr` of zeroes is valid: null pointers with lengths of zero.
    msg_hdr: unsafe { std::mem::zeroed::<msghdr>() },
    msg_len: 0,
};

#[expect(clippy::cast_possible_truncation, reason = "a `sockaddr_ll` has 20 octets")]
const ADDRESS_OCTETS: libc::socklen_t = size_of::<sockaddr_ll>() as libc::socklen_t;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many items each call was given, and which of 1,000 items left.
    fn calls(mut send: impl FnMut(&[usize]) -> io::Result<usize>) -> (Vec<usize>, Vec<bool>) {
        let items: Vec<usize> = (0..1_000).collect();
        let (mut calls, mut left) = (Vec::new(), vec![None; items.len()]);
        let counted = |batch: &[usize]| {
            calls.push(batch.len());
            send(batch)
        };
        in_batches(&items, counted, |index, outcome| {
            assert_eq!(left[index].replace(outcome.is_ok()), None, "one outcome for {index}");
        });
        (calls, left.into_iter().map(|left| left.expect("an outcome for each")).collect())
    }

    #[test]
    fn a_thousand_frames_leave_in_sixteen_calls() {
        let (calls, left) = calls(|batch| Ok(batch.len()));
        assert_eq!(calls.len(), 16, "{calls:?}");
        assert!(left.iter().all(|left| *left));
    }

    #[test]
    fn a_frame_that_cannot_leave_stops_none_of_those_behind_it() {
        let bad = [0, 70, 71, 999];
        // As the kernel does: it answers how many left before the first that could not, or why that one could not.
        let (calls, left) = calls(|batch| match batch.iter().position(|item| bad.contains(item)) {
            Some(0) => Err(io::ErrorKind::NetworkDown.into()),
            Some(before) => Ok(before),
            None => Ok(batch.len()),
        });
        let lost: Vec<_> = (0..1_000).filter(|index| !left[*index]).collect();
        assert_eq!(lost, bad);
        assert!(calls.len() <= 16 + 2 * bad.len(), "{calls:?}");
    }

    #[test]
    fn a_call_that_a_signal_interrupts_is_made_again_and_a_full_queue_is_an_outcome() {
        let mut interrupted = false;
        let (_, left) = calls(|batch| {
            if !std::mem::replace(&mut interrupted, true) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(if batch[0] == 64 { 0 } else { batch.len() })
        });
        let lost: Vec<_> = (0..1_000).filter(|index| !left[*index]).collect();
        assert_eq!(lost, [64]);
    }
}
