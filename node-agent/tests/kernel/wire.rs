//! What is on the wire: captures by `tcpdump`, and packets that no router of ours would send.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::eventually::{BOUND, eventually};
use crate::lab::{Lab, own_address};

/// A running `tcpdump` on a host's `eth0`.
pub(crate) struct Capture {
    tcpdump: Child,
    lines: Arc<Mutex<Vec<Line>>>,
}

/// One captured frame as `tcpdump -e -n -tt -v` words it, on one line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// When, as seconds since 1970.
    pub(crate) at: Duration,
    /// The rest.
    pub(crate) text: String,
}

impl Capture {
    /// Captures what matches `filter`. Returns once it listens.
    pub(crate) fn start(lab: &Lab, host: u8, filter: &str) -> Self {
        Self::start_at(&lab.host(host), "eth0", filter)
    }

    /// Captures on the bridge, which sees what one host sends to another one alone, too.
    pub(crate) fn on_the_bridge(lab: &Lab, filter: &str) -> Self {
        Self::start_at(&lab.switch(), "br0", filter)
    }

    fn start_at(namespace: &str, interface: &str, filter: &str) -> Self {
        let mut tcpdump = Command::new("ip")
            .args(["netns", "exec", namespace, "tcpdump", "-i", interface, "-e", "-n", "-tt", "-v", "-l"])
            .args(["--immediate-mode", filter])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump runs");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, captured) = (tcpdump.stdout.take().expect("its output"), Arc::clone(&lines));
        std::thread::spawn(move || {
            for text in BufReader::new(output).lines().map_while(Result::ok) {
                let mut lines = captured.lock().unwrap_or_else(PoisonError::into_inner);
                match text.split_once(' ').and_then(|(at, text)| Some((parse_time(at)?, text))) {
                    Some((at, text)) => lines.push(Line { at, text: text.to_owned() }),
                    // The second line of a packet, indented.
                    None => {
                        lines.last_mut().into_iter().for_each(|line: &mut Line| line.text.push_str(&text))
                    }
                }
            }
        });
        let listens = BufReader::new(tcpdump.stderr.take().expect("its messages"))
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("listening on"));
        assert!(listens, "tcpdump does not listen");
        Self { tcpdump, lines }
    }

    /// Everything captured so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was captured so far and contains each of these words.
    pub(crate) fn with(&self, words: &[&str]) -> Vec<Line> {
        self.lines().into_iter().filter(|line| words.iter().all(|word| line.text.contains(word))).collect()
    }

    /// Waits until `count` lines contain each of these words.
    pub(crate) fn sees(&self, count: usize, words: &[&str]) -> Vec<Line> {
        eventually(
            &format!("{count} × {words:?} on the wire"),
            || self.with(words),
            |lines| lines.len() >= count,
        )
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _killed = self.tcpdump.kill();
        let _reaped = self.tcpdump.wait();
    }
}

fn parse_time(text: &str) -> Option<Duration> {
    let (seconds, micros) = text.split_once('.')?;
    Some(Duration::new(seconds.parse().ok()?, micros.parse::<u32>().ok()? * 1_000))
}

/// An advertisement of VRID 51 for 10.66.1.51 every 100 ms, with a correct RFC 5798 checksum when sent from
/// 10.66.0.2 at priority 250.
pub(crate) fn advertisement_from_2() -> Vec<u8> {
    let mut message = vec![0x31, 51, 250, 1, 0, 10, 0, 0, 10, 66, 1, 51];
    let pseudo_header = [10, 66, 0, 2, 224, 0, 0, 18, 0, 112, 0, 12];
    let words = pseudo_header.chunks(2).chain(message.chunks(2));
    let sum: u32 = words.map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("folded");
    message[6..8].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// Sends `message` as protocol 112 from 10.66.0.2 with this TTL, from host 2.
pub(crate) fn send_from_2(lab: &Lab, ttl: u8, message: &[u8]) {
    let packet = packet_from_2(0, ttl, message);
    lab.inside(2, || sender().send_to(&packet, &destination()).expect("sent"));
}

/// Sends `message` as if more fragments followed.
pub(crate) fn send_fragment_from_2(lab: &Lab, message: &[u8]) {
    const MORE_FRAGMENTS: u8 = 0x20;
    let packet = packet_from_2(MORE_FRAGMENTS, 255, message);
    lab.inside(2, || sender().send_to(&packet, &destination()).expect("sent"));
}

/// What waits in the packet sockets of a host, in octets.
pub(crate) fn backlog(lab: &Lab, host: u8) -> u64 {
    let read = || std::fs::read_to_string("/proc/thread-self/net/packet").expect("readable");
    let table = lab.inside(host, read);
    table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(6)?.parse::<u64>().ok()).sum()
}

/// What a host receives of protocol 112, as the kernel hands it to anybody who asks.
pub(crate) struct Receiver(Socket);

impl Receiver {
    /// Receives from here on.
    pub(crate) fn on(lab: &Lab, host: u8) -> Self {
        let own: Ipv4Addr = own_address(host).parse().expect("an address");
        let socket = lab.inside(host, || {
            let socket =
                Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).expect("a raw socket");
            socket.join_multicast_v4(&GROUP, &own).expect("a member");
            socket
        });
        socket.set_read_timeout(Some(BOUND)).expect("a timeout");
        Self(socket)
    }

    /// The next packet, from its IPv4 header on.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut buffer = [0; 1_500];
        let length = self.0.read(&mut buffer).expect("a packet");
        buffer[..length].to_vec()
    }
}

/// Sends `message` again and again as fast as host 2 can; returns how often that was.
pub(crate) fn flood_from_2(lab: &Lab, time: Duration, message: &[u8]) -> u64 {
    let packet = packet_from_2(0, 255, message);
    lab.inside(2, || {
        let (socket, destination) = (sender(), destination());
        let (end, mut sent) = (Instant::now() + time, 0);
        while Instant::now() < end {
            sent += u64::from(socket.send_to(&packet, &destination).is_ok());
        }
        sent
    })
}

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 2);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

fn packet_from_2(flags: u8, ttl: u8, message: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, flags, 0, ttl, 112, 0, 0];
    packet.extend(SOURCE.octets());
    packet.extend(GROUP.octets());
    packet.extend(message);
    packet
}

fn sender() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).expect("a raw socket");
    socket.set_header_included_v4(true).expect("own header");
    socket.set_multicast_if_v4(&SOURCE).expect("the interface");
    socket
}

fn destination() -> SockAddr {
    SocketAddrV4::new(GROUP, 0).into()
}
