//! What a LAN owes its clients once it has been left alone.
//!
//! While nothing disturbs it for the largest Active_Down_Interval that any router goes by, plus one interval
//! and what frames and kernels take, exactly one router holds the addresses, and it stays the one that it
//! was. No router is better that preempts and whose preempt delay has been over for as long.
//!
//! The one thing that may move the addresses on such a LAN is the end of a preempt delay: to a better router
//! that has heard none but worse ones for at least that long. It moves them without an instant in which
//! nobody holds, and the LAN gets over it as over any disturbance. Whoever preempts before is told on even
//! while a LAN settles.
//!
//! What clients know is the business of `known.rs`.

use std::time::Duration;

use vrrp::{Instance, Instant};

use crate::node::Node;
use crate::wire::Wire;

mod known;

use self::known::Known;

/// What frames and kernels take on a good LAN until a takeover and its consequences are through.
const SLACK: Duration = Duration::from_millis(30);

/// Watches a LAN for it.
#[derive(Debug)]
pub(crate) struct Promise {
    quiet_from: Instant,
    /// The longest Active_Down_Interval and interval that were gone by since then.
    longest: Duration,
    /// Who holds, once the LAN has settled.
    holder: Option<usize>,
    /// All who held at the last look.
    held: Vec<usize>,
    /// Whether it had settled, and nothing but the ends of preempt delays has happened since.
    unbroken: bool,
    kept: u64,
    known: Known,
}

impl Promise {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            quiet_from: now,
            longest: Duration::ZERO,
            holder: None,
            held: Vec::new(),
            unbroken: false,
            kept: 0,
            known: Known::NOTHING,
        }
    }

    /// Something happens that the LAN may need until `until`, and a settling time from then on, to get over.
    pub(crate) fn disturb(&mut self, until: Instant) {
        self.unsettle(until);
        self.unbroken = false;
    }

    fn unsettle(&mut self, until: Instant) {
        self.quiet_from = self.quiet_from.max(until);
        (self.longest, self.holder) = (Duration::ZERO, None);
        self.known.forget();
    }

    /// How often a disturbed LAN was seen to keep it again.
    pub(crate) const fn kept(&self) -> u64 {
        self.kept
    }

    /// How often all clients of a disturbed LAN were seen to know its holder again.
    pub(crate) const fn clients_knew(&self) -> u64 {
        self.known.times
    }

    /// How often they knew a foreign one because one of ours had conceded.
    pub(crate) const fn concessions_helped(&self) -> u64 {
        self.known.times_conceded
    }

    /// Looks at a router that preempts, whether the LAN has settled or not.
    ///
    /// # Panics
    /// When its preempt delay is not over, and nothing has disturbed the LAN since that began.
    pub(crate) fn assert_has_waited(&self, node: &Node, now: Instant) {
        let Some(since) = node.outranking_since.map(|since| since - node.ahead) else { return };
        let over = since + node.effective().preempt_delay();
        assert!(since <= self.quiet_from || over <= now, "{node:?} preempts, and its delay is not over");
    }

    /// Looks at the LAN.
    ///
    /// # Panics
    /// When it breaks the promise.
    pub(crate) fn check(&mut self, nodes: &[Node], wire: &Wire, now: Instant) {
        let holders = (0..nodes.len()).filter(|number| nodes[*number].holds);
        if !wire.is_whole() || nodes.iter().any(is_disturbed) {
            self.held.clear();
            self.held.extend(holders);
            self.disturb(now);
            return;
        }
        let moved = holders.clone().any(|holder| {
            !self.held.contains(&holder) && self.held.iter().any(|old| has_waited(nodes, *old, holder, now))
        });
        self.held.clear();
        self.held.extend(holders);
        if moved {
            self.unsettle(now);
        }
        let wanted = usize::from(nodes.iter().any(Node::takes_part));
        assert!(!self.unbroken || self.held.len() >= wanted, "nobody holds");

        self.longest = nodes.iter().filter_map(settling_time).fold(self.longest, Duration::max);
        let settling = self.longest + SLACK;
        if now < self.quiet_from + settling {
            return;
        }
        assert_eq!(self.held.len(), wanted, "{:?} hold", self.held);
        let Some(&holder) = self.held.first() else { return };
        assert!(
            self.holder.is_none_or(|before| before == holder),
            "nothing happened since {:?}, and {holder} holds instead of {:?}",
            self.quiet_from,
            self.holder
        );
        for (number, node) in nodes.iter().enumerate() {
            let due = preempts_from(nodes, holder, number).map(|from| from.max(self.quiet_from) + settling);
            assert!(due.is_none_or(|due| now < due), "{node:?} does not preempt {holder}");
        }
        self.known.check(nodes, holder, self.quiet_from, self.quiet_from + settling, now);
        if self.holder.is_none() {
            (self.holder, self.kept, self.unbroken) = (Some(holder), self.kept + 1, true);
        }
    }
}

/// Whether the router is in a state that it does not stay in.
fn is_disturbed(node: &Node) -> bool {
    let is_on_its_way_out = node.instance.as_ref().is_some_and(Instance::is_leaving);
    node.refuses || node.paused_until.is_some() || is_on_its_way_out || node.instance.is_none() && node.holds
}

/// The longest that it may wait for another, and then go unheard.
fn settling_time(node: &Node) -> Option<Duration> {
    let instance = node.instance.as_ref().filter(|_| node.takes_part())?;
    let interval = node.config.interval();
    let longest = instance.active_down_interval().max(node.config.active_down_interval(interval));
    Some(longest + interval.as_duration())
}

/// From when on, by the LAN's clock, `better` is to preempt `holder`; `None` when it is not to.
fn preempts_from(nodes: &[Node], holder: usize, better: usize) -> Option<Instant> {
    let (holder, node) = (&nodes[holder], &nodes[better]);
    let is_better =
        node.effective().preempts() && node.effective().priority() > holder.effective().priority();
    if !node.takes_part() || !is_better {
        return None;
    }
    Some(match node.outranking_since {
        Some(since) => since + node.effective().preempt_delay() - node.ahead,
        None => Instant::ORIGIN,
    })
}

/// Whether `better`, which has begun to hold, waited as long as it was told to before it preempted `old`.
fn has_waited(nodes: &[Node], old: usize, better: usize, now: Instant) -> bool {
    let delays =
        !nodes[better].effective().preempt_delay().is_zero() && nodes[better].outranking_since.is_some();
    delays && preempts_from(nodes, old, better).is_some_and(|from| from <= now)
}
