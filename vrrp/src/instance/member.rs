//! What an instance of a sync group does not decide by itself: [`SyncSet`](crate::SyncSet) says when it takes over, and
//! when it gives up what it holds.
//!
//! Its own rules say when its time has come. Then it is willing, and goes on listening until every group of the set is.

use std::time::Duration;

use super::state::{Leave, Repeats, State, TakeOver, Tenure, Wait};
use super::{Heard, Instance};
use crate::{Claim, Instant, Reason, Role};

/// What a set is to know of one of its groups: what keeps the set waiting comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It takes no part, or leaves.
    Absent,
    /// The addresses could not be held a moment ago, or it was Active until now.
    Fallen,
    /// As Backup it obeys a router that would win against it.
    Outranked,
    /// As Backup it obeys a router that would not, because of its settings.
    Behind,
    /// As Backup it waits for the silence to last; or it is there and was not started yet.
    Waiting,
    /// As Backup it would take over now.
    Willing,
    /// The addresses are being bound.
    Preparing,
    /// The addresses are held, and nobody was told.
    Prepared,
    /// It is Active.
    Active,
}

/// What a Backup keeps for its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Membership {
    /// The deadline that has passed.
    noticed: Option<Instant>,
    /// When it was told to take over, and why.
    called: Option<(Instant, Reason)>,
    /// Whether the router that is obeyed would win against it.
    outranked: bool,
    /// Whether it was Active until this wait began, and obeys nobody.
    fallen: bool,
}

impl Membership {
    pub(super) const NONE: Self = Self { noticed: None, called: None, outranked: false, fallen: false };

    /// The deadline that is `at` has passed.
    pub(super) const fn notice(&mut self, at: Instant) {
        self.noticed = Some(at);
    }

    /// It is not told to take over any longer.
    pub(super) const fn uncall(&mut self) {
        self.called = None;
    }

    pub(super) fn called_at(&self) -> Option<Instant> {
        self.called.map(|(at, _)| at)
    }

    pub(super) fn called_for(&self) -> Option<Reason> {
        self.called.map(|(_, reason)| reason)
    }
}

impl Wait {
    /// The router that is obeyed would win against us, or is obeyed because of our settings alone.
    pub(super) const fn outranked(mut self, outranked: bool) -> Self {
        self.membership.outranked = outranked;
        self
    }

    /// It was Active until now.
    pub(super) const fn fallen(mut self) -> Self {
        self.membership.fallen = true;
        self
    }
}

impl Instance {
    /// Takes over with its sync group only, and not by itself. An owner cannot.
    pub(crate) fn join_set(&mut self) {
        self.in_set = !self.config.priority().is_owner();
    }

    /// Decides for itself again.
    pub fn leave_set(&mut self, now: Instant) {
        self.in_set = false;
        self.commit(now);
    }

    pub(crate) fn standing(&self, now: Instant) -> Standing {
        match &self.state {
            State::Initialize if self.is_new => Standing::Waiting,
            State::Initialize | State::Leaving(_) => Standing::Absent,
            State::Backup(_) if self.is_willing() => Standing::Willing,
            State::Backup(_) if self.backoff.until() > now => Standing::Fallen,
            State::Backup(Wait { active: Some(_), membership, .. }) if membership.outranked => {
                Standing::Outranked
            }
            State::Backup(Wait { active: Some(_), .. }) => Standing::Behind,
            State::Backup(wait) if wait.membership.fallen => Standing::Fallen,
            State::Backup(_) => Standing::Waiting,
            State::TakingOver(TakeOver { held: false, .. }) => Standing::Preparing,
            State::TakingOver(TakeOver { held: true, .. }) => Standing::Prepared,
            State::Active(_) => Standing::Active,
        }
    }

    /// Is told to take over.
    pub(crate) fn call(&mut self, reason: Reason, now: Instant) {
        if let State::Backup(wait) = &mut self.state {
            wait.membership.called = Some((now, reason));
            wait.membership.notice(now);
        }
    }

    /// Asks for the addresses, as a Backup that is willing.
    pub(crate) fn prepare(&mut self, now: Instant) {
        if let State::Backup(wait) = &self.state {
            let reason = self.reason_to_take_over(&wait.clone(), now);
            self.take_over(Role::Backup, reason);
        }
    }

    /// Becomes Active, if the addresses are held.
    pub(crate) fn commit(&mut self, now: Instant) {
        if matches!(self.state, State::TakingOver(TakeOver { held: true, .. })) {
            self.become_active(now);
        }
    }

    /// Does not become Active: another group of the set cannot. Nobody has heard of the attempt.
    pub(crate) fn cancel(&mut self, now: Instant) {
        let State::TakingOver(TakeOver { from, reason, .. }) = self.state else { return };
        if reason == Reason::Switchover {
            self.config.set_boost(None);
        }
        self.fall_back(from, self.wait_anew(now), Reason::SyncGroup);
    }

    /// Gives up what it holds: resigns, goes on holding until a successor is heard or `patience` is over, and is a
    /// Backup then.
    pub(crate) fn resign(&mut self, patience: Duration, now: Instant) {
        if self.is_overdue(now) {
            self.lapse(now);
        } else if matches!(self.state, State::Active(_)) {
            self.begin_leaving(patience, true, now);
        }
    }

    /// When a Backup is to be looked at again; `None` once it is willing.
    pub(super) fn time_to_come(&self) -> Option<Instant> {
        let State::Backup(wait) = &self.state else { return None };
        (!self.is_willing()).then(|| wait.takeover_at(&self.config, &self.backoff))
    }

    pub(super) fn become_active(&mut self, now: Instant) {
        let State::TakingOver(TakeOver { from, reason, .. }) = self.state else { return };
        let repeats = if reason == Reason::Switchover { Repeats::from(now) } else { Repeats::NONE };
        self.state = State::Active(Tenure { repeats, ..Tenure::from(now) });
        self.advertise(now);
        self.announce(now);
        self.report(from, Role::Active, reason);
    }

    pub(super) fn begin_leaving(&mut self, patience: Duration, stays: bool, now: Instant) {
        self.send(Claim::Resigns, now);
        let repeat_at = Some(now + self.config.interval().as_duration());
        self.state = State::Leaving(Leave { repeat_at, release_at: now + patience, succeeded: false, stays });
    }

    /// Releases what it went on holding: at last, or for this reason.
    pub(super) fn end_leaving(&mut self, reason: Reason, now: Instant) {
        if !matches!(self.state, State::Leaving(Leave { stays: true, .. })) {
            return self.leave_at_once(Reason::Stopped);
        }
        if reason == Reason::HoldFailed {
            self.backoff.grow(now);
        }
        self.take_up_settings();
        self.fall_back(Role::Active, self.wait_anew(now), reason);
    }

    /// Goes by the settings that came while it was leaving, and by no boost.
    pub(super) fn take_up_settings(&mut self) {
        if let Some(config) = self.settings_to_come.take() {
            self.config = config;
        }
        self.config.set_boost(None);
    }

    /// The wait of a router that was not listening, behind the last one that it heard.
    pub(super) fn wait_anew(&self, now: Instant) -> Wait {
        match self.last_heard {
            Some(Heard { claim: Claim::Holds(rival), source, interval, .. }) => {
                let wins = self.config.candidate().yields_to(rival, source);
                Wait::behind(source, interval, now).outranked(wins)
            }
            Some(_) | None => Wait::from(now),
        }
    }

    /// Whether it would take over now, and its sync group does not.
    #[must_use]
    pub fn is_willing(&self) -> bool {
        let State::Backup(wait) = &self.state else { return false };
        let deadline = wait.takeover_at(&self.config, &self.backoff);
        self.in_set && wait.membership.noticed == Some(deadline)
    }
}
