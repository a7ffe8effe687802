//! The dataplane's own thread.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::unistd::gettid;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::Seams;
use super::accept_gate::AcceptGate;
use super::address_table::AgentNumber;
use super::attachment::{AttachmentTable, NetlinkAttachments};
use super::background::Background;
use super::binder::{Binder, Kernel};
use super::driver::{Driver, Parts};
use super::entry_fence::EntryFence;
use super::fences::Fencing;
use super::found;
use super::handover::Predecessor;
use super::lease::Leases;
use super::link_monitor::LinkMonitor;
use super::link_table::NetlinkLinks;
use super::outbox::Outbox;
use super::probe::Probes;
use super::slots::Slots;
use super::virtual_links::VirtualLinks;
use crate::config::FenceSettings;
use crate::messages::{Command, Report};
use crate::policy::Policy;
use crate::shared_memory::SharedMemory;
use crate::sys::clock;
use crate::sys::datagram_sender::DatagramSender;
use crate::sys::packet_receiver::PacketReceiver;
use crate::sys::packet_sender::PacketSender;
use crate::sys::pidfd::PidFd;
use crate::sys::realtime;
use crate::sys::timer::BoottimeTimer;

/// How often to look whether the worker before has handed over.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What the dataplane starts with.
pub struct Settings {
    /// Tells the addresses of this agent from those of another one on the same host.
    pub agent: AgentNumber,
    /// Shared with the parent and with the workers before and after.
    pub memory: Arc<SharedMemory>,
    /// What touches the kernel and the LAN.
    pub seams: Seams,
    /// Which fences shall stand ready.
    pub fences: FenceSettings,
    /// What this host allows a server to ask.
    pub policy: Arc<Policy>,
    /// What control wants.
    pub commands: mpsc::Receiver<Command>,
    /// What control gets to know.
    pub reports: mpsc::Sender<Report>,
    /// The process of a worker that lives, and hands over once this one's control has told it to.
    pub predecessor: Option<u32>,
}

/// The dataplane thread has ended before it was told to.
#[derive(Debug, Error)]
pub enum DataplaneError {
    /// The kernel gave it no thread or runtime.
    #[error("the dataplane thread cannot be started")]
    Start(#[source] io::Error),
    /// It has no socket, timer or netlink connection.
    #[error("the dataplane cannot open {what}")]
    Open {
        /// What it needs.
        what: &'static str,
        /// Why it has none.
        #[source]
        source: io::Error,
    },
    /// The kernel failed it while it ran.
    #[error("the dataplane has failed")]
    Run(#[source] io::Error),
    /// It was told to stop, and the kernel has not removed everything in time.
    #[error("the kernel did not remove {addresses}: still bound and no longer advertised, remove it by hand")]
    StillHeld {
        /// What is left, with the interfaces.
        addresses: String,
    },
    /// A bug.
    #[error("the dataplane thread has panicked")]
    Panicked,
}

/// The running dataplane.
pub struct Dataplane {
    thread: JoinHandle<Result<(), DataplaneError>>,
    ready: oneshot::Receiver<()>,
}

impl Dataplane {
    /// Starts the thread, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`DataplaneError::Start`] when there can be no thread.
    pub fn start(settings: Settings) -> Result<Self, DataplaneError> {
        let (tell_ready, ready) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("dataplane".to_owned())
            .spawn(move || run(settings, tell_ready))
            .map_err(DataplaneError::Start)?;
        Ok(Self { thread, ready })
    }

    /// Returns true once it listens and obeys commands, or waits for a predecessor to hand over; false when
    /// it has ended without ever doing so.
    pub async fn ready(&mut self) -> bool {
        (&mut self.ready).await.is_ok()
    }

    /// Waits until the thread has ended. Blocks.
    ///
    /// # Errors
    /// [`DataplaneError`] unless it was told to stop and has stopped.
    pub fn join(self) -> Result<(), DataplaneError> {
        self.thread.join().unwrap_or(Err(DataplaneError::Panicked))
    }
}

fn run(settings: Settings, tell_ready: oneshot::Sender<()>) -> Result<(), DataplaneError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(DataplaneError::Start)?;
    runtime.block_on(async {
        let Settings { agent, memory, seams, fences, policy, commands, reports, predecessor } = settings;
        let mut tell_ready = Some(tell_ready);
        if let Some(process) = predecessor {
            ready(&mut tell_ready);
            wait_for(process, &memory).await;
        }
        // Not before: whoever waited long was taken for one that needs no hurry.
        let realtime = realtime::request(realtime::Thread::Dataplane);
        memory.set_dataplane_thread(gettid().as_raw().unsigned_abs());
        let open = |what| move |source| DataplaneError::Open { what, source };
        let monitor = LinkMonitor::open(agent).await.map_err(open("the netlink connection that listens"))?;
        let table =
            (seams.address_table)(agent).map_err(open("the netlink connection that changes addresses"))?;
        let mut outbox = Outbox::new(reports);
        if let Some(detail) = &realtime.detail {
            outbox.notice(format!("the dataplane runs without the scheduling it wants: {detail}"));
        }
        let background =
            |name| Background::start(name).map_err(open("a thread for what the kernel is slow at"));
        let closing = background("sockets")?;
        let links = Arc::new(
            NetlinkLinks::connect(background("macvlans")?)
                .map_err(open("the netlink connection that changes macvlans"))?,
        );
        let attachments = NetlinkAttachments::connect(agent)
            .map_err(open("the netlink connection that changes routes and rules"))?;
        let gate = AcceptGate::new(agent, background("nft")?);
        let entry = EntryFence::new(agent, background("nft of hooks")?);
        // A thread of its own: whoever waits for the gate does not wait for the rules of the leases.
        let leases = Leases::start(agent, background("nft of leases")?, fences.nftables_lease)
            .map_err(open("a thread for what nftables is slow at"))?;
        let left = attachments.leftovers().await.unwrap_or_else(|error| {
            outbox.notice(error.to_string());
            Vec::new()
        });
        if predecessor.is_none() && memory.worker_starts() <= 1 {
            outbox.send(Report::Found(found::look(monitor.interfaces(), &leases).await));
        }
        let kernel = Kernel {
            addresses: table,
            links: links.clone(),
            attachments: Arc::new(attachments),
            gate: gate.view(),
            entry: entry.view(),
            arrivals: monitor.arrivals(),
        };
        let parts = Parts {
            receiver: PacketReceiver::open().map_err(open("the packet socket that receives"))?,
            sender: PacketSender::open().map_err(open("the packet socket that sends"))?,
            datagrams: DatagramSender::open().map_err(open("the raw socket that sends to single routers"))?,
            timer: BoottimeTimer::new().map_err(open("a timer"))?,
            binder: Binder::new(kernel, monitor.interfaces().ours(), left.into_iter().collect()),
            links: VirtualLinks::new(links, agent),
            gate,
            entry,
            leases,
            monitor,
            announcer: seams.announcer,
            probes: Probes::new(closing),
            predecessor: Predecessor::read(&memory, clock::boottime),
            slots: Slots::new(Arc::clone(&memory), agent),
            commands,
            outbox,
            realtime,
            fencing: Fencing::new(fences, Arc::clone(&memory)),
            policy,
        };
        ready(&mut tell_ready);
        Driver::new(parts).run().await
    })
}

fn ready(tell: &mut Option<oneshot::Sender<()>>) {
    // Nobody may have waited for it.
    let _unheard = tell.take().map(|tell| tell.send(()));
}

/// Returns once the worker before has left everything to this one, or has ended.
async fn wait_for(process: u32, memory: &SharedMemory) {
    let ended = async {
        match PidFd::open(process) {
            Ok(handle) => handle.ended().await,
            // It has ended, and was waited for.
            Err(_) => Ok(()),
        }
    };
    let handed_over = async {
        while !memory.has_handed_over(process) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = handed_over => {}
        Ok(()) = ended => {}
    }
}
