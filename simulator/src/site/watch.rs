//! What nodes owe to those who use them as a sync group.
//!
//! A node is Active on some of its LANs only while it gives up the others, or gets them: for a stated time, whatever
//! happens. When nothing has happened for the settling time, however broken the LANs were left, nothing moves any more:
//! each node is Active on all its LANs or on none, and no role changes. Where nothing is broken one node is, and it is
//! the right one.

use std::time::Duration;

use vrrp::Instant;

use super::active_on;
use crate::lan::Lan;
use crate::node::Node;

/// What frames and kernels take.
const SLACK: Duration = Duration::from_millis(300);
/// A node answers for what it gives up for four of its longest interval; who takes over may need one Active_Down_Interval.
const IN_PART: u32 = 5;
/// How many of the largest Active_Down_Interval each node may need once those before it have settled: one to hear
/// nobody, one to give up, three to hold off, and one to preempt.
const SETTLING: u32 = 6;
/// A kernel that refused is tried again no later than this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Watches a site for it.
#[derive(Debug)]
pub(super) struct Watch {
    quiet_from: Instant,
    /// The longest Active_Down_Interval, interval and preempt delay that any router has had.
    down: Duration,
    interval: Duration,
    delay: Duration,
    /// Whether any kernel ever refused.
    refused: bool,
    /// Whether something still happened at the last look.
    restless: bool,
    /// Since when each node is Active in part.
    in_part_since: Vec<Option<Instant>>,
    longest_in_part: Duration,
    /// How often roles had changed on each LAN when everything had settled, and at the last look.
    settled: Option<usize>,
    changes: usize,
    told: Vec<usize>,
    kept: u64,
}

impl Watch {
    pub(super) fn new(lans: &[Lan]) -> Self {
        let nodes = lans.iter().map(|lan| lan.nodes.len()).min().unwrap_or_default();
        Self {
            quiet_from: lans.first().map_or(Instant::ORIGIN, |lan| lan.now),
            down: Duration::ZERO,
            interval: Duration::ZERO,
            delay: Duration::ZERO,
            refused: false,
            restless: false,
            in_part_since: vec![None; nodes],
            longest_in_part: Duration::ZERO,
            settled: None,
            changes: 0,
            told: vec![0; lans.len()],
            kept: 0,
        }
    }

    /// Something has happened.
    pub(super) fn disturb(&mut self, now: Instant) {
        self.quiet_from = self.quiet_from.max(now);
        self.settled = None;
    }

    /// How often everything was seen to have settled.
    pub(super) const fn kept(&self) -> u64 {
        self.kept
    }

    pub(super) const fn longest_in_part(&self) -> Duration {
        self.longest_in_part
    }

    /// Looks at the site.
    ///
    /// # Panics
    /// When it breaks a promise.
    pub(super) fn check(&mut self, lans: &[Lan], now: Instant) {
        self.learn(lans);
        self.count_changes(lans);
        let restless = lans.iter().any(is_restless);
        if std::mem::replace(&mut self.restless, restless) || restless {
            self.disturb(now);
        }
        let nodes = 0..self.in_part_since.len();
        nodes.clone().for_each(|node| self.check_parts(lans, node, now));

        if now < self.quiet_from + self.settling_time() {
            return;
        }
        let settled = *self.settled.get_or_insert_with(|| {
            self.kept += 1;
            self.changes
        });
        assert_eq!(
            self.changes, settled,
            "a role changed although nothing has happened since {:?}",
            self.quiet_from
        );
        for node in nodes.clone() {
            let active = active_on(lans, node);
            assert!(
                active == 0 || active == lans.len(),
                "{node} is Active on {active} of {} LANs",
                lans.len()
            );
        }
        if lans.iter().all(is_whole) {
            let whole: Vec<_> = nodes.clone().filter(|node| active_on(lans, *node) == lans.len()).collect();
            let candidates = nodes.filter(|node| takes_part(lans, *node));
            let best = candidates.max_by_key(|node| lans[0].nodes[*node].effective().priority());
            assert_eq!(whole.len(), usize::from(best.is_some()), "{whole:?} are Active");
            if let (Some(best), [active]) = (best, &whole[..])
                && lans.iter().all(|lan| lan.nodes[best].effective().preempts())
            {
                assert_eq!(*active, best, "the best one preempts");
            }
        }
    }

    /// How long after the last thing that happened nothing moves any more.
    pub(super) fn settling_time(&self) -> Duration {
        let patience = if self.refused { LONGEST_BACKOFF * 2 } else { Duration::ZERO };
        let nodes = u32::try_from(self.in_part_since.len()).unwrap_or(u32::MAX);
        (self.down * SETTLING + self.delay) * nodes + patience + SLACK
    }

    fn learn(&mut self, lans: &[Lan]) {
        for node in lans.iter().flat_map(|lan| &lan.nodes) {
            let config = &node.config;
            self.refused |= node.refused;
            self.interval = self.interval.max(config.interval().as_duration());
            self.delay = self.delay.max(config.preempt_delay());
            self.down = self.down.max(config.active_down_interval(config.interval()));
            if let Some(instance) = &node.instance {
                self.down = self.down.max(instance.active_down_interval());
            }
        }
    }

    fn count_changes(&mut self, lans: &[Lan]) {
        for (lan, told) in lans.iter().zip(&mut self.told) {
            let new = lan.trace[*told..].iter();
            self.changes += new.filter(|trace| matches!(trace.action, vrrp::Action::Report(_))).count();
            *told = lan.trace.len();
        }
    }

    fn check_parts(&mut self, lans: &[Lan], node: usize, now: Instant) {
        let active = active_on(lans, node);
        let acts = |lan: &Lan| lan.nodes[node].paused_until.is_none() && !is_restarting(&lan.nodes[node]);
        if active == 0 || active == lans.len() || !lans.iter().all(acts) {
            self.in_part_since[node] = None;
            return;
        }
        let lasts = now.saturating_duration_since(*self.in_part_since[node].get_or_insert(now));
        self.longest_in_part = self.longest_in_part.max(lasts);
        let longest = self.interval * IN_PART + SLACK;
        assert!(lasts <= longest, "{node} has been Active on {active} of {} LANs for {lasts:?}", lans.len());
    }
}

/// Whether something still happens on the LAN: frames are lost or delayed, a node is paused, restarted or on its way out.
fn is_restless(lan: &Lan) -> bool {
    let is_restless = |node: &Node| node.paused_until.is_some() || is_restarting(node);
    !lan.wire.is_steady() || lan.nodes.iter().any(is_restless)
}

const fn is_restarting(node: &Node) -> bool {
    node.instance.is_none() && node.holds
}

/// Whether nothing is broken.
fn is_whole(lan: &Lan) -> bool {
    lan.wire.is_whole() && !lan.nodes.iter().any(|node| node.refuses)
}

fn takes_part(lans: &[Lan], node: usize) -> bool {
    lans.iter().all(|lan| lan.nodes[node].takes_part())
}
