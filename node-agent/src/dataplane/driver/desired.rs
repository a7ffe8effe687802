//! What the driver is told to run, and how it stops.

use std::time::Duration;

use api_types::channel::{DesiredGroup, Revision};
use api_types::node::RejectionReason;
use vrrp::{AdvertisementInterval, Instant};

use super::Driver;
use crate::dataplane::apply::{self, Plan, Running};
use crate::dataplane::host::ThisHost;
use crate::dataplane::probe::Token;
use crate::messages::{Command, Report};
use crate::sys::clock;

/// How long a stop waits for the kernel, on top of the two intervals that a handover takes at most.
const PATIENCE_WITH_KERNEL: Duration = Duration::from_secs(5);

/// How long another worker waits until nothing is on its way to be bound, released or handed to a successor.
const PATIENCE_WITH_CHANGES: Duration = Duration::from_secs(1);

/// A desired state that could not be run. It is tried again whenever the interfaces change, since the reason may
/// have gone with the change.
pub(super) struct Refused {
    pub(super) revision: Revision,
    pub(super) groups: Vec<DesiredGroup>,
    pub(super) reasons: Vec<RejectionReason>,
}

impl Driver {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Apply { .. } | Command::Stop if self.stop_by.is_some() => {}
            Command::Apply { revision, groups } => {
                self.refused = None;
                self.apply(revision, groups, None);
            }
            Command::HandOver => self.hand_over_by = Some(clock::boottime() + PATIENCE_WITH_CHANGES),
            Command::Remember(spoken) => self.instances.recall(spoken),
            Command::Boosts(boosts) => {
                self.instances.set_boosts(boosts, clock::boottime(), &mut self.effects);
            }
            Command::Checks(findings) => {
                self.instances.set_findings(findings, clock::boottime(), &mut self.effects);
            }
            Command::Assist(let_go) => {
                self.instances.assist(&let_go, clock::boottime(), &mut self.effects);
            }
            Command::FastStart { group_id, generation, until_boottime_ns } => {
                let until = clock::from_nanoseconds(until_boottime_ns);
                self.consider_fast_start(group_id, Token { generation, until });
            }
            Command::PreActive { group_id, attempt, outcome } => {
                self.instances.enter(group_id, attempt, outcome, clock::boottime(), &mut self.effects);
            }
            Command::Stop => {
                self.parts.slots.begin_stop();
                let now = clock::boottime();
                let intervals =
                    self.instances.iter().map(|(_, group)| group.desired().advertisement_interval_ms);
                let longest = intervals.max().map_or(Duration::ZERO, AdvertisementInterval::as_duration);
                self.stop_by = Some(now + longest * 2 + PATIENCE_WITH_KERNEL);
                self.refused = None;
                self.instances.stop(now, &mut self.effects);
                self.give_up_adoption();
            }
        }
    }

    /// Runs exactly these groups, or refuses them. `already_told` are the reasons that control knows from before.
    pub(super) fn apply(
        &mut self,
        revision: Revision,
        groups: Vec<DesiredGroup>,
        already_told: Option<&[RejectionReason]>,
    ) {
        let host = ThisHost::new(self.parts.monitor.interfaces(), self.instances.is_empty());
        if let Err(reasons) = apply::check(&groups, &host, &self.parts.policy) {
            if already_told != Some(&reasons) {
                self.parts.outbox.send(Report::Rejected { revision, reasons: reasons.clone() });
            }
            self.refused = Some(Refused { revision, groups, reasons });
            return;
        }
        let running: Vec<_> = self
            .instances
            .iter()
            .map(|(handle, group)| Running {
                handle,
                desired: group.desired(),
                leaving: group.departure().is_some(),
            })
            .collect();
        let plan = apply::plan(&running, groups);
        let edited = plan.change.iter().map(|(_, desired)| desired);
        let new: Vec<_> = edited.chain(&plan.start).map(|desired| (desired.id, desired.generation)).collect();
        self.upkeep_due = true;
        self.change_to(plan);
        self.listen();
        self.ask_ahead(&new);
        self.parts.outbox.send(Report::Applied(revision));
        self.snapshot_at = Instant::ORIGIN;
    }

    fn change_to(&mut self, plan: Plan) {
        let now = clock::boottime();
        let effects = &mut self.effects;
        let interfaces = self.parts.monitor.interfaces();
        for (handle, departure) in plan.leave {
            self.instances.update(handle, |group| group.leave(departure, now, effects));
        }
        for (handle, departure) in plan.leave_at_once {
            self.instances.update(handle, |group| group.leave_at_once(departure, now, effects));
        }
        for (handle, desired) in plan.change {
            self.instances.change(handle, desired, interfaces, now, effects);
            self.parts.slots.beat(clock::boottime());
        }
        for desired in plan.start {
            let ifindex = interfaces.index_of(&desired.interface);
            // Every group before it has taken its time, and the guard has spoken since.
            let legacy =
                ifindex.and_then(|ifindex| self.parts.predecessor.claim(&desired, ifindex, clock::boottime));
            self.instances.start(desired, legacy, interfaces, now, effects);
            self.parts.slots.beat(clock::boottime());
        }
        self.set_terms();
        // Adopted addresses must be claimed before what nobody claims is removed.
        self.carry_out(now);
        self.give_up_adoption();
    }

    /// Whatever an earlier worker left and nobody has claimed by now goes.
    pub(super) fn give_up_adoption(&mut self) {
        if self.parts.predecessor.give_up() {
            self.upkeep_due = true;
            let leftovers = self.parts.binder.remove_leftovers();
            self.parts.slots.clear_unused(leftovers > 0);
            if leftovers > 0 {
                let text = format!(
                    "removing {leftovers} addresses, routes and rules that an earlier life of this agent left"
                );
                self.parts.outbox.notice(text);
            }
        }
    }
}
