//! Who clients take for the holder.
//!
//! Where a router of ours holds on a LAN that has settled and refreshes its announcements, every client knows
//! it one refresh later, whatever was lost before. A foreign holder does not refresh. It is known to those
//! who believed in one of ours that has yielded on the whole wire, if losing advertisements make it announce
//! again: ours sends one. Nothing is promised where it ignores them, as FRR does, or where a foreign router
//! yielded to it without a word: such clients wait until their own caches forget.

use std::time::Duration;

use vrrp::Instant;

use crate::manners::Manners;
use crate::node::Node;

/// An announcement may still overtake one that was sent so much later.
const OVERTAKING: Duration = Duration::from_millis(1);

/// What was seen.
#[derive(Debug)]
pub(super) struct Known {
    holds: bool,
    /// How often all clients were seen to know the holder after a disturbance.
    pub(super) times: u64,
    /// How often a foreign holder announced because one of ours had conceded, and clients knew it.
    pub(super) times_conceded: u64,
}

impl Known {
    pub(super) const NOTHING: Self = Self { holds: false, times: 0, times_conceded: 0 };

    /// The LAN is disturbed.
    pub(super) const fn forget(&mut self) {
        self.holds = false;
    }

    /// Looks at the clients of a LAN that has been quiet from the one time, and settled from the other.
    pub(super) fn check(
        &mut self,
        nodes: &[Node],
        holder: usize,
        quiet_from: Instant,
        settled_from: Instant,
        now: Instant,
    ) {
        let Node { manners, config, announced_at, .. } = &nodes[holder];
        match (manners, config.refresh()) {
            (Manners::Baton, Some(refresh)) if now >= settled_from + refresh => {
                let believed: Vec<_> = nodes.iter().map(|node| node.believed).collect();
                assert!(
                    believed.iter().all(|believed| *believed == Some(holder)),
                    "{holder} holds, clients believe {believed:?}"
                );
                self.times += u64::from(!std::mem::replace(&mut self.holds, true));
            }
            (Manners::Keepalived, _) => {
                let conceded = |node: &&Node| {
                    node.conceded_at.is_some_and(|at| {
                        at > quiet_from
                            && node.announced_at.is_none_or(|announced| announced + OVERTAKING < at)
                    })
                };
                for yielded in nodes.iter().filter(conceded) {
                    assert!(*announced_at >= yielded.conceded_at, "{holder} was told of {yielded:?}");
                    let number = nodes.iter().position(|node| std::ptr::eq(node, yielded));
                    let deceived = nodes.iter().position(|node| node.believed == number);
                    assert_eq!(deceived, None, "it believes {number:?}, which has yielded to {holder}");
                }
                if nodes.iter().any(|node| conceded(&node)) {
                    self.times_conceded += u64::from(!std::mem::replace(&mut self.holds, true));
                }
            }
            (Manners::Baton | Manners::Frr, _) => {}
        }
    }
}
