//! A raw Ethernet socket on one interface of the calling thread's namespace.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg,
    sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use socket2::{SockFilter, SockRef};

use crate::clock::Moment;
use crate::frame::Mac;

/// The `sll_pkttype` of a frame that this host sends itself.
const PACKET_OUTGOING: u8 = 4;
const LONGEST_FRAME: usize = 2048;
/// A wait for a frame ends after this, so that a reader can notice that it shall stop.
const PATIENCE_US: i64 = 50_000;
const RECEIVE_BUFFER: usize = 8 << 20;

/// Which frames are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    Everything,
    /// Who says to have an address.
    Answers,
    NotFrom(Mac),
    /// For those who only send.
    Nothing,
}

// Instructions of classic BPF (Linux, `networking/filter`); the last says how much of a frame is received.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// ARP replies and neighbour advertisements (ICMPv6 136), whole, and nothing else.
fn answers() -> [SockFilter; 11] {
    [
        SockFilter::new(LOAD_HALF, 0, 0, 12),
        SockFilter::new(JUMP_IF_EQUAL, 0, 2, 0x0806),
        SockFilter::new(LOAD_HALF, 0, 0, 20),
        SockFilter::new(JUMP_IF_EQUAL, 6, 5, 2),
        SockFilter::new(JUMP_IF_EQUAL, 0, 4, 0x86dd),
        SockFilter::new(LOAD_BYTE, 0, 0, 20),
        SockFilter::new(JUMP_IF_EQUAL, 0, 2, 58),
        SockFilter::new(LOAD_BYTE, 0, 0, 54),
        SockFilter::new(JUMP_IF_EQUAL, 1, 0, 136),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

/// Everything but what comes from `sender`.
fn all_but(Mac([a, b, c, d, e, f]): Mac) -> [SockFilter; 6] {
    let (high, low) = (u32::from(u16::from_be_bytes([a, b])), u32::from_be_bytes([c, d, e, f]));
    [
        SockFilter::new(LOAD_HALF, 0, 0, 6),
        SockFilter::new(JUMP_IF_EQUAL, 0, 2, high),
        SockFilter::new(LOAD_WORD, 0, 0, 8),
        SockFilter::new(JUMP_IF_EQUAL, 1, 0, low),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: OwnedFd,
    interface: LinkAddr,
    dropped: AtomicU32,
}

impl Wire {
    /// Opens the socket; frames that arrive from then on are kept until they are received.
    ///
    /// # Errors
    /// When there is no such interface in the namespace, or without root.
    pub(crate) fn open(interface: &str) -> Result<Self> {
        Self::open_for(interface, Filter::Everything)
    }

    /// [`Wire::open`] for some of the frames only, so that the others cost nothing.
    ///
    /// # Errors
    /// As [`Wire::open`].
    pub(crate) fn open_for(interface: &str, filter: Filter) -> Result<Self> {
        let interface = getifaddrs()?
            .filter(|address| address.interface_name == interface)
            .find_map(|address| address.address?.as_link_addr().copied())
            .with_context(|| format!("there is no interface {interface}"))?;
        let socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
                .context("cannot open a packet socket")?;
        match filter {
            Filter::Everything => Ok(()),
            Filter::NotFrom(sender) => SockRef::from(&socket).attach_filter(&all_but(sender)),
            Filter::Answers => SockRef::from(&socket).attach_filter(&answers()),
            Filter::Nothing => SockRef::from(&socket).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]),
        }
        .context("cannot filter")?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, PATIENCE_US))?;
        bind(socket.as_raw_fd(), &interface).context("cannot bind the packet socket")?;
        Ok(Self { socket, interface, dropped: AtomicU32::new(0) })
    }

    /// The next frame from others with the time the kernel received it; `None` when none came for a while.
    ///
    /// # Errors
    /// When the socket fails.
    pub(crate) fn receive(&self) -> Result<Option<(Moment, Vec<u8>)>> {
        let mut octets = vec![0; LONGEST_FRAME];
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec, u32);
        let mut buffers = [IoSliceMut::new(&mut octets)];
        let received =
            recvmsg::<LinkAddr>(self.socket.as_raw_fd(), &mut buffers, Some(&mut control), MsgFlags::empty());
        let message = match received {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error).context("cannot receive"),
        };
        let mut stamp = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmTimestampns(at) = control {
                stamp = Some(at);
            } else if let ControlMessageOwned::RxqOvfl(dropped) = control {
                self.dropped.store(dropped, Ordering::Relaxed);
            }
        }
        if message.address.is_some_and(|sender| sender.pkttype() == PACKET_OUTGOING) {
            return Ok(None);
        }
        let at = stamp.map_or_else(Moment::now, |stamp| Moment::from_parts(stamp.tv_sec(), stamp.tv_nsec()));
        let length = message.bytes;
        octets.truncate(length);
        Ok(Some((at, octets)))
    }

    /// How many frames the kernel had dropped, for lack of room, before the one that was received last: the
    /// reader was too slow.
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Sends a whole Ethernet frame.
    ///
    /// # Errors
    /// When the interface is down.
    pub(crate) fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(frame)],
            &[],
            MsgFlags::empty(),
            Some(&self.interface),
        );
        sent.map(drop).context("cannot send")
    }
}
