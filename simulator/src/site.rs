//! Several LANs that the same nodes share, on one clock: the routers of one node are a sync group.
//!
//! Node `n` is router `n` of each LAN. What befalls a node befalls all its routers; what befalls a LAN, or what a node
//! has there, is done to that [`Lan`].

mod fault;
mod schedule;
mod watch;

use std::time::Duration;

use vrrp::{BoostedPriority, Config, Instance, Instant, Role, SyncSet};

pub use self::fault::SiteFault;
pub use self::schedule::{SiteSchedule, SiteSummary};
use self::watch::Watch;
use crate::lan::Lan;

/// See the module.
#[derive(Debug)]
pub struct Site {
    /// The LANs. Change them by [`Site::on_lan`].
    pub lans: Vec<Lan>,
    sets: Vec<SyncSet>,
    watch: Watch,
}

impl Site {
    /// All nodes are there, none has power. Each list is a LAN, in which each node has one router.
    #[must_use]
    pub fn new(lans: impl IntoIterator<Item = Vec<Config>>, seed: u64) -> Self {
        let lans: Vec<_> =
            lans.into_iter().zip(seed..).map(|(configs, seed)| Lan::new(configs, seed)).collect();
        let nodes = lans.iter().map(|lan| lan.nodes.len()).min().unwrap_or_default();
        let watch = Watch::new(&lans);
        Self { lans, sets: vec![SyncSet::new(); nodes], watch }
    }

    /// The clock of all LANs.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.lans.iter().map(|lan| lan.now).max().unwrap_or_default()
    }

    /// The numbers of the nodes.
    #[must_use]
    pub fn nodes(&self) -> std::ops::Range<usize> {
        0..self.sets.len()
    }

    /// Something befalls a LAN, or what a node has there.
    pub fn on_lan(&mut self, lan: usize, befalls: impl FnOnce(&mut Lan)) {
        self.watch.disturb(self.now());
        befalls(&mut self.lans[lan]);
        self.settle();
        self.watch.check(&self.lans, self.now());
    }

    /// Something befalls a node on all its LANs.
    pub fn on_all(&mut self, befalls: impl FnMut(&mut Lan)) {
        self.watch.disturb(self.now());
        self.lans.iter_mut().for_each(befalls);
        self.settle();
        self.watch.check(&self.lans, self.now());
    }

    /// Gives a node power, and starts it wherever it takes no part.
    pub fn start(&mut self, node: usize) {
        self.on_all(|lan| lan.start(node));
    }

    /// [`Site::start`] for every node.
    pub fn start_all(&mut self) {
        self.nodes().for_each(|node| self.start(node));
    }

    /// Cuts a node's power.
    pub fn crash(&mut self, node: usize) {
        self.sets[node] = SyncSet::new();
        self.on_all(|lan| lan.crash(node));
    }

    /// Tells a node to take over.
    pub fn boost(&mut self, node: usize, priority: BoostedPriority) {
        self.on_all(|lan| lan.boost(node, priority));
    }

    /// The software of a node dies, and after a while another worker is there.
    pub fn restart_worker(&mut self, node: usize, takes: Duration) {
        let old: Vec<_> = self.lans.iter_mut().map(|lan| lan.end_worker(node)).collect();
        self.sets[node] = SyncSet::new();
        self.watch.disturb(self.now());
        self.run_for(takes);
        for (lan, old) in self.lans.iter_mut().zip(&old) {
            if let Some(old) = old {
                lan.begin_worker(node, old);
            }
        }
        self.watch.disturb(self.now());
        self.settle();
    }

    /// Lets everything happen that is due within `duration`.
    ///
    /// # Panics
    /// When a router breaks a rule that holds at every instant, or the nodes what a sync group owes.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now() + duration;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.lans.iter_mut().for_each(|lan| lan.now = at);
            if let Some(lan) = self.lans.iter_mut().find(|lan| lan.next_at() == Some(at)) {
                lan.step(at);
            }
            self.settle();
            self.watch.check(&self.lans, at);
        }
        self.lans.iter_mut().for_each(|lan| lan.now = end);
        self.watch.check(&self.lans, end);
    }

    /// The nodes that are Active on this LAN.
    #[must_use]
    pub fn active(&self, lan: usize) -> Vec<usize> {
        self.lans[lan].active()
    }

    /// The node that is Active on all LANs, where no other is on any.
    #[must_use]
    pub fn whole(&self) -> Option<usize> {
        let mut actives = self.lans.iter().map(Lan::active);
        let first = actives.next()?;
        let [node] = first[..] else { return None };
        actives.all(|active| active == first).then_some(node)
    }

    /// How often roles have changed on all LANs.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.lans.iter().map(|lan| lan.changes().len()).sum()
    }

    /// The longest time for which a node was Active on some of its LANs only.
    #[must_use]
    pub fn longest_in_part(&self) -> Duration {
        self.watch.longest_in_part()
    }

    /// How long after the last thing that happened nothing moves any more, whatever the LANs were left in.
    #[must_use]
    pub fn settling_time(&self) -> Duration {
        self.watch.settling_time()
    }

    /// How often everything was seen to have settled.
    #[must_use]
    pub const fn times_settled(&self) -> u64 {
        self.watch.kept()
    }

    fn next_at(&self) -> Option<Instant> {
        let sets = self.nodes().filter(|node| !self.is_paused(*node)).filter_map(|node| {
            let at = self.sets[node].poll_timeout()?;
            Some((at - self.lans[0].nodes[node].ahead).max(self.now()))
        });
        self.lans.iter().filter_map(Lan::next_at).chain(sets).min()
    }

    fn is_paused(&self, node: usize) -> bool {
        self.lans.iter().any(|lan| lan.nodes[node].paused_until.is_some())
    }

    /// Lets each node see what the routers of its sync group allow each other.
    fn settle(&mut self) {
        for node in self.nodes() {
            if self.is_paused(node) {
                continue;
            }
            let now = self.lans[0].nodes[node].clock(self.now());
            let mut members: Vec<Option<&mut Instance>> =
                self.lans.iter_mut().map(|lan| lan.nodes[node].instance.as_mut()).collect();
            if members.iter().all(Option::is_none) {
                continue;
            }
            self.sets[node].settle(&mut members, now);
            for lan in &mut self.lans {
                if lan.nodes[node].instance.is_some() {
                    lan.carry_out(node);
                }
            }
        }
    }
}

/// On how many LANs a node is Active.
fn active_on(lans: &[Lan], node: usize) -> usize {
    lans.iter().filter(|lan| lan.nodes[node].role == Role::Active).count()
}
