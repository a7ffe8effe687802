//! Writes leases into the kernel, on a thread of its own: whoever holds the kernel's lock on interfaces would keep a
//! dataplane that wrote them itself from advertising.
//!
//! To the kernel, renewing what is not there means adding it. So an address that is to go is withdrawn first
//! ([`Renewals::withdraw`]): after that nothing on its way can bring it back.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rtnetlink::packet_route::address::AddressMessage;
use tokio::sync::Notify;

use super::Lifetime;
use super::batch::BatchSocket;
use crate::dataplane::address_table::HostAddress;

/// How many addresses go in one system call: others who want the kernel's lock get it in between.
const BATCH: usize = 128;
/// How old a renewal may be. After that the agent may have been stopped for as long, and the address may be another's.
const FRESH: Duration = Duration::from_secs(1);

/// Makes the message that gives an address of ours this lifetime.
pub(crate) type Spell = Box<dyn Fn(HostAddress, Lifetime) -> AddressMessage + Send>;

/// What is to be written, and the thread that does. It ends once this is dropped.
pub(crate) struct Renewals {
    shared: Arc<Shared>,
    wake: SyncSender<()>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// A batch is written.
    settled: Notify,
}

#[derive(Default)]
struct Queue {
    pending: BTreeMap<HostAddress, (Lifetime, Instant)>,
    in_flight: BTreeSet<HostAddress>,
    /// Until when the kernel keeps what has a lease.
    ends: BTreeMap<HostAddress, Instant>,
    failure: Option<String>,
}

impl Renewals {
    /// Starts the thread, in the network namespace of the one that calls.
    ///
    /// # Errors
    /// When the kernel gives it no thread or no netlink socket.
    pub(crate) fn start(spell: Spell) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let (theirs, socket) = (Arc::clone(&shared), BatchSocket::open()?);
        std::thread::Builder::new()
            .name("address leases".to_owned())
            .spawn(move || write_all(&theirs, socket, &woken, &spell))?;
        Ok(Self { shared, wake })
    }

    /// Gives these addresses, which are there, this lifetime from now on.
    pub(crate) fn renew(&self, addresses: &[HostAddress], lifetime: Lifetime) {
        let now = Instant::now();
        let pending = addresses.iter().map(|address| (*address, (lifetime, now)));
        self.shared.queue().pending.extend(pending);
        // Woken already is woken.
        let _awake = self.wake.try_send(());
    }

    /// Returns once nothing is on its way to the kernel that could bring back the address.
    pub(crate) async fn withdraw(&self, address: HostAddress) {
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            {
                let mut queue = self.shared.queue();
                queue.pending.remove(&address);
                queue.ends.remove(&address);
                if !queue.in_flight.contains(&address) {
                    return;
                }
            }
            settled.await;
        }
    }

    /// Whether the address had a lease, and that has run out.
    pub(crate) fn has_run_out(&self, address: HostAddress) -> bool {
        let end = self.shared.queue().ends.get(&address).copied();
        end.is_some_and(|end| end <= Instant::now() + super::EARLY)
    }

    /// Why the last renewal failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.queue().failure.clone()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch, which is in flight from now on.
    fn take(&self) -> Vec<(HostAddress, Lifetime, Instant)> {
        let mut queue = self.queue();
        let now = Instant::now();
        queue.pending.retain(|_, (_, asked)| now.duration_since(*asked) < FRESH);
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some((address, (lifetime, asked))) = queue.pending.pop_first()
        {
            batch.push((address, lifetime, asked));
        }
        queue.in_flight = batch.iter().map(|(address, ..)| *address).collect();
        batch
    }

    fn settle(&self, batch: &[(HostAddress, Lifetime, Instant)], outcome: io::Result<()>) {
        let mut queue = self.queue();
        queue.in_flight.clear();
        for (address, lifetime, asked) in batch {
            match lifetime.duration() {
                Some(duration) => queue.ends.insert(*address, *asked + duration),
                None => queue.ends.remove(address),
            };
        }
        queue.failure = outcome.err().map(|error| error.to_string());
        drop(queue);
        self.settled.notify_waiters();
    }
}

fn write_all(shared: &Shared, mut socket: BatchSocket, woken: &Receiver<()>, spell: &Spell) {
    while woken.recv().is_ok() {
        loop {
            let batch = shared.take();
            if batch.is_empty() {
                break;
            }
            let messages = batch.iter().map(|(address, lifetime, _)| spell(*address, *lifetime)).collect();
            let outcome = socket.replace(messages);
            if outcome.is_err()
                && let Ok(fresh) = BatchSocket::open()
            {
                // Answers that come late would be taken for those of the next batch.
                socket = fresh;
            }
            shared.settle(&batch, outcome);
        }
    }
}
