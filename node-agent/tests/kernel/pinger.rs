//! A client that asks an address for an echo every few milliseconds, and counts the answers that never came.
//!
//! When an answer came is what its kernel says: this program may have to wait for the processor. An answer that
//! comes late is none. A router that is asked before it may speak keeps its answers while it asks for the way
//! back, and asks again a second later: then all of them come.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use crate::eventually::eventually;
use crate::lab::Lab;

/// How often it asks.
const EVERY: Duration = Duration::from_millis(5);
/// How late an answer may come.
const PATIENCE: Duration = Duration::from_millis(500);

/// A client that asks until it is told to stop.
pub(crate) struct Pinger {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU16>,
    answered: Arc<AtomicU16>,
    thread: Option<JoinHandle<Outcome>>,
}

/// What became of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// How many were sent.
    pub(crate) sent: u16,
    /// The numbers of those that were not answered in time, one every 5 ms.
    pub(crate) lost: Vec<u16>,
    /// When each was sent, since 1970.
    asked: Vec<Duration>,
    /// When the answer to each came, in time or not.
    answered: BTreeMap<u16, Duration>,
}

impl Outcome {
    /// The longest time from one of these requests to the first answer to it or a later one.
    pub(crate) fn longest_silence(&self, requests: Range<u16>) -> Duration {
        let mut first = self.asked.last().map_or(Duration::ZERO, |last| *last + PATIENCE);
        let mut longest = Duration::ZERO;
        for (number, asked) in (0..self.sent).zip(&self.asked).rev() {
            first = self.answered.get(&number).map_or(first, |answered| first.min(*answered));
            if requests.contains(&number) {
                longest = longest.max(first.saturating_sub(*asked));
            }
        }
        longest
    }
}

impl Pinger {
    /// Asks `address` from a host. `scope` is the index of the host's interface for a link-local one.
    pub(crate) fn start(lab: &Lab, host: u8, address: &str, scope: u32) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        let socket = lab.inside(host, || open(address, scope));
        let stop = Arc::new(AtomicBool::new(false));
        let (sent, answered) = (Arc::new(AtomicU16::new(0)), Arc::new(AtomicU16::new(0)));
        let (told, counts) = (Arc::clone(&stop), [Arc::clone(&sent), Arc::clone(&answered)]);
        let thread = Some(std::thread::spawn(move || ask(socket, address, &told, &counts)));
        Self { stop, sent, answered, thread }
    }

    /// How often it has asked so far.
    pub(crate) fn asked(&self) -> u16 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The number after the newest request that has been answered.
    pub(crate) fn answered(&self) -> u16 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until it has asked `more` times from now on.
    pub(crate) fn asks(&self, more: u16) {
        let goal = self.sent.load(Ordering::Relaxed) + more;
        eventually("so many requests", || self.sent.load(Ordering::Relaxed), |sent| *sent >= goal);
    }

    /// Stops asking, waits for the last answers and tells what became of all.
    pub(crate) fn finish(mut self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("the client ends well")
    }
}

impl Drop for Pinger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn open(address: IpAddr, scope: u32) -> Socket {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).expect("a raw socket");
    let to = match address {
        IpAddr::V4(_) => SocketAddr::new(address, 0),
        IpAddr::V6(address) => SocketAddrV6::new(address, 0, 0, scope).into(),
    };
    socket.connect(&to.into()).expect("connected");
    socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
    setsockopt(&socket, ReceiveTimestampns, &true).expect("times");
    socket
}

fn ask(socket: Socket, address: IpAddr, stop: &AtomicBool, counts: &[Arc<AtomicU16>; 2]) -> Outcome {
    let (mut sent, mut answered, mut asked) = (0, BTreeMap::new(), Vec::new());
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next {
            // While nobody answers ARP the kernel refuses to send: that request is lost.
            let _unsent = socket.send(&request(address, sent));
            asked.push(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970"));
            sent += 1;
            counts[0].store(sent, Ordering::Relaxed);
            next += EVERY;
        }
        if let Some((number, at)) = answer(&socket, address) {
            answered.entry(number).or_insert(at);
            counts[1].fetch_max(number.saturating_add(1), Ordering::Relaxed);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && answered.len() < usize::from(sent) {
        if let Some((number, at)) = answer(&socket, address) {
            answered.entry(number).or_insert(at);
        }
    }
    let is_lost = |number: &u16| {
        let latest = asked[usize::from(*number)] + PATIENCE;
        answered.get(number).is_none_or(|answered| *answered > latest)
    };
    let lost = (0..sent).filter(is_lost).collect();
    Outcome { sent, lost, asked, answered }
}

/// An echo request; the kernel fills the checksum of IPv6 in.
fn request(address: IpAddr, number: u16) -> [u8; 8] {
    let kind = if address.is_ipv4() { 8 } else { 128 };
    let [high, low] = number.to_be_bytes();
    let mut octets = [kind, 0, 0, 0, 0xba, 0x70, high, low];
    let sum: u32 = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("folded");
    octets[2..4].copy_from_slice(&checksum.to_be_bytes());
    octets
}

/// The number of the request that an echo reply answers, and when it came.
fn answer(socket: &Socket, address: IpAddr) -> Option<(u16, Duration)> {
    let (mut buffer, mut control) = ([0; 256], cmsg_space!(TimeSpec));
    let mut into = [IoSliceMut::new(&mut buffer)];
    // Nothing has come yet; or what has says that a host or port cannot be reached.
    let read = recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut control), MsgFlags::empty()).ok()?;
    let at = read.cmsgs().ok()?.find_map(|message| {
        let ControlMessageOwned::ScmTimestampns(at) = message else { return None };
        Some(Duration::from(at))
    });
    let length = read.bytes;
    let (message, kind) = match address {
        IpAddr::V4(_) => (buffer.get(20..length)?, 0),
        IpAddr::V6(_) => (buffer.get(..length)?, 129),
    };
    let is_ours = message.first() == Some(&kind) && message.get(4..6) == Some(&[0xba, 0x70]);
    let number = message.get(6..8).filter(|_| is_ours)?;
    Some((u16::from_be_bytes(number.try_into().ok()?), at?))
}
