//! A client that asks an address for an echo every few milliseconds, and counts the answers that never came.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::eventually::eventually;
use crate::lab::Lab;

/// How often it asks.
const EVERY: Duration = Duration::from_millis(5);
/// How long it waits for the last answers.
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
    /// The numbers of those that were not answered, one every 5 ms.
    pub(crate) lost: Vec<u16>,
    /// When each was sent.
    pub(crate) times: Vec<Instant>,
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
    socket
}

fn ask(mut socket: Socket, address: IpAddr, stop: &AtomicBool, counts: &[Arc<AtomicU16>; 2]) -> Outcome {
    let (mut sent, mut answered, mut times) = (0, BTreeSet::new(), Vec::new());
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next {
            // While nobody answers ARP the kernel refuses to send: that request is lost.
            times.push(Instant::now());
            let _unsent = socket.send(&request(address, sent));
            sent += 1;
            counts[0].store(sent, Ordering::Relaxed);
            next += EVERY;
        }
        if let Some(number) = answer(&mut socket, address) {
            answered.insert(number);
            counts[1].fetch_max(number.saturating_add(1), Ordering::Relaxed);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && answered.len() < usize::from(sent) {
        answered.extend(answer(&mut socket, address));
    }
    let lost = (0..sent).filter(|number| !answered.contains(number)).collect();
    Outcome { sent, lost, times }
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

/// The number of the request that an echo reply answers.
fn answer(socket: &mut Socket, address: IpAddr) -> Option<u16> {
    let mut buffer = [0; 256];
    let length = match socket.read(&mut buffer) {
        Ok(length) => length,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
        // A host or port that cannot be reached is said here too.
        Err(_) => return None,
    };
    let (message, kind) = match address {
        IpAddr::V4(_) => (buffer.get(20..length)?, 0),
        IpAddr::V6(_) => (buffer.get(..length)?, 129),
    };
    let is_ours = message.first() == Some(&kind) && message.get(4..6) == Some(&[0xba, 0x70]);
    let number = message.get(6..8).filter(|_| is_ours)?;
    Some(u16::from_be_bytes(number.try_into().ok()?))
}
