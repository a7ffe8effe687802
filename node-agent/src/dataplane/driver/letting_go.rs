//! What the driver does when it finds that it was kept from running: suspended, stopped, starved.
//!
//! The kernel went on answering for the addresses meanwhile, and others may have taken over. So they go first: before
//! packets are taken, before anything is said. Then the groups listen, as after a start.

use std::collections::BTreeSet;
use std::time::Duration;

use api_types::transition::TransitionReason;
use tokio::time::timeout;
use vrrp::Instant;

use super::Driver;
use crate::dataplane::binder::GroupHandle;
use crate::sys::clock;

/// How long everything else waits until the addresses are gone. A thousand of IPv4 take the kernel some 20 ms, and groups
/// that are not late must advertise.
const GONE_WITHIN: Duration = Duration::from_millis(50);

impl Driver {
    /// Lets go of whatever is overdue, and returns once that is gone, or should be.
    pub(super) async fn let_go_first(&mut self) {
        let mut held = self.let_go_of_overdue();
        if held.is_empty() {
            return;
        }
        let gone = async {
            while !held.is_empty() {
                let event = self.parts.binder.next().await;
                self.follow_binder(event);
                held.retain(|group| !self.parts.binder.present(*group).is_empty());
            }
        };
        // What is not gone by now goes meanwhile.
        let _slow = timeout(GONE_WITHIN, gone).await;
    }

    /// Begins to let go of whatever is overdue, and names it.
    pub(super) fn let_go_of_overdue(&mut self) -> BTreeSet<GroupHandle> {
        let now = clock::boottime();
        if !self.parts.fencing.wanted().self_check {
            return BTreeSet::new();
        }
        let overdue: BTreeSet<_> = self.instances.overdue(now).into_iter().collect();
        if !overdue.is_empty() {
            self.lapse(&overdue, now);
        }
        overdue
    }

    fn lapse(&mut self, groups: &BTreeSet<GroupHandle>, now: Instant) {
        let effects = &mut self.effects;
        let due = groups.iter().filter_map(|group| self.instances.get(*group)?.poll_timeout()).min();
        for group in groups {
            self.instances.update(*group, |group| group.lapse(TransitionReason::SelfCheck, now, effects));
        }
        self.parts.fencing.note_self_check(groups.len());
        let late = due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        self.parts.outbox.notice(format!(
            "this host did not let the agent run for {} ms: {} groups let go of their addresses before anything else",
            late.as_millis(),
            groups.len()
        ));
        self.carry_out(now);
    }
}
