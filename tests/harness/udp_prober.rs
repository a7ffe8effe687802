//! A client of many addresses at once: one UDP packet to each of them every millisecond.
//!
//! It is an ordinary client: it sends through one socket, and the kernel's own neighbour cache says where to.
//! Answers carry the kernel's time stamps. What the prober itself did not send for lack of a processor is
//! told apart from what was not answered.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Moment;
use crate::eventually::eventually;
use crate::host::Host;
use crate::realtime::go_first;
use crate::timeline::Timeline;
use crate::udp_echo::ECHO_PORT;

const REALTIME: u8 = 20;
/// For the thread that receives: the kernel stamps what waits for it.
const BEHIND: u8 = 5;
const RECEIVE_BUFFER: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_millis(20);
/// An answer that comes later than this after its question is none.
const TOO_LATE: Duration = Duration::from_millis(500);
/// How many answers in a row from every address make a prober warm.
const WARM: u32 = 50;
const MAGIC: u32 = 0xba70_0001;

/// A running prober.
#[derive(Debug)]
pub struct UdpProber {
    stopped: Arc<AtomicBool>,
    /// How many answers each target has given in a row.
    streaks: Arc<Vec<AtomicU32>>,
    sender: JoinHandle<Vec<Moment>>,
    receiver: JoinHandle<Result<Vec<Vec<Option<Moment>>>>>,
}

impl UdpProber {
    /// Begins to probe `targets`, all of one family, from `client`, each of them once `every`.
    ///
    /// # Errors
    /// Without root.
    pub fn start(client: &Host, targets: &[IpAddr], every: Duration) -> Result<Self> {
        let is_ipv4 = targets.iter().all(IpAddr::is_ipv4);
        let socket = Arc::new(client.namespace.enter(|| open(is_ipv4))??);
        let stopped = Arc::new(AtomicBool::new(false));
        let streaks: Arc<Vec<AtomicU32>> = Arc::new(targets.iter().map(|_| AtomicU32::new(0)).collect());
        let addresses: Vec<SocketAddr> =
            targets.iter().map(|target| SocketAddr::new(*target, ECHO_PORT)).collect();
        let receiver = {
            let (socket, stop) = (Arc::clone(&socket), Arc::clone(&stopped));
            let (addresses, streaks) = (addresses.clone(), Arc::clone(&streaks));
            thread::Builder::new()
                .name("answers".to_owned())
                .spawn(move || receive(&socket, &addresses, &streaks, &stop))?
        };
        let stop = Arc::clone(&stopped);
        let sender = thread::Builder::new()
            .name("questions".to_owned())
            .spawn(move || send(&socket, &addresses, every, &stop))?;
        Ok(Self { stopped, streaks, sender, receiver })
    }

    /// Waits until every target has answered many times in a row.
    ///
    /// # Errors
    /// Says which did not.
    pub fn warm_up(&self, within: Duration) -> Result<()> {
        for streak in self.streaks.iter() {
            streak.store(0, Ordering::Relaxed);
        }
        eventually("every address answers the prober", within, || {
            let counts: Vec<u32> = self.streaks.iter().map(|streak| streak.load(Ordering::Relaxed)).collect();
            ensure!(counts.iter().all(|count| *count >= WARM), "answers of each: {counts:?}");
            Ok(())
        })
    }

    /// Stops asking, waits for the last answers, and tells what became of every question, by target.
    ///
    /// # Errors
    /// When a thread of it failed.
    pub fn finish(self) -> Result<Vec<Timeline>> {
        self.stopped.store(true, Ordering::Relaxed);
        let sent = self.sender.join().map_err(|_| anyhow!("the sender panicked"))?;
        let answers = self.receiver.join().map_err(|_| anyhow!("the receiver panicked"))??;
        let sent: Arc<[Moment]> = sent.into();
        Ok(answers
            .into_iter()
            .map(|mut answered| {
                answered.resize(sent.len(), None);
                Timeline::new(Arc::clone(&sent), answered)
            })
            .collect())
    }
}

fn open(is_ipv4: bool) -> Result<Socket> {
    let domain = if is_ipv4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn send(socket: &Socket, targets: &[SocketAddr], every: Duration, stop: &AtomicBool) -> Vec<Moment> {
    go_first(REALTIME);
    let addresses: Vec<socket2::SockAddr> = targets.iter().map(|target| (*target).into()).collect();
    let (mut sent, mut next) = (Vec::new(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let round = u64::try_from(sent.len()).unwrap_or(u64::MAX);
        sent.push(Moment::now());
        for (number, address) in (0_u32..).zip(&addresses) {
            // What cannot be sent is not answered.
            let _sent = socket.send_to(&question(number, round), address);
        }
        next += every;
        let now = Instant::now();
        // What was missed is not made up for: a burst would be another load than a client's.
        next = next.max(now.checked_sub(every).unwrap_or(now));
        thread::sleep(next.saturating_duration_since(now));
    }
    sent
}

fn question(target: u32, round: u64) -> [u8; 16] {
    let mut octets = [0; 16];
    octets[..4].copy_from_slice(&MAGIC.to_be_bytes());
    octets[4..8].copy_from_slice(&target.to_be_bytes());
    octets[8..].copy_from_slice(&round.to_be_bytes());
    octets
}

/// The target and the round of an answer.
fn read(octets: &[u8; 16]) -> Option<(usize, usize)> {
    let (magic, rest) = octets.split_first_chunk::<4>()?;
    let (target, rest) = rest.split_first_chunk::<4>()?;
    let (round, _) = rest.split_first_chunk::<8>()?;
    (u32::from_be_bytes(*magic) == MAGIC).then_some(())?;
    Some((u32::from_be_bytes(*target).try_into().ok()?, u64::from_be_bytes(*round).try_into().ok()?))
}

fn receive(
    socket: &Socket,
    targets: &[SocketAddr],
    streaks: &[AtomicU32],
    stop: &AtomicBool,
) -> Result<Vec<Vec<Option<Moment>>>> {
    let mut answers: Vec<Vec<Option<Moment>>> = vec![Vec::new(); targets.len()];
    let mut control = nix::cmsg_space!(TimeSpec);
    go_first(BEHIND);
    let mut deadline = None;
    loop {
        let is_over = stop.load(Ordering::Relaxed)
            && Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + TOO_LATE);
        let mut octets = [0; 16];
        let mut buffers = [IoSliceMut::new(&mut octets)];
        let received = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut buffers,
            Some(&mut control),
            MsgFlags::empty(),
        );
        let message = match received {
            Ok(message) => message,
            // What is in the queue has come in time, however late this thread is.
            Err(Errno::EAGAIN) if is_over => return Ok(answers),
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(error) => return Err(error).context("cannot receive answers"),
        };
        let stamp = message.cmsgs()?.find_map(|control| {
            if let ControlMessageOwned::ScmTimestampns(stamp) = control { Some(stamp) } else { None }
        });
        let from = message.address;
        let at = stamp.map_or_else(Moment::now, |stamp| Moment::from_parts(stamp.tv_sec(), stamp.tv_nsec()));
        let Some((target, round)) = read(&octets) else { continue };
        let expected = targets.get(target).map(|target| SockaddrStorage::from(*target));
        let Some(list) = answers.get_mut(target).filter(|_| from == expected) else { continue };
        if list.len() <= round {
            list.resize(round + 1, None);
        }
        list[round].get_or_insert(at);
        // In a row: the one before was answered too.
        let in_a_row = round.checked_sub(1).is_some_and(|before| list[before].is_some());
        if in_a_row {
            streaks[target].fetch_add(1, Ordering::Relaxed);
        } else {
            streaks[target].store(0, Ordering::Relaxed);
        }
    }
}
