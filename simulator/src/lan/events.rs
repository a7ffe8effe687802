//! What happens next, and what the routers make of it.

use std::net::IpAddr;
use std::time::Duration;

use rand::Rng;
use vrrp::packet::{self, Outgoing};
use vrrp::{
    Action, Advertisement, AdvertisementInterval, Change, ChecksumForm, Claim, Demands, Envelope, Instance,
    Instant, Reason, Role,
};

use super::{Lan, Trace};
use crate::manners::Manners;
use crate::node::Frame;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    Arrival {
        to: usize,
        frame: Frame,
    },
    /// `to` is told that the router at `source` has let go.
    Assist {
        to: usize,
        source: IpAddr,
        sequence: u16,
    },
    /// A router is told that a new group may begin at once.
    Begin(usize),
    /// A client beside `to` hears `from` announce.
    Announced {
        to: usize,
        from: usize,
    },
    HoldAnswered {
        node: usize,
        wish: u64,
    },
}

impl Lan {
    /// Lets everything happen that is due within `duration`.
    ///
    /// # Panics
    /// When a router breaks a rule that holds at every instant, or the LAN its promise.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.promise.check(&self.nodes, &self.wire, self.now);
        while self.step(end) {
            self.happened += 1;
            self.promise.check(&self.nodes, &self.wire, self.now);
        }
        self.now = end;
        self.observe();
        self.promise.check(&self.nodes, &self.wire, self.now);
    }

    /// When something happens next by itself.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let wake = self.next_wake().map(|(at, _)| at);
        let event = self.events.keys().next().map(|(at, _)| *at);
        wake.into_iter().chain(event).min()
    }

    fn next_wake(&self) -> Option<(Instant, usize)> {
        (0..self.nodes.len())
            .filter_map(|node| Some((self.nodes[node].wakes_at()?, node)))
            .min()
            .map(|(at, node)| (at.max(self.now), node))
    }

    /// Does what comes next, if it comes before `end`.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        let event = self.events.keys().next().copied();

        match (self.next_wake(), event) {
            (Some((at, node)), event) if at <= end && event.is_none_or(|(arrives, _)| at < arrives) => {
                self.now = at;
                self.wake(node);
                true
            }
            (_, Some(key)) if key.0 <= end => {
                self.now = key.0;
                if let Some(event) = self.events.remove(&key) {
                    self.happen(event);
                }
                true
            }
            _ => false,
        }
    }

    fn wake(&mut self, node: usize) {
        if self.nodes[node].paused_until.take().is_some() {
            self.disturb();
        }
        self.check_itself(node);
        if self.careless {
            self.expire(node);
        }
        while let Some(frame) = self.nodes[node].inbox.pop_front() {
            self.receive(node, &frame);
        }
        self.expire(node);
    }

    /// A router of ours that finds itself too late lets go before it does anything else.
    fn check_itself(&mut self, node: usize) {
        if !self.nodes[node].manners.is_foreign() {
            self.with(node, |instance, now| {
                if instance.is_overdue(now) {
                    instance.lapse(now);
                }
            });
        }
    }

    fn expire(&mut self, node: usize) {
        self.with(node, |instance, now| {
            instance.handle_timeout(now);
            let next = instance.poll_timeout();
            assert!(next.is_none_or(|next| next > now), "woken at {now:?} it waits for {next:?}");
        });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival { to, frame } => {
                let node = &mut self.nodes[to];
                if node.paused_until.is_some() {
                    node.inbox.push_back(frame);
                } else {
                    self.check_itself(to);
                    self.receive(to, &frame);
                }
            }
            Event::Assist { to, source, sequence } => self.assist(to, source, sequence),
            Event::Begin(node) => self.begin(node),
            Event::Announced { to, from } => self.nodes[to].believed = Some(from),
            Event::HoldAnswered { node, wish } if wish == self.nodes[node].wish => {
                let refuses = self.nodes[node].refuses;
                self.nodes[node].holds = !refuses;
                if refuses {
                    self.nodes[node].outranking_since = None;
                }
                let answer = if refuses { Instance::handle_hold_failed } else { Instance::handle_held };
                self.with(node, answer);
            }
            Event::HoldAnswered { .. } => {}
        }
    }

    fn receive(&mut self, node: usize, frame: &Frame) {
        let Ok(advertisement) = packet::decode(&frame.message, &frame.envelope, Demands::RFC_9568) else {
            panic!("{frame:?} was written by one of us");
        };
        self.hand_over(node, &advertisement, Some(frame.sequence));
    }

    /// Gives a router what was heard, which it may refuse: strangers, and members of version 2 that still
    /// have another interval. That is for them to get over.
    pub(super) fn hand_over(&mut self, number: usize, advertisement: &Advertisement, sequence: Option<u16>) {
        let node = &mut self.nodes[number];
        let wins = node.wins_against(advertisement);
        if node.manners == Manners::Frr && wins {
            return;
        }
        let waits =
            node.role == Role::Backup && !node.instance.as_ref().is_some_and(Instance::wants_addresses);
        let now = node.clock(self.now);
        let Some(instance) = &mut node.instance else { return };
        let result = instance.handle_numbered(advertisement, sequence, now);
        let heard = instance.last_heard().map(|heard| (heard.source, heard.at));
        let accepted = result.is_ok() && heard == Some((advertisement.source, now));
        if accepted && waits {
            node.note(advertisement, now);
        }
        node.owes_announcement |= accepted && wins;
        if accepted && advertisement.claim == Claim::Resigns {
            self.succeed(number, advertisement.source);
        }
        self.carry_out(number);
    }

    pub(super) fn with(&mut self, node: usize, input: impl FnOnce(&mut Instance, Instant)) {
        let now = self.nodes[node].clock(self.now);
        if let Some(instance) = &mut self.nodes[node].instance {
            input(instance, now);
            self.carry_out(node);
        }
    }

    pub(crate) fn carry_out(&mut self, number: usize) {
        while let Some(action) = self.nodes[number].instance.as_mut().and_then(Instance::poll_action) {
            self.trace.push(Trace { at: self.now, node: number, action });
            let node = &mut self.nodes[number];
            match action {
                Action::Hold => {
                    node.wish += 1;
                    let wish = node.wish;
                    let takes = Duration::from_micros(self.rng.random_range(self.hold_us.clone()));
                    self.schedule(takes, Event::HoldAnswered { node: number, wish });
                }
                Action::Release | Action::HandOver => {
                    node.wish += 1;
                    node.holds = false;
                }
                Action::Advertise(claim) => {
                    assert!(node.holds || claim == Claim::Resigns, "{number} claims what it does not hold");
                    self.send(number, claim, None);
                }
                Action::Concede(_) if node.manners.is_foreign() => {}
                Action::Concede(interval) => {
                    assert!(node.holds, "{number} concedes what it does not hold");
                    node.conceded_at = Some(self.now);
                    let claim = Claim::Holds(node.effective().priority());
                    self.send(number, claim, Some(interval));
                }
                Action::Hush => assert!(node.holds, "{number} has nothing to be silent about"),
                Action::Announce if node.manners.is_foreign() && node.keeps_silent() => {}
                Action::Announce => {
                    assert!(node.holds, "{number} announces what it does not hold");
                    node.announced_at = Some(self.now);
                    self.announce(number);
                }
                Action::Report(Change { from, to, reason }) => {
                    if reason == Reason::Preempting {
                        self.promise.assert_has_waited(node, self.now);
                    }
                    assert_eq!(from, node.role, "{number} reports without gaps");
                    assert_ne!(from, to, "{number} reports changes only");
                    node.role = to;
                    if to != Role::Active {
                        (node.outranking_since, node.owes_announcement) = (None, false);
                    }
                }
            }
        }
        let node = &self.nodes[number];
        assert!(node.holds || node.role != Role::Active, "{number} is Active without the addresses");
        let role = node.instance.as_ref().map(Instance::role);
        assert_eq!(role, Some(node.role), "{number} reports every change");
        self.observe();
    }

    fn send(&mut self, from: usize, claim: Claim, interval: Option<AdvertisementInterval>) {
        let Some(instance) = &self.nodes[from].instance else { return };
        let config = instance.config();
        let (source, destination) = (config.source(), config.family().multicast_group());
        let (checksum, interval) = (ChecksumForm::Rfc5798, interval.unwrap_or(config.interval()));
        let message = packet::encode(&Outgoing { config, claim, interval, destination, checksum });
        let envelope = Envelope { source, destination, hop_limit: packet::HOP_LIMIT };
        self.nodes[from].sequence = self.nodes[from].sequence.wrapping_add(1);
        let sequence = self.nodes[from].sequence;
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            for latency in self.wire.carry((from, to), &mut self.rng) {
                let frame = Frame { message: message.clone(), envelope, sequence };
                self.schedule(latency, Event::Arrival { to, frame });
            }
        }
    }

    fn announce(&mut self, from: usize) {
        self.nodes[from].believed = Some(from);
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            for latency in self.wire.carry((from, to), &mut self.rng) {
                self.schedule(latency, Event::Announced { to, from });
            }
        }
    }

    pub(super) fn schedule(&mut self, after: Duration, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now + after, self.scheduled), event);
    }
}
