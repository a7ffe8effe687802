//! The LAN: routers, what lies between them, and the clock.

mod events;
mod outside;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use vrrp::{Action, Advertisement, Change, Claim, Config, Instance, Instant, Role};

use self::events::Event;
use crate::node::Node;
use crate::promise::Promise;
use crate::stretch::Stretch;
use crate::wire::Wire;

/// How long after its last advertisement a new worker still takes over from the one that died, in intervals.
const ADOPTION: u32 = 3;
/// A kernel that refused is tried again no later than this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Something that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// When, by the LAN's clock.
    pub at: Instant,
    /// To which router, by its number.
    pub node: usize,
    /// What it asked for.
    pub action: Action,
}

/// See the crate.
#[derive(Debug)]
pub struct Lan {
    /// The LAN's clock.
    pub now: Instant,
    /// The routers, by their numbers.
    pub nodes: Vec<Node>,
    /// What lies between them.
    pub wire: Wire,
    /// Everything that the routers have asked for.
    pub trace: Vec<Trace>,
    /// How long a kernel takes to bind the addresses, in microseconds.
    pub hold_us: RangeInclusive<u64>,
    /// Whether the drivers, when they wake late, look at their deadlines before they look at what has come
    /// in.
    pub careless: bool,
    /// How long two held the addresses at once.
    pub overlap: Stretch,
    /// How long nobody did.
    pub vacancy: Stretch,
    /// How often a router obeyed the word that another one had let go.
    pub assists_obeyed: u64,
    /// How often a router began at once because it was told that it may.
    pub begun_at_once: u64,
    events: BTreeMap<(Instant, u64), Event>,
    happened: u64,
    scheduled: u64,
    promise: Promise,
    rng: StdRng,
}

impl Lan {
    /// All routers are there, none has power.
    #[must_use]
    pub fn new(configs: impl IntoIterator<Item = Config>, seed: u64) -> Self {
        let now = Instant::from_origin(Duration::from_secs(1_000_000));
        Self {
            now,
            nodes: configs.into_iter().map(Node::new).collect(),
            wire: Wire::new(),
            trace: Vec::new(),
            hold_us: 100..=2_000,
            careless: false,
            overlap: Stretch::default(),
            vacancy: Stretch::default(),
            assists_obeyed: 0,
            begun_at_once: 0,
            events: BTreeMap::new(),
            happened: 0,
            scheduled: 0,
            promise: Promise::new(now),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Gives a router power, if it has none, and starts it, if it takes no part.
    pub fn start(&mut self, node: usize) {
        self.disturb();
        let Node { config, instance, role, holds, outranking_since, .. } = &mut self.nodes[node];
        if instance.is_none() && *holds {
            return; // Its worker is being restarted.
        }
        if *role == Role::Initialize && !instance.as_ref().is_some_and(Instance::wants_addresses) {
            *instance = Some(Instance::new(config.clone()));
            *outranking_since = None;
        }
        self.with(node, Instance::start);
    }

    /// [`Lan::start`] for every router.
    pub fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.start(node));
    }

    /// Cuts a router's power.
    pub fn crash(&mut self, node: usize) {
        self.disturb();
        self.nodes[node].lose_power();
        self.observe();
    }

    /// Stops a router gracefully.
    pub fn stop(&mut self, node: usize) {
        self.disturb();
        self.with(node, Instance::stop);
        if self.nodes[node].manners.is_foreign() {
            self.nodes[node].lose_power();
        }
    }

    /// Changes a router's settings while it runs.
    ///
    /// # Panics
    /// When they are another virtual router's.
    pub fn reconfigure(&mut self, node: usize, config: Config) {
        self.disturb();
        self.nodes[node].config = config.clone();
        self.with(node, |instance, now| {
            assert_eq!(instance.reconfigure(config, now), Ok(()));
        });
    }

    /// The software of a router dies, and after a while a new worker finds what its predecessor left: it goes
    /// on where that one was Active until lately, and otherwise clears away what it finds and starts anew.
    pub fn restart_worker(&mut self, node: usize, takes: Duration) {
        let Some(old) = self.end_worker(node) else { return };
        self.run_for(takes);
        self.begin_worker(node, &old);
    }

    /// The software of a router dies. What it was doing is for [`Lan::begin_worker`] to know.
    pub(crate) fn end_worker(&mut self, node: usize) -> Option<Instance> {
        let old = self.nodes[node].instance.take()?;
        if old.is_leaving() {
            self.nodes[node].lose_power();
        }
        self.nodes[node].wish += 1;
        Some(old)
    }

    /// A new worker finds what this one left.
    pub(crate) fn begin_worker(&mut self, node: usize, old: &Instance) {
        self.disturb();
        let last_sent = self
            .trace
            .iter()
            .rfind(|trace| trace.node == node && matches!(trace.action, Action::Advertise(Claim::Holds(_))));
        let last_sent = last_sent.map(|trace| trace.at).filter(|at| {
            self.now.saturating_duration_since(*at) <= old.config().interval().as_duration() * ADOPTION
        });
        let state = &mut self.nodes[node];
        let mut instance = Instance::new(state.config.clone());
        match last_sent {
            Some(last_sent) if state.holds && state.role == Role::Active => {
                if let Some(boost) = old.config().boost() {
                    instance.resume_boost(boost);
                }
                instance.adopt(state.clock(self.now), state.clock(last_sent));
                state.instance = Some(instance);
                self.carry_out(node);
            }
            _ if old.role() == Role::Initialize && !old.wants_addresses() => state.lose_power(),
            _ => {
                (state.holds, state.role) = (false, Role::Initialize);
                self.start(node);
            }
        }
    }

    /// A router does nothing for a while; its kernel goes on answering.
    pub fn pause(&mut self, node: usize, duration: Duration) {
        self.nodes[node].paused_until = Some(self.now + duration);
        self.disturb();
    }

    /// A router's clock jumps ahead, as when it was suspended, while its deadlines stay.
    pub fn jump(&mut self, node: usize, ahead: Duration) {
        self.nodes[node].ahead += ahead;
        self.disturb();
    }

    /// A kernel refuses from now on, and loses what it holds.
    pub fn refuse_to_hold(&mut self, node: usize) {
        self.disturb();
        (self.nodes[node].refuses, self.nodes[node].refused) = (true, true);
        self.nodes[node].outranking_since = None;
        if std::mem::take(&mut self.nodes[node].holds) {
            self.with(node, Instance::handle_hold_failed);
        }
    }

    /// A kernel that refused does as it is told again.
    pub fn permit_to_hold(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].refuses) {
            self.promise.disturb(self.now + LONGEST_BACKOFF);
        }
    }

    /// Every router hears an advertisement from a stranger that is not heard again.
    pub fn hear(&mut self, advertisement: &Advertisement) {
        self.disturb();
        for node in 0..self.nodes.len() {
            self.hand_over(node, advertisement, None);
        }
    }

    /// Cuts the LAN into the routers below `boundary` and the others.
    pub fn split(&mut self, boundary: usize) {
        for left in 0..boundary {
            for right in boundary..self.nodes.len() {
                self.wire.cut((left, right));
                self.wire.cut((right, left));
            }
        }
    }

    /// Makes the wire whole again. What is on its way still takes as long as it took.
    pub fn heal(&mut self) {
        self.promise.disturb(self.now + self.wire.longest_latency());
        self.wire.heal();
    }

    /// Forgets how long two or none have held the addresses so far.
    pub fn measure_anew(&mut self) {
        (self.overlap, self.vacancy) = (Stretch::default(), Stretch::default());
        self.observe();
    }

    /// The routers whose role is Active.
    #[must_use]
    pub fn active(&self) -> Vec<usize> {
        self.numbers_of(|node| node.role == Role::Active)
    }

    /// The routers whose kernel has the addresses.
    #[must_use]
    pub fn holders(&self) -> Vec<usize> {
        self.numbers_of(|node| node.holds)
    }

    /// Every change of role, with who changed.
    #[must_use]
    pub fn changes(&self) -> Vec<(usize, Change)> {
        self.trace
            .iter()
            .filter_map(|trace| match trace.action {
                Action::Report(change) => Some((trace.node, change)),
                Action::Hold
                | Action::Advertise(_)
                | Action::Concede(_)
                | Action::Hush
                | Action::Announce
                | Action::HandOver
                | Action::Release => None,
            })
            .collect()
    }

    /// How many deadlines, frames and answers of kernels there have been.
    #[must_use]
    pub const fn happened(&self) -> u64 {
        self.happened
    }

    /// How often the LAN was disturbed and then seen to have exactly one holder, and the right one.
    #[must_use]
    pub const fn promises_kept(&self) -> u64 {
        self.promise.kept()
    }

    /// How often the LAN was disturbed and then seen to have no client that believes in another than the
    /// holder.
    #[must_use]
    pub const fn clients_knew(&self) -> u64 {
        self.promise.clients_knew()
    }

    /// How often the holder was one that announces only against a losing advertisement, and heard one.
    #[must_use]
    pub const fn concessions_helped(&self) -> u64 {
        self.promise.concessions_helped()
    }

    fn disturb(&mut self) {
        self.promise.disturb(self.now);
    }

    fn numbers_of(&self, is_one: impl Fn(&Node) -> bool) -> Vec<usize> {
        (0..self.nodes.len()).filter(|number| is_one(&self.nodes[*number])).collect()
    }

    fn observe(&mut self) {
        let holders = self.nodes.iter().filter(|node| node.holds).count();
        self.overlap.observe(holders > 1, self.now);
        self.vacancy.observe(holders == 0, self.now);
    }
}
