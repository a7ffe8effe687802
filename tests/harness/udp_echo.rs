//! A service that answers from whatever address it is asked at: UDP echo on the wildcard address.
//!
//! It answers what the kernel has delivered to it, also when the address has gone before it got the processor
//! (`IP_TRANSPARENT`): whether the host had the address when the packet came is for the kernel to say, not for
//! how long this thread waited.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Moment;
use crate::host::Host;
use crate::interrupt::stand_aside;
use crate::realtime::go_first;

/// Where it listens.
pub(crate) const ECHO_PORT: u16 = 7;
/// Below the prober, which must not wait for it.
const REALTIME: u8 = 10;
/// Whatever waits for this thread is answered late, not lost.
const RECEIVE_BUFFER: usize = 256 << 20;
/// A wait for a packet ends after this, so that the service can notice that it shall stop.
const PATIENCE: Duration = Duration::from_millis(50);
const LONGEST: usize = 64;

/// A running service; ends when it is dropped.
#[derive(Debug)]
pub struct UdpEcho {
    stopped: Arc<AtomicBool>,
    /// In microseconds.
    latest: Arc<AtomicU64>,
}

impl UdpEcho {
    /// Starts it on `host`, on the unspecified address of a family.
    ///
    /// # Errors
    /// When the port is taken, or without root.
    pub fn start(host: &Host, anywhere: impl Into<IpAddr>) -> Result<Self> {
        let anywhere = anywhere.into();
        let socket = host.namespace.enter(|| open(anywhere))??;
        let (stopped, latest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, late, name) = (Arc::clone(&stopped), Arc::clone(&latest), host.name.clone());
        thread::Builder::new().name(format!("echo {name}")).spawn(move || {
            go_first(REALTIME);
            if let Err(error) = serve(&socket, &stop, &late) {
                stand_aside();
                eprintln!("echo on {name}: {error:#}");
            }
        })?;
        Ok(Self { stopped, latest })
    }

    /// The longest that a packet has waited for this service since the last call.
    #[must_use]
    pub fn worst_delay(&self) -> Duration {
        Duration::from_micros(self.latest.swap(0, Ordering::Relaxed))
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn open(anywhere: IpAddr) -> Result<Socket> {
    let domain = if anywhere.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if anywhere.is_ipv4() {
        socket.set_ip_transparent_v4(true).context("cannot answer from any address")?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        socket.set_ip_transparent_v6(true).context("cannot answer from any address")?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.bind(&SocketAddr::new(anywhere, ECHO_PORT).into())?;
    Ok(socket)
}

fn serve(socket: &Socket, stop: &AtomicBool, latest: &AtomicU64) -> Result<()> {
    let mut control = nix::cmsg_space!(in6_pktinfo, TimeSpec);
    while !stop.load(Ordering::Relaxed) {
        let mut octets = [0; LONGEST];
        let mut buffers = [IoSliceMut::new(&mut octets)];
        let flags = MsgFlags::empty();
        let received =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut buffers, Some(&mut control), flags);
        let message = match received {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(error) => return Err(error).context("cannot receive"),
        };
        let mut asked_at = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::Ipv4PacketInfo(asked) = control {
                asked_at = Some(IpAddr::V4(Ipv4Addr::from(asked.ipi_addr.s_addr.to_ne_bytes())));
            } else if let ControlMessageOwned::Ipv6PacketInfo(asked) = control {
                asked_at = Some(IpAddr::V6(Ipv6Addr::from(asked.ipi6_addr.s6_addr)));
            } else if let ControlMessageOwned::ScmTimestampns(stamp) = control {
                let waited = Moment::now() - Moment::from_parts(stamp.tv_sec(), stamp.tv_nsec());
                latest.fetch_max(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        }
        let (Some(client), Some(asked_at)) = (message.address, asked_at) else { continue };
        let length = message.bytes;
        // A packet that cannot leave is the client's to notice.
        let _sent = answer(socket, &octets[..length], asked_at, &client);
    }
    Ok(())
}

/// Sends it from the address that was asked.
fn answer(socket: &Socket, octets: &[u8], from: IpAddr, client: &SockaddrStorage) -> nix::Result<usize> {
    let send = |from: ControlMessage<'_>| {
        let octets = [IoSlice::new(octets)];
        sendmsg(socket.as_raw_fd(), &octets, &[from], MsgFlags::empty(), Some(client))
    };
    match from {
        IpAddr::V4(from) => send(ControlMessage::Ipv4PacketInfo(&in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(from.octets()) },
            ipi_addr: in_addr { s_addr: 0 },
        })),
        IpAddr::V6(from) => send(ControlMessage::Ipv6PacketInfo(&in6_pktinfo {
            ipi6_addr: in6_addr { s6_addr: from.octets() },
            ipi6_ifindex: 0,
        })),
    }
}
