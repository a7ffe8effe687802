//! Netlink messages that were built before, and what the kernel answers: no runtime, and nothing in between.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};

/// How many messages the kernel is handed at once. It answers all before the call returns, and the answers must
/// have room.
const BATCH: usize = 128;
const RECEIVE_BUFFER_OCTETS: usize = 1024 * 1024;
/// `nlmsghdr` of `linux/netlink.h`: length, type, flags, sequence number, port.
const HEADER_OCTETS: usize = 16;
const SEQUENCE: std::ops::Range<usize> = 8..12;
/// `NLMSG_ERROR`, which is also how the kernel says that all is well.
const ANSWER: u16 = 2;

/// What became of some messages.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many changed something.
    pub(crate) changed: usize,
    /// How many the kernel refused for another reason than that there was nothing (any longer) to change.
    pub(crate) refused: usize,
    /// The first of these reasons.
    pub(crate) first_refusal: Option<io::Error>,
}

/// A socket of `NETLINK_ROUTE` that asks for changes.
pub(crate) struct RouteSocket {
    socket: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

impl RouteSocket {
    /// Opens it. The kernel checks for `CAP_NET_ADMIN` at each change.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        // The usual size has room for one batch.
        let _smaller = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_OCTETS);
        Ok(Self { socket, buffer: Vec::with_capacity(64 * 1024), sequence: 0 })
    }

    /// Has the kernel carry out `messages`, which stand one behind the other and ask for an answer each
    /// (`NLM_F_ACK`).
    ///
    /// # Errors
    /// When the kernel takes no message at all, or answers nothing.
    pub(crate) fn change(&mut self, messages: &[u8]) -> io::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut messages = Messages(messages).peekable();
        while messages.peek().is_some() {
            self.buffer.clear();
            let mut asked = 0;
            for message in messages.by_ref().take(BATCH) {
                let start = self.buffer.len();
                self.buffer.extend_from_slice(message);
                self.buffer.resize(self.buffer.len().next_multiple_of(4), 0);
                self.sequence = self.sequence.wrapping_add(1);
                self.buffer[start..][SEQUENCE].copy_from_slice(&self.sequence.to_ne_bytes());
                asked += 1;
            }
            self.send_batch()?;
            self.take_answers(asked, &mut outcome)?;
        }
        Ok(outcome)
    }

    fn send_batch(&self) -> io::Result<()> {
        loop {
            match send(self.socket.as_raw_fd(), &self.buffer, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The kernel has answered within the call that asked, so what is not there does not come.
    fn take_answers(&self, asked: u32, outcome: &mut Outcome) -> io::Result<()> {
        let oldest = self.sequence.wrapping_sub(asked);
        let mut answered = 0;
        let mut buffer = [0; 8192];
        while answered < asked {
            let length = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for message in Messages(&buffer[..length]) {
                // What is left of an earlier call that was given up.
                let age = self.sequence.wrapping_sub(number(message, SEQUENCE).unwrap_or(oldest));
                let Some(code) = answer(message).filter(|_| age < asked) else { continue };
                answered += 1;
                match code {
                    0 => outcome.changed += 1,
                    libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENXIO | libc::ESRCH | libc::ENOENT => {}
                    code => {
                        outcome.refused += 1;
                        outcome.first_refusal.get_or_insert_with(|| io::Error::from_raw_os_error(code));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The messages in a row of them.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(number(self.0, 0..4)?).ok()?;
        let message = self.0.get(..length).filter(|message| message.len() >= HEADER_OCTETS)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// What the kernel answers to a message: 0, or why not.
fn answer(message: &[u8]) -> Option<i32> {
    let kind = message.get(4..6)?.try_into().ok().map(u16::from_ne_bytes)?;
    let code = number(message, HEADER_OCTETS..HEADER_OCTETS + 4)?;
    (kind == ANSWER).then_some(code.cast_signed().checked_neg()?)
}

fn number(octets: &[u8], place: std::ops::Range<usize>) -> Option<u32> {
    octets.get(place)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_messages_is_taken_apart_and_damage_ends_it() {
        let message = |length: u32, octets: usize| [&length.to_ne_bytes()[..], &vec![0; octets - 4]].concat();
        let row = [message(17, 20), message(16, 16), message(15, 16)].concat();
        assert_eq!(Messages(&row).map(<[u8]>::len).collect::<Vec<_>>(), [17, 16]);
        assert_eq!(Messages(&[1, 0, 0]).count(), 0);
    }

    #[test]
    fn more_changes_than_one_batch_are_each_answered() {
        // RTM_DELADDR of 192.0.2.1/32 from an interface that is not there.
        let mut message = [0; 32];
        message[0..4].copy_from_slice(&32_u32.to_ne_bytes());
        message[4..6].copy_from_slice(&21_u16.to_ne_bytes());
        message[6..8].copy_from_slice(&5_u16.to_ne_bytes());
        message[16..18].copy_from_slice(&[2, 32]);
        message[20..24].copy_from_slice(&i32::MAX.to_ne_bytes());
        message[24..26].copy_from_slice(&8_u16.to_ne_bytes());
        message[26..28].copy_from_slice(&2_u16.to_ne_bytes());
        message[28..32].copy_from_slice(&[192, 0, 2, 1]);
        let mut socket = RouteSocket::open().unwrap();
        let outcome = socket.change(&message.repeat(2 * BATCH + 1)).unwrap();
        // Whoever is not root may change nothing.
        assert_eq!(outcome.changed, 0);
        assert!(outcome.refused == 0 || outcome.refused == 2 * BATCH + 1, "{outcome:?}");
        assert_eq!(socket.sequence, u32::try_from(2 * BATCH + 1).unwrap());
    }
}
