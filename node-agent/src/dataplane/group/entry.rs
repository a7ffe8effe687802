//! A member with a `pre_active` hook: it holds and advertises, and is silent about the addresses until the hook has
//! succeeded.

use std::time::Duration;

use vrrp::{Instant, Role};

use super::{Effects, Group};
use crate::dataplane::fault::Fault;
use crate::dataplane::lease::LeaseKey;
use crate::messages::Entrance;
use crate::sys::clock;

/// How much longer than the hook may take it may take to hear how it went, and to let the addresses speak.
const GRACE: Duration = Duration::from_secs(2);
/// How long a member whose hook has failed preempts nobody; twice as long after each further failure, up to the longest.
const HOLD_OFF: Duration = Duration::from_secs(5);
const HOLD_OFF_AT_MOST: Duration = Duration::from_secs(300);

/// How far a member has come with its `pre_active` hook. Without one, `Closed` means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// It does not hold the addresses.
    Closed,
    /// The hook is to run.
    Waiting { since: Instant, until: Instant },
    /// The hook has succeeded, and the kernel has not been told yet.
    Opening { since: Instant, until: Instant },
    /// It speaks for the addresses.
    Open,
}

impl Group {
    /// Whether nothing may be heard of the addresses from here.
    pub(in super::super) const fn is_closed(&self) -> bool {
        self.desired.pre_active.is_some() && matches!(self.entry, Entry::Closed | Entry::Waiting { .. })
    }

    /// Whether something may be heard of the addresses from here, as far as the kernel is known to have been told.
    pub(in super::super) const fn is_open(&self) -> bool {
        self.desired.pre_active.is_none() || matches!(self.entry, Entry::Open)
    }

    /// What control must know to run the hook; `None` for a member that has none to run now.
    pub(in super::super) fn entrance(&self) -> Option<Entrance> {
        self.desired.pre_active.as_ref()?;
        match self.entry {
            Entry::Closed => None,
            Entry::Waiting { since, .. } => Some(Entrance {
                attempt: self.attempt,
                since_boottime_ns: clock::nanoseconds(since),
                open: false,
            }),
            Entry::Opening { since, .. } => Some(Entrance {
                attempt: self.attempt,
                since_boottime_ns: clock::nanoseconds(since),
                open: true,
            }),
            Entry::Open => None,
        }
    }

    /// The name of its virtual router where it is silenced.
    pub(in super::super) fn entry_key(&self) -> Option<LeaseKey> {
        let (family, vrid) = (self.desired.family, self.desired.vrid);
        self.footing.map(|footing| LeaseKey { ifindex: footing.ifindex, family, vrid })
    }

    /// It has become Active, or is not any longer.
    pub(super) fn follow_role(&mut self, now: Instant, effects: &mut Effects) {
        let Some(pre_active) = &self.desired.pre_active else { return };
        match (self.role(), self.entry) {
            (Role::Active, Entry::Closed) => {
                let until = now + pre_active.timeout_ms.as_duration() + GRACE;
                self.attempt += 1;
                self.entry = Entry::Waiting { since: now, until };
                effects.news = true;
            }
            (Role::Active, _) | (_, Entry::Closed | Entry::Open) => {}
            (_, Entry::Waiting { .. } | Entry::Opening { .. }) => self.close(effects),
        }
    }

    /// How the hook went that was asked for with this number.
    pub(in super::super) fn handle_entrance(
        &mut self,
        attempt: u64,
        outcome: Result<(), String>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let Entry::Waiting { since, until } = self.entry else { return };
        if attempt != self.attempt {
            return;
        }
        match outcome {
            Ok(()) => {
                self.entry = Entry::Opening { since, until };
                // The binder must not wait for silence any longer.
                self.wish(effects);
                (effects.entry, effects.news) = (true, true);
            }
            Err(detail) => self.fail_entry(detail, now, effects),
        }
    }

    /// What the kernel has been told. `open` says whether it lets the addresses speak, `failure` why it cannot be told.
    pub(in super::super) fn follow_entry_fence(
        &mut self,
        open: bool,
        failure: Option<&str>,
        now: Instant,
        effects: &mut Effects,
    ) {
        match (self.entry, failure) {
            (Entry::Opening { .. }, _) if open => {
                (self.entry, self.failed_entries) = (Entry::Open, 0);
                effects.touched.insert(self.handle);
                effects.announcements.push(self.handle);
                effects.news = true;
            }
            (Entry::Opening { .. }, Some(failure)) => self.fail_entry(failure.to_owned(), now, effects),
            _ => {}
        }
    }

    /// When the hook, or the kernel, has taken too long.
    pub(super) const fn entry_deadline(&self) -> Option<Instant> {
        match self.entry {
            Entry::Waiting { until, .. } | Entry::Opening { until, .. } => Some(until),
            Entry::Closed | Entry::Open => None,
        }
    }

    /// Gives up what has taken too long.
    pub(super) fn expire_entry(&mut self, now: Instant, effects: &mut Effects) {
        if self.entry_deadline().is_some_and(|until| until <= now) {
            self.fail_entry("nobody has said in time how it went".to_owned(), now, effects);
        }
    }

    /// It holds the addresses no longer: the next time begins anew.
    pub(super) fn close(&mut self, effects: &mut Effects) {
        if std::mem::replace(&mut self.entry, Entry::Closed) != Entry::Closed {
            (effects.entry, effects.news) = (true, true);
        }
    }

    /// The settings have changed: a hook that is new is for the next time, and one that is gone is not waited for.
    pub(super) fn follow_pre_active(&mut self, had_one: bool, effects: &mut Effects) {
        let has_one = self.desired.pre_active.is_some();
        if had_one == has_one {
            return;
        }
        effects.entry = true;
        if self.role() != Role::Active {
            self.entry = Entry::Closed;
        } else if std::mem::replace(&mut self.entry, Entry::Open) != Entry::Open && had_one {
            self.wish(effects);
            effects.announcements.push(self.handle);
        }
    }

    /// Was Active in an earlier worker, which had come so far.
    pub(super) fn adopt_entry(&mut self, entered: bool, now: Instant, effects: &mut Effects) {
        self.entry = if entered { Entry::Open } else { Entry::Closed };
        self.follow_role(now, effects);
    }

    fn fail_entry(&mut self, detail: String, now: Instant, effects: &mut Effects) {
        self.close(effects);
        self.fail_to_hold(Fault::PreActiveFailed(detail), now, effects);
        // Who serves now must not lose the addresses again and again to one that cannot.
        self.failed_entries = self.failed_entries.saturating_add(1);
        let wait = HOLD_OFF.saturating_mul(1 << (self.failed_entries - 1).min(6)).min(HOLD_OFF_AT_MOST);
        if let Some(instance) = &mut self.instance {
            instance.hold_off(now + wait);
        }
    }
}
