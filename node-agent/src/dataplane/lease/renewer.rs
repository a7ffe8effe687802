//! The thread that renews leases which no hook renews, and asks the kernel which of them live.
//!
//! nftables answers only when whoever changes other tables has done, so the dataplane's thread does not wait
//! for it. It says when an advertisement left, and the lease ends so long after that, whenever this thread
//! comes to it.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use vrrp::Instant;

use super::fenced::LeaseKey;
use crate::dataplane::nfnetlink::{Element, Nfnetlink, Renewal};
use crate::dataplane::nft::TableName;
use crate::sys::clock;
use crate::sys::realtime::{self, Thread};

/// How many rounds of advertisements may wait. More are lost, and with them leases: nftables has not answered
/// for very long then.
const ROUNDS: usize = 1024;

/// A lease that is to live until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Until {
    pub(super) key: LeaseKey,
    pub(super) until: Instant,
}

enum Order {
    Renew(Vec<Until>),
    /// Tell which of these are missing, and renew them.
    Examine(Vec<Until>, oneshot::Sender<Vec<LeaseKey>>),
}

/// The thread. It ends with this.
#[derive(Debug)]
pub(super) struct Renewer {
    orders: SyncSender<Order>,
}

impl Renewer {
    /// Starts it, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel gives it no thread.
    pub(super) fn start(table: TableName) -> io::Result<Self> {
        let (orders, queue) = sync_channel(ROUNDS);
        std::thread::Builder::new().name("nft renewals".to_owned()).spawn(move || work(&table, &queue))?;
        Ok(Self { orders })
    }

    /// Renews leases.
    pub(super) fn renew(&self, leases: Vec<Until>) {
        // What cannot be said lapses, and is noticed.
        let _lost = self.orders.try_send(Order::Renew(leases));
    }

    /// Which of these leases, all of which should live until then, are not there. They are renewed.
    pub(super) fn examine(&self, leases: Vec<Until>) -> BoxFuture<'static, Vec<LeaseKey>> {
        let (tell, missing) = oneshot::channel();
        let _lost = self.orders.try_send(Order::Examine(leases, tell));
        Box::pin(async { missing.await.unwrap_or_default() })
    }
}

fn work(table: &TableName, queue: &Receiver<Order>) {
    // Without it an overloaded host silences an address that its agent advertises in time.
    let _as_far_as_granted = realtime::request(Thread::Dataplane);
    let mut netlink = None;
    while let Ok(order) = queue.recv() {
        if netlink.is_none() {
            netlink = Nfnetlink::open().ok();
        }
        let Some(connection) = &mut netlink else { continue };
        match order {
            Order::Renew(leases) => connection.renew(table, &renewals(&leases)),
            Order::Examine(leases, tell) => {
                let missing = examine(connection, table, leases);
                // The agent may be ending.
                let _unheard = tell.send(missing);
            }
        }
    }
}

fn examine(connection: &mut Nfnetlink, table: &TableName, leases: Vec<Until>) -> Vec<LeaseKey> {
    let mut missing = Vec::new();
    for lease in leases {
        let lives = connection.lives(table, &element(lease.key)).unwrap_or(true);
        // It may have ended just now, because the agent is late; that is another matter.
        if !lives && clock::boottime() < lease.until {
            missing.push(lease);
        }
    }
    connection.renew(table, &renewals(&missing));
    missing.into_iter().map(|lease| lease.key).collect()
}

fn renewals(leases: &[Until]) -> Vec<Renewal> {
    let now = clock::boottime();
    let renewal = |lease: &Until| {
        let lifetime = lease.until.saturating_duration_since(now);
        (lifetime >= Duration::from_millis(1)).then(|| Renewal { element: element(lease.key), lifetime })
    };
    leases.iter().filter_map(renewal).collect()
}

pub(super) fn element(key: LeaseKey) -> Element {
    Element { set: key.name(), ifindex: key.ifindex }
}
