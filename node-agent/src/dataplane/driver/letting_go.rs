//! What the driver does when it finds that it was kept from running: suspended, stopped, starved.
//!
//! The kernel went on answering for the addresses meanwhile, and others may have taken over. So they go first: before
//! packets are taken, before anything is said. Then the groups listen, as after a start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api_types::transition::{State, TransitionReason};
use tokio::time::timeout;
use vrrp::Instant;

use super::Driver;
use crate::dataplane::address_lease::RunOut;
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

    /// Begins to let go of whatever is overdue, or no longer there, and names it.
    pub(super) fn let_go_of_overdue(&mut self) -> BTreeSet<GroupHandle> {
        let now = clock::boottime();
        let fenced = self.fenced(now);
        let fences =
            [TransitionReason::SelfCheck, TransitionReason::NftablesLease, TransitionReason::AddressLease];
        for fence in fences {
            let groups: BTreeSet<_> =
                fenced.iter().filter(|(_, by)| **by == fence).map(|(group, _)| *group).collect();
            if groups.is_empty() {
                continue;
            }
            if fence == TransitionReason::NftablesLease {
                self.parts.leases.note_silenced(groups.len());
            } else if fence == TransitionReason::AddressLease {
                self.parts.fencing.note_address_lease(groups.len());
            } else {
                self.parts.fencing.note_self_check(groups.len());
            }
            self.lapse(&groups, fence, now);
        }
        fenced.into_keys().collect()
    }

    /// The groups that must go, each with the fence that acted first of those it knows of.
    fn fenced(&mut self, now: Instant) -> BTreeMap<GroupHandle, TransitionReason> {
        let mut fenced = BTreeMap::new();
        for handle in self.instances.overdue(now) {
            let silenced = |group| self.parts.leases.has_silenced(group, now);
            if self.instances.get(handle).is_some_and(silenced) {
                fenced.insert(handle, TransitionReason::NftablesLease);
            } else if self.parts.fencing.wanted().self_check {
                fenced.insert(handle, TransitionReason::SelfCheck);
            }
        }
        for (handle, out) in self.leases.run_out(std::time::Instant::now()) {
            let is_active = self.instances.get(handle).is_some_and(|group| group.state() == State::Active);
            // Who may or may not have lost the addresses, and is overdue, says what it knows.
            if is_active && (out == RunOut::Surely || !fenced.contains_key(&handle)) {
                fenced.insert(handle, TransitionReason::AddressLease);
            }
        }
        fenced
    }

    fn lapse(&mut self, groups: &BTreeSet<GroupHandle>, reason: TransitionReason, now: Instant) {
        let effects = &mut self.effects;
        let due = groups.iter().filter_map(|group| self.instances.get(*group)?.poll_timeout()).min();
        for group in groups {
            self.instances.update(*group, |group| group.lapse(reason, now, effects));
        }
        let late = due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        self.parts.outbox.notice(format!(
            "this host did not let the agent run for {} ms: {} groups let go of their addresses before anything else \
             ({})",
            late.as_millis(),
            groups.len(),
            reason.as_str()
        ));
        self.carry_out(now);
    }
}
