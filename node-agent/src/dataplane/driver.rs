//! The one loop that drives every group of the node.
//!
//! Whatever wakes it, it lets go of what it should have cared for long ago. Then a turn goes in this order: packets
//! are taken first, then what the kernel has done, and only then deadlines expire, so that a late wake-up does not
//! take a heard router for a dead one. After that advertisements leave in one batch before anything else is done;
//! addresses and announcements follow, and reports come last.

mod beginning;
mod desired;
mod kernel;
mod leases;
mod letting_go;
mod probing;
mod sending;
mod taking;
mod upkeep;
mod waking;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use api_types::agent_status::RealtimeStatus;
use api_types::timing::Timing;
use futures_util::FutureExt;
use tokio::sync::mpsc::Receiver;
use vrrp::{Family, Instant};

use self::desired::Refused;
use self::waking::Wake;
use super::DataplaneError;
use super::accept_gate::AcceptGate;
use super::address_lease::Ledger;
use super::announce::Announcements;
use super::announcement::Announcer;
use super::binder::{Binder, GroupHandle};
use super::drops::Drops;
use super::entry_fence::EntryFence;
use super::fences::Fencing;
use super::group::Effects;
use super::handover::Predecessor;
use super::instances::Instances;
use super::lag::Lag;
use super::lateness::Lateness;
use super::lease::Leases;
use super::link_monitor::LinkMonitor;
use super::outbox::Outbox;
use super::probe::Probes;
use super::slots::Slots;
use super::snapshot;
use super::stillness::Stillness;
use super::transmit::Saying;
use super::virtual_links::VirtualLinks;
use crate::messages::{Command, Ending, Report, Snapshot};
use crate::policy::Policy;
use crate::sys::clock;
use crate::sys::datagram_sender::DatagramSender;
use crate::sys::packet_receiver::PacketReceiver;
use crate::sys::packet_sender::PacketSender;
use crate::sys::timer::BoottimeTimer;

/// As long as the largest frame without jumbo frames; a longer packet is no advertisement that this agent takes.
const BUFFER_OCTETS: usize = 2048;
/// After how many turns that took as many packets everything has been taken that came before the first of them:
/// the receive buffer has room for no more, with at least 256 octets each.
const TURNS_BEHIND: u32 = 16;
/// How often control hears how things stand when nothing changes.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);
/// How often routes and rules are added that somebody else may have removed.
const DOUBT_EVERY: Duration = Duration::from_secs(1);
/// How soon after a change control hears of it, so that a burst of changes is one snapshot.
const SNAPSHOT_AFTER: Duration = Duration::from_millis(20);

/// What the driver is made of.
pub(super) struct Parts {
    pub(super) receiver: PacketReceiver,
    pub(super) sender: PacketSender,
    pub(super) datagrams: DatagramSender,
    pub(super) timer: BoottimeTimer,
    pub(super) monitor: LinkMonitor,
    pub(super) binder: Binder,
    pub(super) links: VirtualLinks,
    pub(super) gate: AcceptGate,
    pub(super) entry: EntryFence,
    pub(super) leases: Leases,
    pub(super) announcer: Box<dyn Announcer>,
    pub(super) probes: Probes,
    pub(super) slots: Slots,
    pub(super) predecessor: Predecessor,
    pub(super) commands: Receiver<Command>,
    pub(super) outbox: Outbox,
    pub(super) realtime: RealtimeStatus,
    pub(super) fencing: Fencing,
    pub(super) policy: Arc<Policy>,
}

/// The loop and what it works on.
pub(super) struct Driver {
    parts: Parts,
    instances: Instances,
    announcements: Announcements,
    effects: Effects,
    /// What is to be said once nothing else can be.
    conceding: BTreeMap<GroupHandle, Saying>,
    joined: BTreeSet<(u32, Family)>,
    stillness: Stillness,
    drops: Drops,
    refused: Option<Refused>,
    interfaces_changed: bool,
    /// Whether macvlans or shut addresses may have to change.
    upkeep_due: bool,
    /// When to see whether all routes and rules are there.
    doubt_at: Instant,
    commands_ended: bool,
    /// Set once it was told to stop: when to give that up.
    stop_by: Option<Instant>,
    /// Set once it was told to leave everything to another worker: when to do so at the latest.
    hand_over_by: Option<Instant>,
    /// For how many turns in a row packets have come faster than they were taken.
    turns_behind: u32,
    lateness: Lateness,
    lag: Lag,
    leases: Ledger,
    /// The interfaces through which the last advertisement could not leave.
    mute: BTreeSet<u32>,
    snapshot_at: Instant,
    buffer: Box<[u8]>,
}

impl Driver {
    /// A driver that runs no group.
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            instances: Instances::default(),
            announcements: Announcements::default(),
            effects: Effects::default(),
            conceding: BTreeMap::new(),
            joined: BTreeSet::new(),
            stillness: Stillness::default(),
            drops: Drops::default(),
            refused: None,
            interfaces_changed: false,
            upkeep_due: false,
            doubt_at: Instant::ORIGIN,
            commands_ended: false,
            stop_by: None,
            hand_over_by: None,
            turns_behind: 0,
            lateness: Lateness::new(),
            lag: Lag::new(),
            leases: Ledger::default(),
            mute: BTreeSet::new(),
            snapshot_at: Instant::ORIGIN,
            buffer: vec![0; BUFFER_OCTETS].into_boxed_slice(),
        }
    }

    /// Drives until it was told to stop and has stopped.
    ///
    /// # Errors
    /// When the kernel fails it: there is no way on without sockets, timers or netlink. Or when it does not remove
    /// what is bound, long after the stop.
    pub(super) async fn run(mut self) -> Result<(), DataplaneError> {
        let outcome = self.drive().await;
        let ending = if self.hand_over_by.is_some() { Ending::HandOver } else { Ending::Stop };
        match ending {
            // At once: to close the sockets takes the kernel longer than Backups may wait.
            Ending::HandOver if outcome.is_ok() => self.parts.slots.hand_over(),
            Ending::HandOver | Ending::Stop => self.parts.slots.end(),
        }
        if !outcome.map_err(DataplaneError::Run)? {
            let held = self.parts.binder.bound();
            let addresses: Vec<_> = held.into_iter().map(|address| self.name(address)).collect();
            return Err(DataplaneError::StillHeld { addresses: addresses.join(", ") });
        }
        self.parts.outbox.send(Report::Stopped);
        while !self.parts.outbox.is_empty() {
            self.parts.outbox.writable().await;
            self.parts.outbox.flush();
        }
        Ok(())
    }

    /// Whether nothing was left bound that should not be when it ended.
    async fn drive(&mut self) -> io::Result<bool> {
        self.listen();
        loop {
            self.turn()?;
            if self.hand_over_by.is_some_and(|by| self.is_at_rest() || by <= clock::boottime()) {
                return Ok(true);
            }
            if let Some(stop_by) = self.stop_by {
                let released = self.instances.is_empty() && self.parts.binder.is_idle();
                let Parts { links, gate, entry, leases, monitor, .. } = &self.parts;
                let written = gate.is_settled() && entry.is_settled() && leases.is_settled();
                let removed = links.is_idle(monitor.interfaces()) && written;
                if released && removed || stop_by <= clock::boottime() {
                    return Ok(released);
                }
            }
            let wake = self.next_wake().await?;
            self.let_go_first().await;
            match wake {
                Wake::Packets | Wake::Timer | Wake::Outbox => {}
                Wake::Binder(event) => self.follow_binder(event),
                Wake::Links => self.follow_links(),
                Wake::Gate => self.follow_gate(),
                Wake::EntryFence => self.follow_entry_fence(),
                Wake::Leases => self.follow_leases(),
                Wake::Neighbours => self.hear_neighbours()?,
                Wake::Kernel(change) => self.follow_kernel(change),
                Wake::Command(Some(command)) => self.obey(command),
                // Control has ended without asking for a stop: the groups go on.
                Wake::Command(None) => self.commands_ended = true,
            }
        }
    }

    /// Whether another worker finds everything as shared memory says.
    fn is_at_rest(&self) -> bool {
        self.parts.binder.is_at_rest() && self.instances.iter().all(|(_, group)| group.departure().is_none())
    }

    fn turn(&mut self) -> io::Result<()> {
        self.take_packets()?;
        self.beat();
        while let Some(event) = self.parts.binder.next().now_or_never() {
            self.follow_binder(event);
        }
        while let Some(change) = self.parts.monitor.changed_already()? {
            self.follow_kernel(change);
        }
        let now = clock::boottime();
        self.interfaces_changed |= self.instances.carrier_deadline().is_some_and(|at| at <= now);
        if std::mem::take(&mut self.interfaces_changed) {
            self.follow_interfaces(now);
        }
        self.beat();
        for text in self.parts.monitor.take_notices() {
            self.parts.outbox.notice(text.to_owned());
        }
        // It may have been stopped at any point before this one.
        self.let_go_of_overdue();
        // The advertisement that keeps a Backup waiting may be among the packets that are not taken yet.
        let only_active = (1..=TURNS_BEHIND).contains(&self.turns_behind);
        self.instances.expire(now, only_active, &mut self.effects);
        if self.parts.predecessor.is_overdue(now) {
            self.give_up_adoption();
        }
        self.carry_out(now);
        self.beat();
        self.probe(now)?;
        self.tell(now);
        if std::mem::take(&mut self.upkeep_due) {
            self.keep_up();
        }
        Ok(())
    }

    /// Says that the dataplane is alive; more than once in a turn, which may be long.
    fn beat(&mut self) {
        self.parts.slots.beat(clock::boottime());
    }

    /// Says what has happened to whoever is to know.
    fn tell(&mut self, now: Instant) {
        for transition in self.instances.take_transitions() {
            self.parts.outbox.send(Report::Transition(transition));
        }
        if self.parts.slots.has_leaving() && !self.parts.binder.has_leftovers() {
            self.parts.slots.clear_left();
        }
        for handle in self.instances.bury() {
            self.parts.slots.free(handle);
            self.announcements.cancel(handle);
            self.leases.forget(handle);
            self.upkeep_due = true;
            self.set_terms();
        }
        self.parts.outbox.flush();
        if let Some(text) = self.lateness.take_notice(now) {
            self.parts.outbox.notice(text);
        }
        if self.doubt_at <= now {
            self.parts.binder.doubt_attachments();
            self.doubt_at = now + DOUBT_EVERY;
        }
        if self.snapshot_at <= now {
            let lost = self.parts.receiver.take_overflow().unwrap_or_default();
            if let Some(text) = self.drops.count_overflow(lost, now) {
                self.parts.outbox.notice(text);
            }
            let Parts { monitor, binder, gate, leases, realtime, outbox, fencing, .. } = &mut self.parts;
            fencing.note_nftables_lease(leases.status());
            let snapshot = snapshot::take(
                &self.instances,
                monitor.interfaces(),
                binder,
                gate,
                realtime,
                &self.drops,
                fencing,
            );
            let (lag, realtime) = (self.lag.summary(now), realtime.scheduling == "fifo");
            outbox.offer(Snapshot { timing: Some(Timing { realtime, lag }), ..snapshot });
            self.snapshot_at = now + SNAPSHOT_EVERY;
        }
    }
}
