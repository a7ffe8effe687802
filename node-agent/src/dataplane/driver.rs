//! The one loop that drives every group of the node.
//!
//! Whatever wakes it, a turn goes in this order: packets are taken first, then what the kernel has done, and only
//! then deadlines expire, so that a late wake-up does not take a heard router for a dead one. After that
//! advertisements leave in one batch before anything else is done; addresses and announcements follow, and reports
//! come last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use api_types::agent_status::RealtimeStatus;
use api_types::channel::{DesiredGroup, Revision};
use api_types::node::RejectionReason;
use futures_util::FutureExt;
use tokio::sync::mpsc::Receiver;
use vrrp::{Claim, Instant};

use super::address_table::HostAddress;
use super::announce::Announcements;
use super::apply::{self, Plan, Running};
use super::binder::{Binder, Event, GroupHandle};
use super::gratuitous_arp::{Announcement, Announcer};
use super::group::Effects;
use super::handover::Predecessor;
use super::host::ThisHost;
use super::instances::Instances;
use super::link_monitor::{Change, LinkMonitor};
use super::outbox::Outbox;
use super::receive::{self, FAMILY};
use super::slots::Slots;
use super::snapshot;
use super::transmit::{ETHERTYPE_IPV4, MULTICAST_MAC};
use crate::messages::{Command, Report};
use crate::sys::clock;
use crate::sys::packet_receiver::PacketReceiver;
use crate::sys::packet_sender::{Frame, PacketSender};
use crate::sys::timer::BoottimeTimer;

/// How many packets one turn takes before it looks at the clock again.
const PACKETS_PER_TURN: usize = 1024;
/// As long as the largest frame without jumbo frames; a longer packet is no advertisement that this agent takes.
const BUFFER_OCTETS: usize = 2048;
/// How often control hears how things stand when nothing changes.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);
/// How soon after a change control hears of it, so that a burst of changes is one snapshot.
const SNAPSHOT_AFTER: Duration = Duration::from_millis(20);

/// What the driver is made of.
pub(super) struct Parts {
    pub(super) receiver: PacketReceiver,
    pub(super) sender: PacketSender,
    pub(super) timer: BoottimeTimer,
    pub(super) monitor: LinkMonitor,
    pub(super) binder: Binder,
    pub(super) announcer: Box<dyn Announcer>,
    pub(super) slots: Slots,
    pub(super) predecessor: Predecessor,
    pub(super) commands: Receiver<Command>,
    pub(super) outbox: Outbox,
    pub(super) realtime: RealtimeStatus,
}

/// The loop and what it works on.
pub(super) struct Driver {
    parts: Parts,
    instances: Instances,
    announcements: Announcements,
    effects: Effects,
    joined: BTreeSet<u32>,
    dropped_packets: BTreeMap<&'static str, u64>,
    refused: Option<Refused>,
    interfaces_changed: bool,
    commands_ended: bool,
    stopping: bool,
    snapshot_at: Instant,
    buffer: Box<[u8]>,
}

/// A desired state that could not be run. It is tried again whenever the interfaces change, since the reason may
/// have gone with the change.
struct Refused {
    revision: Revision,
    groups: Vec<DesiredGroup>,
    reasons: Vec<RejectionReason>,
}

enum Wake {
    Packets,
    Binder(Event),
    Kernel(Change),
    Command(Option<Command>),
    Timer,
    Outbox,
}

impl Driver {
    /// A driver that runs no group.
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            instances: Instances::default(),
            announcements: Announcements::default(),
            effects: Effects::default(),
            joined: BTreeSet::new(),
            dropped_packets: BTreeMap::new(),
            refused: None,
            interfaces_changed: false,
            commands_ended: false,
            stopping: false,
            snapshot_at: Instant::ORIGIN,
            buffer: vec![0; BUFFER_OCTETS].into_boxed_slice(),
        }
    }

    /// Drives until it was told to stop and has stopped.
    ///
    /// # Errors
    /// When the kernel fails it: there is no way on without sockets, timers or netlink.
    pub(super) async fn run(mut self) -> io::Result<()> {
        loop {
            self.turn()?;
            if self.stopping && self.instances.is_empty() && self.parts.binder.is_idle() {
                break;
            }
            let deadline = self.next_deadline();
            self.parts.timer.arm(Some(deadline))?;
            match self.wake().await? {
                Wake::Packets | Wake::Timer | Wake::Outbox => {}
                Wake::Binder(event) => self.follow_binder(event),
                Wake::Kernel(change) => self.follow_kernel(change),
                Wake::Command(Some(command)) => self.obey(command),
                // Control has ended without asking for a stop: the groups go on.
                Wake::Command(None) => self.commands_ended = true,
            }
        }
        self.parts.outbox.send(Report::Stopped);
        while !self.parts.outbox.is_empty() {
            self.parts.outbox.writable().await;
            self.parts.outbox.flush();
        }
        Ok(())
    }

    async fn wake(&mut self) -> io::Result<Wake> {
        let Parts { receiver, timer, monitor, binder, commands, outbox, .. } = &mut self.parts;
        tokio::select! {
            biased;
            outcome = receiver.readable() => outcome.map(|()| Wake::Packets),
            event = binder.next() => Ok(Wake::Binder(event)),
            change = monitor.changed() => change.map(Wake::Kernel),
            command = commands.recv(), if !self.commands_ended => Ok(Wake::Command(command)),
            outcome = timer.fired() => outcome.map(|()| Wake::Timer),
            () = outbox.writable() => Ok(Wake::Outbox),
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        self.take_packets()?;
        while let Some(event) = self.parts.binder.next().now_or_never() {
            self.follow_binder(event);
        }
        while let Some(change) = self.parts.monitor.changed_already()? {
            self.follow_kernel(change);
        }
        let now = clock::boottime();
        if std::mem::take(&mut self.interfaces_changed) {
            self.follow_interfaces(now);
        }
        self.parts.slots.beat(now);
        self.instances.expire(now, &mut self.effects);
        if self.parts.predecessor.is_overdue(now) {
            self.give_up_adoption();
        }
        self.carry_out(now);
        self.tell(now);
        Ok(())
    }

    fn next_deadline(&self) -> Instant {
        let deadlines = [
            self.instances.next_deadline(),
            self.announcements.next_deadline(),
            self.parts.predecessor.adopt_until(),
            Some(self.snapshot_at),
        ];
        deadlines.into_iter().flatten().min().unwrap_or(self.snapshot_at)
    }

    fn take_packets(&mut self) -> io::Result<()> {
        for _ in 0..PACKETS_PER_TURN {
            let Some(packet) = self.parts.receiver.receive(&mut self.buffer)? else { break };
            let octets = &self.buffer[..packet.length];
            let outcome = match receive::advertisement(octets) {
                Ok(advertisement) => {
                    self.instances.hear(packet.ifindex, &advertisement, clock::boottime(), &mut self.effects)
                }
                Err(dropped) => {
                    if let Some(vrid) = dropped.vrid {
                        self.instances.count_dropped(packet.ifindex, FAMILY, vrid);
                    }
                    Err(dropped.cause)
                }
            };
            if let Err(cause) = outcome {
                *self.dropped_packets.entry(cause).or_default() += 1;
            }
        }
        Ok(())
    }

    fn follow_binder(&mut self, event: Event) {
        let now = clock::boottime();
        let effects = &mut self.effects;
        match event {
            Event::Held { group } => self.instances.update(group, |group| group.handle_held(now, effects)),
            Event::HoldFailed { group, error } => {
                self.instances.update(group, |group| group.handle_hold_failed(&error, now, effects));
            }
            Event::Released { group, at } => {
                self.instances.update(group, |group| group.handle_released(at, effects));
            }
            Event::Restored { group, addresses } => {
                self.instances.update(group, |group| {
                    group.counters.addresses_restored += u64::try_from(addresses.len()).unwrap_or(u64::MAX);
                });
                effects.announcements.push(group);
                effects.news = true;
            }
        }
    }

    fn follow_kernel(&mut self, change: Change) {
        let interfaces = self.parts.monitor.interfaces();
        match change {
            Change::Interfaces => self.interfaces_changed = true,
            Change::AddressRemoved { at, ours } => {
                self.parts.binder.notice_removed(at);
                self.interfaces_changed |= !ours;
            }
            Change::Everything => {
                let is_there = |HostAddress { ifindex, address }| interfaces.has_address(ifindex, address);
                self.parts.binder.compare(is_there);
                self.interfaces_changed = true;
            }
        }
    }

    /// Lets every group find its feet on what the interfaces offer now.
    fn follow_interfaces(&mut self, now: Instant) {
        self.instances.follow_interfaces(self.parts.monitor.interfaces(), now, &mut self.effects);
        self.join_groups();
        self.effects.news = true;
        if let Some(refused) = self.refused.take() {
            self.apply(refused.revision, refused.groups, Some(&refused.reasons));
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Apply { .. } if self.stopping => {}
            Command::Apply { revision, groups } => {
                self.refused = None;
                self.apply(revision, groups, None);
            }
            Command::Stop => {
                self.stopping = true;
                self.refused = None;
                self.instances.stop(clock::boottime(), &mut self.effects);
                self.give_up_adoption();
            }
        }
    }

    /// Runs exactly these groups, or refuses them. `already_told` are the reasons that control knows from before.
    fn apply(
        &mut self,
        revision: Revision,
        groups: Vec<DesiredGroup>,
        already_told: Option<&[RejectionReason]>,
    ) {
        let host = ThisHost(self.parts.monitor.interfaces());
        if let Err(reasons) = apply::check(&groups, &host) {
            if already_told != Some(&reasons) {
                self.parts.outbox.send(Report::Rejected { revision, reasons: reasons.clone() });
            }
            self.refused = Some(Refused { revision, groups, reasons });
            return;
        }
        let running: Vec<_> = self
            .instances
            .iter()
            .map(|(handle, group)| Running {
                handle,
                desired: group.desired(),
                leaving: group.departure().is_some(),
            })
            .collect();
        let plan = apply::plan(&running, groups);
        self.change_to(plan);
        self.join_groups();
        self.parts.outbox.send(Report::Applied(revision));
        self.snapshot_at = Instant::ORIGIN;
    }

    fn change_to(&mut self, plan: Plan) {
        let now = clock::boottime();
        let effects = &mut self.effects;
        let interfaces = self.parts.monitor.interfaces();
        for (handle, departure) in plan.leave {
            self.instances.update(handle, |group| group.leave(departure, now, effects));
        }
        for (handle, departure) in plan.leave_at_once {
            self.instances.update(handle, |group| group.leave_at_once(departure, now, effects));
        }
        for (handle, desired) in plan.change {
            self.instances.change(handle, desired, interfaces, now, effects);
        }
        for desired in plan.start {
            let ifindex = interfaces.index_of(&desired.interface);
            let adopted = ifindex.and_then(|ifindex| self.parts.predecessor.claim(&desired, ifindex, now));
            self.instances.start(desired, adopted, interfaces, now, effects);
        }
        // Adopted addresses must be claimed before what nobody claims is removed.
        self.carry_out(now);
        self.give_up_adoption();
    }

    /// Whatever an earlier worker left and nobody has claimed by now goes.
    fn give_up_adoption(&mut self) {
        if self.parts.predecessor.give_up() {
            self.parts.slots.clear_unused();
            self.parts.binder.remove_leftovers();
        }
    }

    fn join_groups(&mut self) {
        let wanted: BTreeSet<_> = self
            .instances
            .iter()
            .filter_map(|(_, group)| group.footing())
            .map(|footing| footing.ifindex)
            .collect();
        for ifindex in wanted.difference(&self.joined) {
            if let Err(error) = self.parts.receiver.join(*ifindex, MULTICAST_MAC) {
                tracing::warn!(ifindex, %error, "cannot join the multicast group of VRRP");
            }
        }
        for ifindex in self.joined.difference(&wanted) {
            // The membership of an interface that is gone has gone with it.
            let _left = self.parts.receiver.leave(*ifindex, MULTICAST_MAC);
        }
        self.joined = wanted;
    }

    /// Does what the groups asked for.
    fn carry_out(&mut self, now: Instant) {
        let effects = std::mem::take(&mut self.effects);
        let mut touched = effects.touched;
        self.advertise(&effects.advertisements, &mut touched);
        for (group, wish) in effects.wishes {
            match wish {
                Some(wish) => self.parts.binder.hold(group, wish),
                None => {
                    self.announcements.cancel(group);
                    self.parts.binder.release(group);
                }
            }
        }
        effects.announcements.into_iter().for_each(|group| self.announcements.begin(group, now));
        self.announce(now);
        for handle in &touched {
            if let Some(group) = self.instances.get(*handle) {
                self.parts.slots.record(*handle, group);
            }
        }
        if effects.news {
            self.snapshot_at = self.snapshot_at.min(now + SNAPSHOT_AFTER);
        }
    }

    fn advertise(&mut self, advertisements: &[(GroupHandle, Claim)], touched: &mut BTreeSet<GroupHandle>) {
        let mut frames = Vec::with_capacity(advertisements.len());
        for &(handle, claim) in advertisements {
            self.instances.update(handle, |group| {
                frames.extend(group.frame(claim).map(|(ifindex, octets)| (handle, claim, ifindex, octets)));
            });
        }
        let batch: Vec<_> = frames
            .iter()
            .map(|(_, _, ifindex, octets)| Frame { ifindex: *ifindex, ethertype: ETHERTYPE_IPV4, octets })
            .collect();
        let mut sent = Vec::with_capacity(batch.len());
        self.parts.sender.send(&batch, |index, outcome| match outcome {
            Ok(()) => sent.push(index),
            Err(error) => {
                tracing::debug!(ifindex = frames[index].2, %error, "an advertisement could not leave")
            }
        });
        let at = clock::boottime();
        for index in sent {
            let (handle, claim, ..) = frames[index];
            self.instances.update(handle, |group| group.handle_sent(claim, at));
            touched.insert(handle);
        }
    }

    fn announce(&mut self, now: Instant) {
        for handle in self.announcements.take_due(now) {
            let Some((footing, addresses)) =
                self.instances.get(handle).and_then(|group| group.announcement())
            else {
                self.announcements.cancel(handle);
                continue;
            };
            let announcement = Announcement { ifindex: footing.ifindex, mac: footing.mac, addresses };
            let frames = self.parts.announcer.frames(&announcement);
            let batch: Vec<_> = frames
                .iter()
                .map(|frame| Frame {
                    ifindex: footing.ifindex,
                    ethertype: frame.ethertype,
                    octets: &frame.octets,
                })
                .collect();
            let mut sent = 0;
            self.parts.sender.send(&batch, |_, outcome| sent += u64::from(outcome.is_ok()));
            let at = (sent > 0).then(clock::boottime);
            self.instances.update(handle, |group| {
                group.counters.announcements_sent += sent;
                group.handle_announced(at);
            });
        }
    }

    /// Says what has happened to whoever is to know.
    fn tell(&mut self, now: Instant) {
        for transition in self.instances.take_transitions() {
            self.parts.outbox.send(Report::Transition(transition));
        }
        for handle in self.instances.bury() {
            self.parts.slots.free(handle);
            self.announcements.cancel(handle);
        }
        self.parts.outbox.flush();
        if self.snapshot_at <= now {
            let Parts { monitor, binder, realtime, outbox, .. } = &mut self.parts;
            outbox.offer(snapshot::take(
                &self.instances,
                monitor.interfaces(),
                binder,
                realtime,
                &self.dropped_packets,
            ));
            self.snapshot_at = now + SNAPSHOT_EVERY;
        }
    }
}
