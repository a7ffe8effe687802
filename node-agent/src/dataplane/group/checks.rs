//! What the checks that a group tracks do to its member: to its priority, and to whether it takes part.
//!
//! Control says what the checks have found, and nothing else: what that means for a group is reckoned here, from what the
//! group tracks now, so that neither an edit nor a finding that comes late is ever taken for another one's.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::channel::DesiredGroup;
use api_types::check::Track;
use api_types::transition::{State, TransitionReason};
use vrrp::{Instance, Instant, Priority, Role};

use super::{Effects, Group};
use crate::messages::CheckFinding;

/// What the checks of this node have found, by name.
pub(in super::super) type Findings = Arc<BTreeMap<String, CheckFinding>>;

/// What the checks come to for one group. One that has not found anything yet counts as passing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Verdict {
    /// What is added to the priority.
    pub(super) adds: i16,
    /// Why the member must not take part, if it must not.
    pub(super) fault: Option<String>,
    /// The checks that fail.
    pub(super) failing: Vec<String>,
    /// The first that has not found anything yet.
    pub(super) waits_for: Option<String>,
}

impl Verdict {
    pub(super) fn of(track: &[Track], findings: &BTreeMap<String, CheckFinding>) -> Self {
        let mut verdict = Self::default();
        for Track { check, weight, reverse } in track {
            let finding = findings.get(check.as_str());
            let passes = finding.is_none_or(|finding| finding.passes != *reverse);
            verdict.adds = verdict.adds.saturating_add(weight.adds(passes));
            if finding.is_none() {
                verdict.waits_for.get_or_insert_with(|| check.to_string());
            }
            if let Some(finding) = finding.filter(|_| !passes) {
                verdict.failing.push(check.to_string());
                if weight.is_fault() {
                    let word = if *reverse { "passes, which counts as failing" } else { "fails" };
                    verdict.fault.get_or_insert_with(|| format!("check {check} {word}: {}", finding.detail));
                }
            }
        }
        verdict
    }

    /// The priority that counts in the place of the declared one.
    fn priority(&self, declared: Priority) -> Priority {
        if declared.is_owner() {
            return declared;
        }
        let sum = i16::from(declared.get()).saturating_add(self.adds);
        let octet = u8::try_from(sum.clamp(1, 254)).ok();
        octet.and_then(Priority::new).unwrap_or(declared)
    }
}

impl Group {
    /// This is what the checks of the node have found.
    pub(in super::super) fn set_findings(
        &mut self,
        findings: &Findings,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.findings = Arc::clone(findings);
        let before = self.checked_priority();
        if !self.judge_checks() {
            return;
        }
        effects.news = true;
        effects.touched.insert(self.handle);
        if self.departure.is_some() {
            return;
        }
        let settles = self.settles;
        self.settles &= self.verdict.waits_for.is_some();
        if self.checked_priority() != before {
            self.reconfigure(now, effects);
            // Whoever was Active with a lower priority before is so again.
            if !settles {
                self.resign_if_outranked(before, now);
            }
        }
        self.take_part(now, effects);
    }

    /// Whether the checks come to something else than before, be it for what they found or for what is tracked.
    pub(super) fn judge_checks(&mut self) -> bool {
        let verdict = Verdict::of(&self.desired.track, &self.findings);
        let is_new = verdict != self.verdict;
        self.verdict = verdict;
        is_new
    }

    /// The declared priority with what the checks make of it.
    pub(in super::super) fn checked_priority(&self) -> Priority {
        self.verdict.priority(self.desired.priority)
    }

    /// Whether it hands over, or takes no part, although it stays.
    pub(super) const fn is_held_back(&self) -> bool {
        self.desired.drained || self.verdict.fault.is_some()
    }

    /// Stops what is held back; otherwise begins, unless a check has yet to say whether it may.
    pub(super) fn follow_hold(&mut self, now: Instant) {
        let (held_back, waits) = (self.is_held_back(), self.verdict.waits_for.is_some());
        let is_clear = self.fault.is_none() && self.verdict.fault.is_none();
        if is_clear && self.role() == Role::Initialize && self.state == State::Fault {
            self.become_state(State::Initialize, TransitionReason::FaultCleared, now);
        }
        let is_behind = self.is_behind_its_settings();
        let footing = self.footing;
        let config = footing.filter(|_| is_behind).and_then(|footing| self.config_on(footing));
        if let Some(instance) = &mut self.instance {
            match (held_back, config) {
                (true, _) => {
                    self.stopped_for = stop(instance, self.desired.drained, now).or(self.stopped_for)
                }
                (false, _) if waits => {}
                (false, config) => {
                    // What left goes on as it was until it is gone.
                    if let Some(config) = config {
                        let _same_router = instance.reconfigure(config, now);
                        self.frame = None;
                    }
                    instance.start(now);
                }
            }
        }
    }

    /// A member that fails a check stays in fault, whatever else ends.
    pub(super) fn follow_check_fault(&mut self, now: Instant) {
        let is_failed = self.verdict.fault.is_some() && self.fault.is_none() && self.departure.is_none();
        if is_failed && self.role() == Role::Initialize {
            self.become_state(State::Fault, TransitionReason::CheckFailed, now);
        }
    }

    /// Where nobody preempts a lower priority moves nothing: whoever falls below another member resigns, and is a Backup
    /// from then on.
    fn resign_if_outranked(&mut self, before: Priority, now: Instant) {
        let priority = self.checked_priority();
        let is_outranked = || self.desired.peers.iter().any(|peer| peer.priority > priority);
        if self.desired.preempt_mode || priority >= before || !is_outranked() {
            return;
        }
        if let Some(instance) = &mut self.instance
            && instance.role() == Role::Active
            && instance.config().boost().is_none()
        {
            self.stopped_for = stop(instance, false, now).or(self.stopped_for);
        }
    }

    /// Whether it takes no part yet and was told something else since its instance was made.
    fn is_behind_its_settings(&self) -> bool {
        let Some((instance, footing)) = self.instance.as_ref().zip(self.footing) else { return false };
        instance.role() == Role::Initialize
            && !instance.wants_addresses()
            && self.config_on(footing).is_some_and(|config| config.settings() != instance.config().settings())
    }

    /// What keeps it from taking part, or will when it has let go, for people.
    pub(in super::super) fn describe_checks(&self) -> Option<String> {
        let waits = || {
            let waits = self.state == State::Initialize && !self.is_leaving();
            self.verdict
                .waits_for
                .as_ref()
                .filter(|_| waits)
                .map(|check| format!("waiting for check {check}"))
        };
        self.verdict.fault.clone().or_else(waits)
    }

    /// Whether checks may change the priorities of its members, so that they are not what everybody was told.
    pub(super) fn has_weights(&self) -> bool {
        has_weights(&self.desired)
    }
}

fn has_weights(desired: &DesiredGroup) -> bool {
    desired.track.iter().any(|track| !track.weight.is_fault())
}

/// Stops what is not on its way out already, and why; `None` when it is, or has nothing to leave.
fn stop(instance: &mut Instance, drained: bool, now: Instant) -> Option<TransitionReason> {
    let takes_part = instance.role() != Role::Initialize || instance.wants_addresses();
    let reason = if drained { TransitionReason::Drained } else { TransitionReason::CheckFailed };
    let is_news = takes_part && !instance.is_leaving();
    instance.stop(now);
    is_news.then_some(reason)
}
