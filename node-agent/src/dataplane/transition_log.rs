//! Transitions of one group that are not complete yet.
//!
//! A transition to Active is worth reporting once the announcement has left, one from Active once the addresses
//! are released: control wants the times. Neither is waited for longer than [`PATIENCE`], and transitions never
//! overtake each other.

use std::collections::VecDeque;
use std::time::Duration;

use vrrp::Instant;

use crate::messages::ObservedTransition;
use crate::sys::clock;

const PATIENCE: Duration = Duration::from_secs(1);

/// What a transition waits for before it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// Everything about it is known.
    Nothing,
    /// The time of the first announcement.
    Announcement,
    /// The time at which the addresses were released.
    Release,
}

#[derive(Debug)]
struct Pending {
    transition: ObservedTransition,
    waits_for: WaitsFor,
    until: Instant,
}

/// Transitions in the order in which they happened.
#[derive(Debug, Default)]
pub(super) struct TransitionLog {
    pending: VecDeque<Pending>,
}

impl TransitionLog {
    /// Adds a transition that happened at `now`.
    pub(super) fn push(&mut self, transition: ObservedTransition, waits_for: WaitsFor, now: Instant) {
        // What was not announced by now never will be.
        self.that_wait_for(WaitsFor::Announcement).for_each(|pending| pending.waits_for = WaitsFor::Nothing);
        self.pending.push_back(Pending { transition, waits_for, until: now + PATIENCE });
    }

    /// Whether every transition has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// When the oldest transition has waited long enough.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.pending.front().map(|pending| pending.until)
    }

    /// Lets go of what has waited long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        for pending in self.pending.iter_mut().filter(|pending| pending.until <= now) {
            pending.waits_for = WaitsFor::Nothing;
        }
    }

    /// The addresses were released.
    pub(super) fn released(&mut self, at: Instant) {
        for pending in self.that_wait_for(WaitsFor::Release) {
            pending.transition.released_at_boottime_ns = Some(clock::nanoseconds(at));
            pending.waits_for = WaitsFor::Nothing;
        }
    }

    /// An announcement was due; `None` when nothing could leave.
    pub(super) fn announced(&mut self, at: Option<Instant>) {
        for pending in self.that_wait_for(WaitsFor::Announcement) {
            pending.transition.announced_at_boottime_ns = at.map(clock::nanoseconds);
            pending.waits_for = WaitsFor::Nothing;
        }
    }

    /// The transitions about which everything is known, oldest first.
    pub(super) fn take_complete(&mut self) -> Vec<ObservedTransition> {
        let mut complete = Vec::new();
        while self.pending.front().is_some_and(|pending| pending.waits_for == WaitsFor::Nothing) {
            complete.extend(self.pending.pop_front().map(|pending| pending.transition));
        }
        complete
    }

    fn that_wait_for(&mut self, what: WaitsFor) -> impl Iterator<Item = &mut Pending> {
        self.pending.iter_mut().filter(move |pending| pending.waits_for == what)
    }
}
