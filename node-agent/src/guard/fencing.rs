//! Takes addresses away whose worker is dead.
//!
//! Nothing is built here: the plans hold whole frames and whole netlink messages ([`fence_plan`]). A group
//! that a Backup may take over at once is resigned first, by one advertisement of priority 0, and keeps its
//! addresses until the successor is heard and has announced itself, or until every Backup has had the time to
//! move. Its macvlan is silent as soon as the successor is heard: an answer would draw the switch back. One
//! that Backups are about to take over by themselves keeps them for a moment, without a word. A group that
//! somebody else holds already, or that they must have taken over, loses its addresses at once.

use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use thiserror::Error;
use vrrp::{Claim, Demands, Instant, Role};

use crate::dataplane::receive;
use crate::shared_memory::fence_plan::{self, Part};
use crate::shared_memory::{SharedMemory, Slot};
use crate::sys::clock;
use crate::sys::datagram_sender::{Datagram, DatagramSender};
use crate::sys::packet_sender::{Frame, PacketSender};
use crate::sys::route_socket::RouteSocket;
use crate::sys::successor_receiver::SuccessorReceiver;

/// How many intervals a successor is waited for: its skew is at most one, and its interval may be longer than ours.
const INTERVALS_FOR_SUCCESSOR: u32 = 2;
/// The longest wait: no worker runs meanwhile, and other groups want one.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long the addresses outlive the first advertisement of the successor, which announces itself meanwhile.
const OVERLAP: Duration = Duration::from_millis(20);
/// How often addresses that come back are removed again.
const ROUNDS: usize = 3;
/// As long as the largest frame without jumbo frames.
const PACKET_OCTETS: usize = 2048;

/// Why there can be no guard.
#[derive(Debug, Error)]
#[error("cannot open {what}: {source}")]
pub(crate) struct FencingError {
    what: &'static str,
    #[source]
    source: io::Error,
}

/// Everything that fencing needs, opened before.
pub(super) struct Fencing {
    routes: RouteSocket,
    pub(super) frames: PacketSender,
    pub(super) datagrams: DatagramSender,
    successors: SuccessorReceiver,
    /// The plans of the groups that are being fenced.
    plans: Vec<u8>,
    targets: Vec<Target>,
}

/// A group that is being fenced.
struct Target {
    index: usize,
    slot: Slot,
    plan: Range<usize>,
    /// When its addresses go.
    due: Instant,
    /// Whether it is resigned for.
    resigns: bool,
    /// Whether a successor is waited for.
    waits: bool,
    /// Whether one was heard, and the macvlan is silent since.
    is_silent: bool,
    /// When that was.
    let_go: Option<Instant>,
}

/// What fencing brought.
#[derive(Debug, Default)]
pub(super) struct Fenced {
    /// How many groups were fenced.
    pub(super) groups: usize,
    /// How many of them were resigned for.
    pub(super) resigned: usize,
    /// How many still have addresses, and what the kernel says.
    pub(super) left: usize,
    pub(super) refusal: Option<io::Error>,
}

impl Fencing {
    /// Opens everything. Needs `CAP_NET_RAW`.
    pub(super) fn open() -> Result<Self, FencingError> {
        let open = |what| move |source| FencingError { what, source };
        Ok(Self {
            routes: RouteSocket::open().map_err(open("a netlink socket"))?,
            frames: PacketSender::open().map_err(open("a packet socket"))?,
            datagrams: DatagramSender::open().map_err(open("a raw socket"))?,
            successors: SuccessorReceiver::open().map_err(open("a packet socket"))?,
            plans: Vec::with_capacity(64 * 1024),
            targets: Vec::with_capacity(64),
        })
    }

    /// Fences the groups that hold addresses and are meant. No worker may live.
    pub(super) fn fence(&mut self, memory: &SharedMemory, meant: impl Fn(&Slot) -> bool) -> Fenced {
        let now = clock::boottime();
        self.aim(memory, meant, now);
        self.listen();
        self.targets.iter().for_each(|target| memory.mark_fenced(target.index, now));
        self.resign();
        let mut fenced = Fenced {
            groups: self.targets.len(),
            resigned: self.targets.iter().filter(|target| target.resigns).count(),
            ..Fenced::default()
        };
        loop {
            let now = clock::boottime();
            self.release_due(memory, now, &mut fenced);
            let waiting = self.targets.iter().filter(|target| target.let_go.is_none());
            let waiting = waiting.map(|target| target.due);
            let Some(until) = waiting.min() else { break };
            if let Err(error) = self.hear(until) {
                tracing::error!(%error, "the guard cannot hear who takes over");
                self.targets.iter_mut().for_each(|target| target.due = now);
            }
        }
        if self.targets.iter().any(|target| target.waits) {
            // What it listens with goes; another one is opened for the next time.
            match SuccessorReceiver::open() {
                Ok(successors) => self.successors = successors,
                Err(error) => tracing::warn!(%error, "the guard goes on listening"),
            }
        }
        self.targets.clear();
        self.plans.clear();
        fenced
    }

    fn aim(&mut self, memory: &SharedMemory, meant: impl Fn(&Slot) -> bool, now: Instant) {
        for (index, slot) in memory.slots().filter(|(_, slot)| slot.held && meant(slot)) {
            let start = self.plans.len();
            if !memory.read_plan(index, &mut self.plans) {
                tracing::error!(vrid = slot.key.vrid.get(), "the guard does not know what to remove");
            }
            let (resigns, due) = leave(&slot, now);
            let plan = start..self.plans.len();
            let waits = due > now;
            self.targets.push(Target {
                index,
                slot,
                plan,
                due,
                resigns,
                waits,
                is_silent: false,
                let_go: None,
            });
        }
    }

    fn listen(&self) {
        for target in self.targets.iter().filter(|target| target.waits) {
            for part in fence_plan::parts(&self.plans[target.plan.clone()]) {
                if let Part::Listen { ifindex, .. } = part {
                    // A successor that is not heard is waited for in vain, not for ever.
                    let _unheard = self.successors.listen(ifindex, target.slot.key.family);
                }
            }
        }
    }

    /// Sends all that resigns, in one batch where it can.
    fn resign(&self) {
        let mut frames = Vec::with_capacity(self.targets.len());
        for target in self.targets.iter().filter(|target| target.resigns) {
            for part in fence_plan::parts(&self.plans[target.plan.clone()]) {
                match part {
                    Part::Frame { ifindex, ethertype, octets } => {
                        frames.push(Frame { ifindex, ethertype, octets });
                    }
                    Part::Datagram { ifindex, source, destination, octets } => {
                        let datagram = Datagram { ifindex, source, destination, message: octets };
                        // Whoever does not hear it moves a little later.
                        let _unsent = self.datagrams.send(&datagram);
                    }
                    Part::Advertisement { .. }
                    | Part::AdvertisementTo { .. }
                    | Part::Hush(_)
                    | Part::Delete(_)
                    | Part::Listen { .. } => {}
                }
            }
        }
        self.frames.send(&frames, |_, _unsent| {});
    }

    /// Removes the addresses of the groups whose time has come.
    fn release_due(&mut self, memory: &SharedMemory, now: Instant, fenced: &mut Fenced) {
        let (mut hushes, mut deletes) = (Vec::new(), Vec::new());
        let is_due = |target: &&mut Target| target.let_go.is_none() && target.due <= now;
        for target in self.targets.iter_mut().filter(is_due) {
            target.let_go = Some(now);
            let plan = &self.plans[target.plan.clone()];
            hushes.extend_from_slice(hush(plan));
            for part in fence_plan::parts(plan) {
                if let Part::Delete(messages) = part {
                    deletes.extend_from_slice(messages);
                }
            }
        }
        if deletes.is_empty() {
            return;
        }
        // A macvlan that is gone is silent.
        let _gone = self.routes.change(&hushes);
        let refusal = remove(&mut self.routes, &deletes).err();
        let at = clock::boottime();
        for target in self.targets.iter().filter(|target| target.let_go == Some(now)) {
            if refusal.is_none() {
                memory.mark_released(target.index, at);
            } else {
                fenced.left += 1;
            }
        }
        fenced.refusal = refusal.or(fenced.refusal.take());
    }

    /// Waits for packets until then. The groups that a successor was heard for fall silent, and go soon.
    fn hear(&mut self, until: Instant) -> io::Result<()> {
        let sockets = self.successors.sockets();
        let mut fds = sockets.map(|socket: BorrowedFd<'_>| PollFd::new(socket, PollFlags::POLLIN));
        let left = until.saturating_duration_since(clock::boottime());
        match ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let (mut buffer, mut hushes) = ([0; PACKET_OCTETS], Vec::new());
        while let Some(packet) = self.successors.receive(&mut buffer)? {
            let now = clock::boottime();
            for target in self.targets.iter_mut().filter(|target| target.let_go.is_none()) {
                let key = target.slot.key;
                let listens = fence_plan::parts(&self.plans[target.plan.clone()])
                    .find_map(|part| listens_on(part, packet.ifindex));
                let Some(demands) = listens.filter(|_| key.family == packet.family) else { continue };
                let heard = receive::advertisement(packet.family, &buffer[..packet.length], |_| demands);
                let successor = |claim| claim != Claim::Resigns;
                if heard.is_ok_and(|heard| heard.vrid == key.vrid && successor(heard.claim)) {
                    target.due = target.due.min(now + OVERLAP);
                    if !std::mem::replace(&mut target.is_silent, true) {
                        hushes.extend_from_slice(hush(&self.plans[target.plan.clone()]));
                    }
                }
            }
        }
        if !hushes.is_empty() {
            // A macvlan that is gone is silent.
            let _gone = self.routes.change(&hushes);
        }
        Ok(())
    }
}

/// Whether the group is resigned for, and when its addresses go if no successor is heard.
fn leave(slot: &Slot, now: Instant) -> (bool, Instant) {
    if slot.role != Role::Active || slot.fenced.is_some() || !slot.is_alone() {
        return (false, now);
    }
    if now < slot.nobody_moves_until() {
        let wait = slot.interval.saturating_mul(INTERVALS_FOR_SUCCESSOR).min(LONGEST_WAIT);
        return (true, now + wait);
    }
    // The best Backup has moved, or not: the worst one does so an interval later.
    let all_have_moved = slot.nobody_moves_until() + slot.interval <= now;
    (false, if all_have_moved { now } else { now + OVERLAP })
}

/// What keeps a macvlan from sending; nothing where the interface's own MAC address answers.
fn hush(plan: &[u8]) -> &[u8] {
    let hush = |part| if let Part::Hush(messages) = part { Some(messages) } else { None };
    fence_plan::parts(plan).find_map(hush).unwrap_or_default()
}

fn listens_on(part: Part<'_>, on: u32) -> Option<Demands> {
    let Part::Listen { ifindex, demands } = part else { return None };
    (ifindex == on).then_some(demands)
}

/// Asks until the kernel says that there is nothing (any longer) to remove.
fn remove(routes: &mut RouteSocket, deletes: &[u8]) -> io::Result<()> {
    for _ in 0..ROUNDS {
        let outcome = routes.change(deletes)?;
        if outcome.changed == 0 {
            return outcome.first_refusal.map_or(Ok(()), Err);
        }
    }
    Err(io::Error::other("somebody adds the addresses again and again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::test_data::{at, slot};
    use crate::shared_memory;

    #[test]
    fn a_group_is_resigned_for_while_nobody_moves_and_stays_for_a_moment_while_somebody_may() {
        let held = slot(10, Role::Active);
        let cases = [(1_029, (true, 1_049)), (1_030, (false, 1_050)), (1_039, (false, 1_059))];
        for (now, (resigns, until)) in cases {
            assert_eq!(leave(&held, at(now)), (resigns, at(until)), "{now}");
        }
        assert_eq!(leave(&held, at(1_040)), (false, at(1_040)), "every Backup has moved");
        let slow = slot(40_000, Role::Active);
        assert_eq!(leave(&slow, at(1_001)), (true, at(6_001)), "other groups wait for a worker");
    }

    #[test]
    fn what_another_holds_or_was_never_held_goes_at_once() {
        let rivalled = Slot { heard: Some(at(1_001)), ..slot(10, Role::Active) };
        let fenced = Slot {
            fenced: Some(shared_memory::Fenced { at: at(1_002), released: None }),
            ..slot(10, Role::Active)
        };
        for other in [rivalled, fenced, slot(10, Role::Backup)] {
            for now in [at(1_005), at(1_035)] {
                assert_eq!(leave(&other, now), (false, now));
            }
        }
    }
}
