//! What a LAN owes its clients once it has been left alone.
//!
//! While nothing disturbs it for the largest Active_Down_Interval that any router goes by, plus one interval
//! and what frames and kernels take, exactly one router holds the addresses. No router is better that
//! preempts and whose preempt delay is over, and without such a one it stays the one that it was. Where every
//! router refreshes its announcements, every client knows who it is after one refresh more.

use std::time::Duration;

use vrrp::{Instance, Instant};

use crate::node::Node;
use crate::wire::Wire;

/// What frames and kernels take on a good LAN until a takeover and its consequences are through.
const SLACK: Duration = Duration::from_millis(30);

/// Watches a LAN for it.
#[derive(Debug)]
pub(crate) struct Promise {
    quiet_from: Instant,
    /// The longest Active_Down_Interval and interval that were gone by since then.
    longest: Duration,
    holder: Option<usize>,
    kept: u64,
    /// Whether all clients were seen to know the holder since the last disturbance, and how often they were.
    known: bool,
    times_known: u64,
}

impl Promise {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { quiet_from: now, longest: Duration::ZERO, holder: None, kept: 0, known: false, times_known: 0 }
    }

    /// Something happens that the LAN may need until `until`, and a settling time from then on, to get over.
    pub(crate) fn disturb(&mut self, until: Instant) {
        self.quiet_from = self.quiet_from.max(until);
        (self.longest, self.holder, self.known) = (Duration::ZERO, None, false);
    }

    /// How often a disturbed LAN was seen to keep it again.
    pub(crate) const fn kept(&self) -> u64 {
        self.kept
    }

    /// How often all clients of a disturbed LAN were seen to know its holder again.
    pub(crate) const fn times_known(&self) -> u64 {
        self.times_known
    }

    /// Looks at the LAN.
    ///
    /// # Panics
    /// When it breaks the promise.
    pub(crate) fn check(&mut self, nodes: &[Node], wire: &Wire, now: Instant) {
        if !wire.is_whole() || nodes.iter().any(is_disturbed) {
            self.disturb(now);
            return;
        }
        let settling = nodes.iter().filter(|node| node.takes_part()).map(|node| {
            let by = node.instance.as_ref().map_or(Duration::ZERO, Instance::active_down_interval);
            by.max(node.config.active_down_interval(node.config.interval()))
                + node.config.interval().as_duration()
        });
        self.longest = settling.fold(self.longest, Duration::max);
        if now < self.quiet_from + self.longest + SLACK {
            return;
        }
        let holders: Vec<usize> = (0..nodes.len()).filter(|number| nodes[*number].holds).collect();
        let wanted = usize::from(nodes.iter().any(Node::takes_part));
        // A preempt delay may still run. A LAN gets over its end, which moves the addresses, as over any
        // other move.
        let delay = nodes.iter().map(|node| node.config.preempt_delay()).max().unwrap_or_default();
        if !delay.is_zero() && now < self.quiet_from + (self.longest + delay) * 2 + SLACK {
            assert!(holders.len() >= wanted, "nobody holds");
            return;
        }
        assert_eq!(holders.len(), wanted, "{holders:?} hold");
        let holder = holders.first().copied();
        assert_none_is_better(nodes, holder);
        let refresh = nodes.iter().map(|node| node.config.refresh()).max().flatten();
        let all_refresh = nodes.iter().all(|node| node.config.refresh().is_some());
        let known_from = self.quiet_from + (self.longest + delay) * 2 + refresh.unwrap_or_default() + SLACK;
        if all_refresh && holder.is_some() && now >= known_from {
            let believed: Vec<_> = nodes.iter().map(|node| node.believed).collect();
            assert!(
                believed.iter().all(|believed| *believed == holder),
                "{holder:?} holds, clients believe {believed:?}"
            );
            self.times_known += u64::from(!std::mem::replace(&mut self.known, true));
        }
        assert!(
            self.holder.is_none() || self.holder == holder,
            "nothing happened since {:?}, and {:?} holds instead of {:?}",
            self.quiet_from,
            holder,
            self.holder
        );
        if self.holder.is_none() && holder.is_some() {
            (self.holder, self.kept) = (holder, self.kept + 1);
        }
    }
}

/// Whether the router is in a state that it does not stay in.
fn is_disturbed(node: &Node) -> bool {
    let is_on_its_way_out = node.instance.as_ref().is_some_and(Instance::is_leaving);
    node.refuses || node.paused_until.is_some() || is_on_its_way_out || node.instance.is_none() && node.holds
}

fn assert_none_is_better(nodes: &[Node], holder: Option<usize>) {
    let Some(holder) = holder else { return };
    let priority = nodes[holder].config.priority();
    let better = nodes
        .iter()
        .find(|node| node.takes_part() && node.config.preempts() && node.config.priority() > priority);
    assert!(better.is_none(), "{holder} holds with priority {priority}, and {better:?} does not preempt it");
}
