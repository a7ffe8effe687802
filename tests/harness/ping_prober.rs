//! A client that pings an address every millisecond, for outages too short for HTTP to see.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Moment;
use crate::host::Host;
use crate::interrupt::stand_aside;
use crate::probes::{Answer, Probe, Prober, Probes};

/// An answer later than this counts as lost. A lost packet is never answered, so that waiting hides nothing,
/// and a busy machine is not taken for an outage.
const PATIENCE: Duration = Duration::from_millis(500);
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const IPV4_HEADER: usize = 20;

/// Begins to ping `target` from `client`, once `every`.
///
/// # Errors
/// When there can be no thread.
pub fn start(client: &Host, target: Ipv4Addr, every: Duration) -> Result<Prober> {
    let probes = Probes::default();
    let (recorder, namespace) = (probes.clone(), client.namespace.clone());
    thread::Builder::new().name(format!("ping {target}")).spawn(move || {
        if let Err(error) = namespace.join().and_then(|()| ping_until_stopped(target, every, &recorder)) {
            stand_aside();
            eprintln!("pinging {target}: {error:#}");
        }
    })?;
    Ok(Prober::new(probes))
}

fn ping_until_stopped(target: Ipv4Addr, every: Duration, probes: &Probes) -> Result<()> {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).context("cannot ping")?;
    socket.connect(&SocketAddrV4::new(target, 0).into())?;
    let mut open: BTreeMap<u16, Moment> = BTreeMap::new();
    let mut sequence = 0_u16;
    let mut next = Instant::now();
    while !probes.is_stopped() || !open.is_empty() {
        if Instant::now() >= next && !probes.is_stopped() {
            next += every;
            sequence = sequence.wrapping_add(1);
            let sent = Moment::now();
            // A send fails while the kernel holds the neighbour for dead; that probe is lost, like any other.
            let _no_route = socket.send(&echo_request(sequence));
            open.insert(sequence, sent);
        }
        let wait = next.saturating_duration_since(Instant::now()).max(Duration::from_micros(100));
        socket.set_read_timeout(Some(wait))?;
        if let Some(sequence) = read_reply(&mut socket)?
            && let Some(sent) = open.remove(&sequence)
        {
            let answer = Answer { at: Moment::now(), by: target.to_string() };
            probes.add(Probe { sent, answer: Ok(answer) });
            // What else has arrived is read before anything is given up.
            continue;
        }
        let given_up = Moment::now() - PATIENCE;
        for (_, sent) in open.extract_if(.., |_, sent| *sent < given_up) {
            probes.add(Probe { sent, answer: Err(format!("no reply within {PATIENCE:?}")) });
        }
    }
    Ok(())
}

/// The sequence of the reply that came, if one came.
fn read_reply(socket: &mut Socket) -> Result<Option<u16>> {
    let mut packet = [0; 256];
    match socket.read(&mut packet) {
        Ok(length) => Ok(match packet.get(IPV4_HEADER..length) {
            Some([ECHO_REPLY, _, _, _, _, _, high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        // What routers complain of arrives as an error of a connected socket.
        Err(error) if matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) => Err(error).context("cannot read replies"),
    }
}

/// An echo request without data; its checksum is that of RFC 1071 over type and sequence, the only words not
/// 0.
fn echo_request(sequence: u16) -> [u8; 8] {
    let (sum, carry) = u16::from_be_bytes([ECHO_REQUEST, 0]).overflowing_add(sequence);
    let [sum_high, sum_low] = (!(sum + u16::from(carry))).to_be_bytes();
    let [high, low] = sequence.to_be_bytes();
    [ECHO_REQUEST, 0, sum_high, sum_low, 0, 0, high, low]
}
