//! Routers on one LAN and one virtual clock. The same seed and the same calls give the same trace.
//!
//! Every message goes through the encoder and the decoder. What must hold at every instant is asserted here, so that
//! each test asserts it: nobody claims to hold the addresses whose kernel does not have them, nobody announces
//! without holding, nobody is Active without holding, reports follow each other without gaps, and an instance that
//! has been woken waits for something in the future.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use vrrp::packet::{self, Outgoing};
use vrrp::{Action, Change, ChecksumForm, Claim, Config, Envelope, Instance, Instant, Role};

use crate::node::{Frame, Node};
use crate::wire::Wire;

/// Something that will happen.
#[derive(Debug)]
enum Event {
    Arrival { to: usize, frame: Frame },
    HoldAnswered { node: usize, wish: u64 },
}

/// Something that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) at: Instant,
    pub(crate) node: usize,
    pub(crate) action: Action,
}

/// The LAN.
pub(crate) struct Lan {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    pub(crate) wire: Wire,
    pub(crate) trace: Vec<Trace>,
    /// How long a kernel takes to bind the addresses, in microseconds.
    pub(crate) hold_us: std::ops::RangeInclusive<u64>,
    /// Whether the drivers, when they wake late, look at their deadlines before they look at what has come in.
    pub(crate) careless: bool,
    /// The longest time that two held the addresses at once, and the longest that nobody did.
    pub(crate) overlap: Stretch,
    pub(crate) vacancy: Stretch,
    events: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
    rng: StdRng,
}

/// Measures how long something lasts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stretch {
    since: Option<Instant>,
    longest: Duration,
}

impl Stretch {
    fn observe(&mut self, is_so: bool, now: Instant) {
        match (self.since, is_so) {
            (None, true) => self.since = Some(now),
            (Some(since), _) => {
                self.longest = self.longest.max(now.saturating_duration_since(since));
                self.since = is_so.then_some(since);
            }
            (None, false) => {}
        }
    }

    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }
}

impl Lan {
    /// All routers are there, none has power.
    pub(crate) fn new(configs: impl IntoIterator<Item = Config>, seed: u64) -> Self {
        Self {
            now: Instant::from_origin(Duration::from_secs(1_000_000)),
            nodes: configs.into_iter().map(Node::new).collect(),
            wire: Wire::new(),
            trace: Vec::new(),
            hold_us: 100..=2_000,
            careless: false,
            overlap: Stretch::default(),
            vacancy: Stretch::default(),
            events: BTreeMap::new(),
            scheduled: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Gives a router power, if it has none, and starts it, if it takes no part.
    pub(crate) fn start(&mut self, node: usize) {
        let now = self.now;
        let Node { config, instance, role, .. } = &mut self.nodes[node];
        if *role == Role::Initialize && !instance.as_ref().is_some_and(Instance::wants_addresses) {
            *instance = Some(Instance::new(config.clone()));
        }
        self.with(node, |instance| instance.start(now));
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.start(node));
    }

    /// Cuts a router's power.
    pub(crate) fn crash(&mut self, node: usize) {
        self.nodes[node].lose_power();
        self.observe();
    }

    /// Stops a router gracefully.
    pub(crate) fn stop(&mut self, node: usize) {
        let now = self.now;
        self.with(node, |instance| instance.stop(now));
    }

    /// Changes a router's settings while it runs.
    pub(crate) fn reconfigure(&mut self, node: usize, config: Config) {
        let now = self.now;
        self.nodes[node].config = config.clone();
        self.with(node, |instance| instance.reconfigure(config, now).unwrap());
    }

    /// The software of a router dies; its kernel keeps the addresses, and a new worker takes them over.
    pub(crate) fn restart_worker(&mut self, node: usize, takes: Duration) {
        let last_sent = self
            .trace
            .iter()
            .rfind(|trace| trace.node == node && matches!(trace.action, Action::Advertise(Claim::Holds(_))));
        let last_sent = last_sent.map(|trace| trace.at);
        let role = self.nodes[node].role;
        self.nodes[node].instance = None;
        self.run_for(takes);

        let (now, mut instance) = (self.now, Instance::new(self.nodes[node].config.clone()));
        match (role, last_sent) {
            (Role::Active, Some(last_sent)) => instance.adopt(now, last_sent),
            _ => panic!("a worker adopts what its predecessor held"),
        }
        self.nodes[node].instance = Some(instance);
        self.carry_out(node);
    }

    /// A router does nothing for a while; its kernel goes on answering.
    pub(crate) fn pause(&mut self, node: usize, duration: Duration) {
        self.nodes[node].paused_until = Some(self.now + duration);
    }

    /// A kernel refuses from now on, and loses what it holds.
    pub(crate) fn refuse_to_hold(&mut self, node: usize) {
        self.nodes[node].refuses = true;
        if std::mem::take(&mut self.nodes[node].holds) {
            let now = self.now;
            self.with(node, |instance| instance.handle_hold_failed(now));
        }
    }

    /// Cuts a LAN into those below `boundary` and the others.
    pub(crate) fn split(&mut self, boundary: usize) {
        for left in 0..boundary {
            for right in boundary..self.nodes.len() {
                self.wire.cut((left, right));
                self.wire.cut((right, left));
            }
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
        self.now = end;
        self.observe();
    }

    /// Forgets how long two or none have held the addresses so far.
    pub(crate) fn measure_anew(&mut self) {
        (self.overlap, self.vacancy) = (Stretch::default(), Stretch::default());
        self.observe();
    }

    pub(crate) fn active(&self) -> Vec<usize> {
        self.numbers_of(|node| node.role == Role::Active)
    }

    pub(crate) fn holders(&self) -> Vec<usize> {
        self.numbers_of(|node| node.holds)
    }

    /// Every change of role, with who changed.
    pub(crate) fn changes(&self) -> Vec<(usize, Change)> {
        self.trace
            .iter()
            .filter_map(|trace| match trace.action {
                Action::Report(change) => Some((trace.node, change)),
                Action::Hold | Action::Advertise(_) | Action::Announce | Action::Release => None,
            })
            .collect()
    }

    fn numbers_of(&self, is_one: impl Fn(&Node) -> bool) -> Vec<usize> {
        (0..self.nodes.len()).filter(|number| is_one(&self.nodes[*number])).collect()
    }

    /// Does what comes next, if it comes before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let wake = (0..self.nodes.len())
            .filter_map(|node| Some((self.nodes[node].wakes_at()?, node)))
            .min()
            .map(|(at, node)| (at.max(self.now), node));
        let event = self.events.keys().next().copied();

        match (wake, event) {
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
        self.nodes[node].paused_until = None;
        if self.careless {
            self.expire(node);
        }
        while let Some(frame) = self.nodes[node].inbox.pop_front() {
            self.receive(node, &frame);
        }
        self.expire(node);
    }

    fn expire(&mut self, node: usize) {
        let now = self.now;
        self.with(node, |instance| {
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
                    self.receive(to, &frame);
                }
            }
            Event::HoldAnswered { node, wish } if wish == self.nodes[node].wish => {
                let (now, refuses) = (self.now, self.nodes[node].refuses);
                self.nodes[node].holds = !refuses;
                self.with(node, |instance| {
                    if refuses { instance.handle_hold_failed(now) } else { instance.handle_held(now) }
                });
            }
            Event::HoldAnswered { .. } => {}
        }
    }

    fn receive(&mut self, node: usize, frame: &Frame) {
        let now = self.now;
        let advertisement = packet::decode(&frame.message, &frame.envelope).unwrap();
        self.with(node, |instance| instance.handle_advertisement(&advertisement, now).unwrap());
    }

    fn with(&mut self, node: usize, input: impl FnOnce(&mut Instance)) {
        if let Some(instance) = &mut self.nodes[node].instance {
            input(instance);
            self.carry_out(node);
        }
    }

    fn carry_out(&mut self, number: usize) {
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
                Action::Release => {
                    node.wish += 1;
                    node.holds = false;
                }
                Action::Advertise(claim) => {
                    assert!(node.holds || claim == Claim::Resigns, "{number} claims what it does not hold");
                    self.send(number, claim);
                }
                Action::Announce => assert!(node.holds, "{number} announces what it does not hold"),
                Action::Report(Change { from, to, .. }) => {
                    assert_eq!(from, node.role, "{number} reports without gaps");
                    assert_ne!(from, to, "{number} reports changes only");
                    node.role = to;
                }
            }
        }
        let node = &self.nodes[number];
        assert!(node.holds || node.role != Role::Active, "{number} is Active without the addresses");
        assert_eq!(
            node.instance.as_ref().map(Instance::role),
            Some(node.role),
            "{number} reports every change"
        );
        self.observe();
    }

    fn send(&mut self, from: usize, claim: Claim) {
        let Some(instance) = &self.nodes[from].instance else { return };
        let config = instance.config();
        let (source, destination) = (config.source(), config.family().multicast_group());
        let checksum = ChecksumForm::Rfc5798;
        let message = packet::encode(&Outgoing { config, claim, destination, checksum });
        let envelope = Envelope { source, destination, hop_limit: packet::HOP_LIMIT };
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            if let Some(latency) = self.wire.carry((from, to), &mut self.rng) {
                let frame = Frame { message: message.clone(), envelope };
                self.schedule(latency, Event::Arrival { to, frame });
            }
        }
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now + after, self.scheduled), event);
    }

    fn observe(&mut self) {
        let holders = self.holders().len();
        self.overlap.observe(holders > 1, self.now);
        self.vacancy.observe(holders == 0, self.now);
    }
}
