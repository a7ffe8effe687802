//! What an instance can be doing, and what it waits for meanwhile.

use std::net::IpAddr;
use std::time::Duration;

use super::Backoff;
use super::lowered::Lowered;
use super::member::Membership;
use crate::{AdvertisementInterval, Config, Instant, Reason, Role, Version};

/// Each state carries what its deadlines are counted from, so a timer of another state cannot exist.
#[derive(Debug, Clone)]
pub(super) enum State {
    Initialize,
    Backup(Wait),
    /// Has asked the caller to hold the addresses, and is silent until they are held.
    TakingOver(TakeOver),
    Active(Tenure),
    /// Has resigned and still holds, so that the successor finds the addresses answering.
    Leaving(Leave),
}

/// A Backup waits for silence. The deadline is counted anew from `since` whenever it is asked for, so an edit of
/// interval or priority moves it by the difference, and a stream of edits cannot put it off for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) since: Instant,
    pub(super) silence: Silence,
    /// Active_Adver_Interval, once an advertisement has told it.
    pub(super) learned: Option<AdvertisementInterval>,
    /// The router whose advertisement was obeyed last.
    pub(super) active: Option<IpAddr>,
    /// Since when only routers of lower priority have been heard: what the preempt delay is counted from.
    pub(super) outranking_since: Option<Instant>,
    /// When to take over because the Active router is said to have let go.
    pub(super) let_go_at: Option<Instant>,
    /// Whether the router that was obeyed has resigned.
    pub(super) active_resigned: bool,
    /// What its sync group is to know of it.
    pub(super) membership: Membership,
}

/// How long a silence a Backup waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Active_Down_Interval: nothing is known of the Active router but its last advertisement.
    ActiveDown,
    /// Skew_Time: it has resigned.
    Skew,
}

impl Wait {
    /// The wait of a router that knows of no other.
    pub(super) const fn from(since: Instant) -> Self {
        Self {
            since,
            silence: Silence::ActiveDown,
            learned: None,
            active: None,
            outranking_since: None,
            let_go_at: None,
            active_resigned: false,
            membership: Membership::NONE,
        }
    }

    /// The wait that an obeyed advertisement starts.
    pub(super) const fn behind(active: IpAddr, interval: AdvertisementInterval, since: Instant) -> Self {
        Self {
            since,
            silence: Silence::ActiveDown,
            learned: Some(interval),
            active: Some(active),
            outranking_since: None,
            let_go_at: None,
            active_resigned: false,
            membership: Membership::NONE,
        }
    }

    /// Since when only routers of lower priority have been heard, this one included.
    pub(super) fn outranks_since(&mut self, now: Instant) -> Instant {
        *self.outranking_since.get_or_insert(now)
    }

    /// A router that we preempt is heard: the deadline may come, but not before `until`.
    pub(super) fn preempt_in_time(
        &mut self,
        active: IpAddr,
        interval: AdvertisementInterval,
        until: Instant,
        now: Instant,
    ) {
        self.let_go_at = None;
        if now < until {
            let outranking_since = self.outranking_since;
            *self = Self { outranking_since, ..Self::behind(active, interval, now) };
        }
    }

    /// The Active router is said to have let go: take over at `at`. Who says so again, and later, changes nothing.
    pub(super) fn let_go(&mut self, at: Instant) {
        self.let_go_at = Some(self.let_go_at.map_or(at, |known| known.min(at)));
    }

    /// A router has resigned. Saying so again does not start the skew anew: a resignation is repeated
    /// because one may be lost, and routers that restart at each would be the slower the surer it is.
    pub(super) fn cut_short(&mut self, source: IpAddr, now: Instant) {
        if self.silence == Silence::ActiveDown {
            (self.silence, self.since) = (Silence::Skew, now);
        }
        self.active_resigned |= self.active == Some(source);
        self.active = None;
    }

    /// Active_Adver_Interval (RFC 9568 §6.1). Version 2 learns nothing: all its routers have one interval.
    pub(super) fn active_interval(&self, config: &Config) -> AdvertisementInterval {
        match (config.version(), self.learned) {
            (Version::V3, Some(learned)) => learned,
            (Version::V2, _) | (Version::V3, None) => config.interval(),
        }
    }

    pub(super) fn takeover_at(&self, config: &Config, backoff: &Backoff) -> Instant {
        let interval = self.active_interval(config);
        let silence = match self.silence {
            Silence::ActiveDown => config.active_down_interval(interval),
            Silence::Skew => config.skew_time(interval),
        };
        let fallen_silent = self.since + silence;
        let time_has_come = self.let_go_at.map_or(fallen_silent, |at| at.min(fallen_silent));
        self.membership.called_at().unwrap_or(time_has_come.max(backoff.until()))
    }
}

/// An attempt to become Active.
#[derive(Debug, Clone, Copy)]
pub(super) struct TakeOver {
    /// What the router still is, for the others have not heard of the attempt: Backup, or, for an owner that has
    /// just been started, Initialize.
    pub(super) from: Role,
    pub(super) reason: Reason,
    /// Whether the addresses are held, and only the sync group is waited for.
    pub(super) held: bool,
}

/// What an Active router has to do next. It holds the addresses all the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tenure {
    /// Adver_Timer.
    pub(super) advertise_at: Instant,
    /// Until when no further advertisement is answered at once.
    pub(super) answer_from: Instant,
    /// Until when nothing is announced again.
    pub(super) announce_from: Instant,
    /// An announcement that is wanted and may not go out yet.
    pub(super) announce_at: Option<Instant>,
    /// A changed set of addresses is being bound.
    pub(super) rebinding: bool,
    /// A shorter pace to keep for a while after the interval has grown.
    pub(super) old_pace: Option<OldPace>,
    pub(super) repeats: Repeats,
    /// A higher priority that was said a moment ago.
    pub(super) lowered: Option<Lowered>,
}

/// The first advertisement of a switchover goes out again, for the router that holds the addresses lets go when it
/// hears one, and one may be lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeats {
    since: Instant,
    done: usize,
}

impl Repeats {
    /// How long after the first one.
    const AFTER: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(30)];
    /// Nothing is to be repeated.
    pub(super) const NONE: Self = Self { since: Instant::ORIGIN, done: Self::AFTER.len() };

    /// The first one goes out now.
    pub(super) const fn from(now: Instant) -> Self {
        Self { since: now, done: 0 }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        Self::AFTER.get(self.done).map(|after| self.since + *after)
    }

    /// Whether one is due; not again then.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let before = self.done;
        while self.next().is_some_and(|at| at <= now) {
            self.done += 1;
        }
        self.done > before
    }
}

/// Backups learn a longer interval from an advertisement, and one may be lost. Until three have told it they go out
/// as often as those Backups expect that have heard none of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct OldPace {
    pub(super) interval: AdvertisementInterval,
    pub(super) advertisements: u8,
}

impl Tenure {
    pub(super) const fn from(now: Instant) -> Self {
        Self {
            advertise_at: now,
            answer_from: now,
            announce_from: now,
            announce_at: None,
            rebinding: false,
            old_pace: None,
            repeats: Repeats::NONE,
            lowered: None,
        }
    }

    /// How long after this advertisement the next one is due.
    pub(super) fn next_pace(&mut self, config: &Config) -> Duration {
        match &mut self.old_pace {
            Some(OldPace { interval, advertisements }) if *advertisements > 0 => {
                *advertisements -= 1;
                config.interval().min(*interval).as_duration()
            }
            Some(_) | None => {
                self.old_pace = None;
                config.interval().as_duration()
            }
        }
    }

    /// The interval has grown from `old`: keep the shortest pace that a Backup may still expect.
    pub(super) fn keep_pace(&mut self, old: AdvertisementInterval) {
        let interval = self.old_pace.map_or(old, |pace| pace.interval.min(old));
        self.old_pace = Some(OldPace { interval, advertisements: 2 });
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let others = self.announce_at.into_iter().chain(self.repeats.next());
        others.fold(self.advertise_at, Instant::min)
    }
}

/// A graceful stop under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leave {
    /// When to resign once more, since the first may have been lost; `None` once that is done or needless.
    pub(super) repeat_at: Option<Instant>,
    pub(super) release_at: Instant,
    /// Whether a successor was heard.
    pub(super) succeeded: bool,
    /// Whether it goes on as Backup: it gives up what it holds because its sync group does, and takes part still.
    pub(super) stays: bool,
}

impl Leave {
    pub(super) fn next_deadline(&self) -> Instant {
        self.repeat_at.map_or(self.release_at, |repeat_at| repeat_at.min(self.release_at))
    }
}
