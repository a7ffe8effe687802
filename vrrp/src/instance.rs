//! The VRRP state machine (RFC 9568 §6.4, RFC 3768 §6.4).
//!
//! Tell it what happened and when; then carry out each [`Action`], in order, until none is left; then wait for the
//! next event or for [`Instance::poll_timeout`]. No order of calls is wrong: what does not fit the state is ignored.
//!
//! # Taking over
//! A router that is not yet Active sends nothing. When its time comes it asks for the addresses
//! ([`Action::Hold`]) and only [`Instance::handle_held`] makes it Active: advertise, announce, report.
//! If they cannot be held nobody ever hears of the attempt, and the next one waits for a while.
//!
//! # Leaving
//! A router that yields to a better one says once more what its own priority is, so that the winner learns of the
//! rival it had and announces the addresses again; then it releases. A router that is stopped resigns and goes on
//! holding until it hears a successor, so that there is no instant without a holder.
//!
//! # Announcing
//! Whoever heard a rival cannot know whom the neighbours heard last. So a holder announces again when it hears a
//! losing or a resigning rival: at most once per interval, and never not at all.

mod backoff;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use self::backoff::Backoff;
use self::state::{Leave, OldPace, Silence, State, TakeOver, Tenure, Wait};
use crate::{
    Action, Advertisement, AdvertisementInterval, Change, Claim, Config, Instant, Reason, Refusal, Role,
    Version,
};

/// How long a router that leaves goes on holding once it has heard its successor, which announces meanwhile.
pub const HANDOVER: Duration = Duration::from_millis(20);

/// Advertisements that answer a rival at once keep this distance at least.
const MIN_ANSWER_DISTANCE: Duration = Duration::from_millis(10);

/// One virtual router, as one node takes part in it.
#[derive(Debug, Clone)]
pub struct Instance {
    config: Config,
    state: State,
    actions: VecDeque<Action>,
    backoff: Backoff,
    last_heard: Option<Heard>,
    last_sent: Option<Sent>,
}

/// The last valid advertisement from another router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The primary address of its sender.
    pub source: IpAddr,
    /// What its sender claimed.
    pub claim: Claim,
    /// How often its sender advertises.
    pub interval: AdvertisementInterval,
    /// When it was handed to the instance.
    pub at: Instant,
}

/// The settings are another virtual router's. Stop this instance and start a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("version, family and VRID cannot change while an instance runs")]
pub struct DifferentRouter;

#[derive(Debug, Clone, Copy)]
struct Sent {
    claim: Claim,
    at: Instant,
}

impl Instance {
    /// A router that takes no part yet.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Initialize,
            actions: VecDeque::new(),
            backoff: Backoff::NONE,
            last_heard: None,
            last_sent: None,
        }
    }

    /// Begins to take part: as Backup, or, as the owner of the addresses, on the way to Active (RFC 9568 §6.4.1).
    pub fn start(&mut self, now: Instant) {
        match self.state {
            State::Initialize if self.config.priority().is_owner() => {
                self.take_over(Reason::OwnerStarted, None);
            }
            State::Initialize => {
                self.state = State::Backup(Wait::from(now));
                self.report(Role::Initialize, Role::Backup, Reason::Started);
            }
            State::Backup(_) | State::TakingOver(_) | State::Active(_) | State::Leaving(_) => {}
        }
    }

    /// Goes on as Active where a predecessor in this node left off: the addresses are held, and its last
    /// advertisement went out at `last_sent`. No role changes, so nothing is reported.
    pub fn adopt(&mut self, now: Instant, last_sent: Instant) {
        match self.state {
            State::Initialize => {
                let tenure = Tenure {
                    advertise_at: last_sent + self.config.interval().as_duration(),
                    ..Tenure::from(now)
                };
                self.last_sent = Some(Sent { claim: Claim::Holds(self.config.priority()), at: last_sent });
                self.state = State::Active(tenure);
                self.handle_timeout(now);
            }
            State::Backup(_) | State::TakingOver(_) | State::Active(_) | State::Leaving(_) => {}
        }
    }

    /// Ends the part taken. A Backup stops at once. An Active router resigns, goes on holding until it hears a
    /// successor or two intervals have passed, and only then releases and reports.
    pub fn stop(&mut self, now: Instant) {
        match self.state {
            State::Initialize | State::Leaving(_) => {}
            State::Backup(_) | State::TakingOver(_) => self.leave_at_once(Reason::Stopped),
            State::Active(_) => {
                let interval = self.config.interval().as_duration();
                self.send(Claim::Resigns, now);
                self.state =
                    State::Leaving(Leave { repeat_at: Some(now + interval), release_at: now + interval * 2 });
            }
        }
    }

    /// Ends the part taken without a word, because nothing can be sent or held any more: the interface is down, or
    /// has lost its address. [`Instance::start`] begins anew.
    pub fn fault(&mut self) {
        self.leave_at_once(Reason::Faulted);
    }

    /// Takes over new settings without leaving the state.
    ///
    /// An Active router says a changed priority or interval at once, and asks to hold a changed set of addresses;
    /// whether it stays Active is then for the others to say, by the ordinary rules. A router that leaves goes on
    /// as it was.
    ///
    /// # Errors
    /// [`DifferentRouter`] when version, family or VRID differ; nothing has changed then.
    pub fn reconfigure(&mut self, config: Config, now: Instant) -> Result<(), DifferentRouter> {
        if !self.config.is_same_router(&config) {
            return Err(DifferentRouter);
        }
        if matches!(self.state, State::Leaving(_)) {
            return Ok(());
        }
        let old = std::mem::replace(&mut self.config, config);
        let rebind = old.addresses() != self.config.addresses();
        match &mut self.state {
            State::Backup(wait) if self.config.priority().is_owner() && !old.priority().is_owner() => {
                let waited = Some(*wait);
                self.take_over(Reason::OwnerStarted, waited);
            }
            State::TakingOver(_) if rebind => self.actions.push_back(Action::Hold),
            State::Active(tenure) => {
                if rebind {
                    tenure.rebinding = true;
                    self.actions.push_back(Action::Hold);
                }
                if self.config.interval() > old.interval() {
                    tenure.old_pace = Some(OldPace::of(old.interval()));
                }
                if (self.config.priority(), self.config.interval(), self.config.source())
                    != (old.priority(), old.interval(), old.source())
                {
                    self.advertise(now);
                }
            }
            State::Initialize | State::Backup(_) | State::TakingOver(_) | State::Leaving(_) => {}
        }
        Ok(())
    }

    /// A router was heard.
    ///
    /// # Errors
    /// [`Refusal`] when the advertisement is none for this virtual router; it was ignored then, and is to be counted.
    pub fn handle_advertisement(
        &mut self,
        advertisement: &Advertisement,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.config.admits(advertisement)?;
        if self.is_our_own(advertisement, now) {
            return Ok(());
        }
        let Advertisement { claim, interval, source, .. } = *advertisement;
        self.last_heard = Some(Heard { source, claim, interval, at: now });

        let us = self.config.candidate();
        match (&mut self.state, claim) {
            (State::Initialize, _) => {}

            (State::Backup(wait), Claim::Resigns) => wait.cut_short(now),
            (State::Backup(wait), Claim::Holds(rival)) if us.waits_behind(rival) => {
                *wait = Wait::behind(source, interval, now);
            }
            (State::Backup(_), Claim::Holds(_)) => {} // We preempt: let the deadline come.

            (State::TakingOver(take_over), Claim::Holds(rival)) if us.waits_behind(rival) => {
                let was_initialize = take_over.waited.is_none();
                self.state = State::Backup(Wait::behind(source, interval, now));
                self.actions.push_back(Action::Release);
                if was_initialize {
                    self.report(Role::Initialize, Role::Backup, Reason::Started);
                }
            }
            (State::TakingOver(_), Claim::Holds(_) | Claim::Resigns) => {}

            (State::Active(_), Claim::Resigns) => self.reassert(claim, now),
            (State::Active(_), Claim::Holds(rival)) if us.yields_to(rival, source) => {
                self.yield_to(source, interval, now);
            }
            // Two routers with one address: an answer would be answered, for ever.
            (State::Active(_), Claim::Holds(rival)) if us.is_mirrored_by(rival, source) => {}
            (State::Active(_), Claim::Holds(_)) => self.reassert(claim, now),

            (State::Leaving(leave), Claim::Holds(_)) if source != us.address => {
                leave.repeat_at = None;
                leave.release_at = leave.release_at.min(now + HANDOVER);
            }
            (State::Leaving(_), Claim::Holds(_) | Claim::Resigns) => {}
        }
        Ok(())
    }

    /// Acts on the deadlines that have passed. An early or a repeated call is harmless; a late one does once what
    /// was due several times.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Initialize | State::TakingOver(_) => {}
            State::Backup(wait) => {
                let deadline = wait.takeover_at(&self.config, &self.backoff);
                if deadline <= now {
                    let waited = *wait;
                    self.take_over(self.reason_to_take_over(&waited, deadline), Some(waited));
                }
            }
            State::Active(tenure) => {
                let announce = tenure.announce_at.is_some_and(|announce_at| announce_at <= now);
                if tenure.advertise_at <= now {
                    self.advertise(now);
                }
                if announce {
                    self.announce(now);
                }
            }
            State::Leaving(leave) => {
                let Leave { repeat_at, release_at } = *leave;
                if repeat_at.is_some_and(|repeat_at| repeat_at <= now) {
                    leave.repeat_at = None;
                    self.send(Claim::Resigns, now);
                }
                if release_at <= now {
                    self.leave_at_once(Reason::Stopped);
                }
            }
        }
    }

    /// The addresses of the last [`Action::Hold`] are held.
    pub fn handle_held(&mut self, now: Instant) {
        match &mut self.state {
            State::TakingOver(TakeOver { reason, waited }) => {
                let (reason, from) = (*reason, role_before(waited.as_ref()));
                self.backoff.clear();
                self.state = State::Active(Tenure::from(now));
                self.advertise(now);
                self.announce(now);
                self.report(from, Role::Active, reason);
            }
            State::Active(tenure) if tenure.rebinding => {
                tenure.rebinding = false;
                self.advertise(now);
                self.announce(now);
            }
            State::Initialize | State::Backup(_) | State::Active(_) | State::Leaving(_) => {}
        }
    }

    /// The addresses cannot be held, or not any longer. An Active router resigns; either way nothing is tried again
    /// before a while has passed.
    pub fn handle_hold_failed(&mut self, now: Instant) {
        let from = match &self.state {
            State::Initialize | State::Backup(_) => return,
            State::TakingOver(take_over) => role_before(take_over.waited.as_ref()),
            State::Active(_) => {
                self.send(Claim::Resigns, now);
                Role::Active
            }
            State::Leaving(_) => return self.leave_at_once(Reason::Stopped),
        };
        self.backoff.grow(now);
        self.state = State::Backup(Wait::from(now));
        self.actions.push_back(Action::Release);
        if from != Role::Backup {
            self.report(from, Role::Backup, Reason::HoldFailed);
        }
    }

    /// The next thing to do. Call it after each of the other calls until there is none.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Instance::handle_timeout`]; `None` while there is nothing to wait for but an event.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Initialize | State::TakingOver(_) => None,
            State::Backup(wait) => Some(wait.takeover_at(&self.config, &self.backoff)),
            State::Active(tenure) => Some(tenure.next_deadline()),
            State::Leaving(leave) => Some(leave.next_deadline()),
        }
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The role. It becomes Active when the addresses are held, and stays so until they are released.
    #[must_use]
    pub const fn role(&self) -> Role {
        match &self.state {
            State::Initialize => Role::Initialize,
            State::Backup(_) => Role::Backup,
            State::TakingOver(take_over) => role_before(take_over.waited.as_ref()),
            State::Active(_) | State::Leaving(_) => Role::Active,
        }
    }

    /// Whether the addresses are to be held now: the level that [`Action::Hold`] and [`Action::Release`] move.
    #[must_use]
    pub const fn wants_addresses(&self) -> bool {
        matches!(self.state, State::TakingOver(_) | State::Active(_) | State::Leaving(_))
    }

    /// Whether [`Instance::stop`] was called and the addresses are not released yet.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self.state, State::Leaving(_))
    }

    /// The last valid advertisement of another router, in whatever role it was heard.
    #[must_use]
    pub const fn last_heard(&self) -> Option<Heard> {
        self.last_heard
    }

    /// The router that a Backup waits behind; `None` when it knows of none.
    #[must_use]
    pub const fn active_source(&self) -> Option<IpAddr> {
        match &self.state {
            State::Backup(wait) => wait.active,
            State::Initialize | State::TakingOver(_) | State::Active(_) | State::Leaving(_) => None,
        }
    }

    /// Active_Down_Interval as it applies now: by the interval that the Active router advertises, or by ours where
    /// it is not known or version 2 does not ask for it.
    #[must_use]
    pub fn active_down_interval(&self) -> Duration {
        let interval = match &self.state {
            State::Backup(wait) => wait.active_interval(&self.config),
            State::Initialize | State::TakingOver(_) | State::Active(_) | State::Leaving(_) => {
                self.config.interval()
            }
        };
        self.config.active_down_interval(interval)
    }

    /// An advertisement of ours that the LAN has sent back to us, rather than another router with our address.
    fn is_our_own(&self, advertisement: &Advertisement, now: Instant) -> bool {
        let within = self.config.interval().as_duration();
        self.last_sent.is_some_and(|Sent { claim, at }| {
            claim == advertisement.claim && now.saturating_duration_since(at) <= within
        }) && advertisement.source == self.config.source()
            && advertisement.addresses == self.config.addresses()
    }

    /// Why `wait` has come to its end at `deadline`. A rival is alive if its last advertisement is not much older
    /// than its interval.
    fn reason_to_take_over(&self, wait: &Wait, deadline: Instant) -> Reason {
        let is_outranked = |heard: Heard| match heard.claim {
            Claim::Resigns => false,
            Claim::Holds(rival) => {
                !self.config.candidate().waits_behind(rival)
                    && deadline.saturating_duration_since(heard.at) <= heard.interval.as_duration() * 3 / 2
            }
        };
        match wait.silence {
            Silence::Skew => Reason::PriorityZero,
            Silence::ActiveDown if self.last_heard.is_some_and(is_outranked) => Reason::Preempting,
            Silence::ActiveDown => Reason::NoResponse,
        }
    }

    fn take_over(&mut self, reason: Reason, waited: Option<Wait>) {
        self.state = State::TakingOver(TakeOver { reason, waited });
        self.actions.push_back(Action::Hold);
    }

    fn yield_to(&mut self, active: IpAddr, interval: AdvertisementInterval, now: Instant) {
        self.send(Claim::Holds(self.config.priority()), now);
        self.state = State::Backup(Wait::behind(active, interval, now));
        self.actions.push_back(Action::Release);
        self.report(Role::Active, Role::Backup, Reason::HigherPriorityHeard);
    }

    /// Answers a rival that must not win, with an advertisement at once and an announcement. What may not go out
    /// yet goes out as soon as it may.
    fn reassert(&mut self, rival: Claim, now: Instant) {
        let State::Active(tenure) = &mut self.state else { return };
        let interval = self.config.interval().as_duration();

        tenure.announce_at = Some(tenure.announce_from.max(now));
        let answer_at = tenure.answer_from.max(now);
        // Version 2 discards a losing advertisement in silence (RFC 3768 §6.4.3).
        let is_answered = self.config.version() == Version::V3 || rival == Claim::Resigns;
        if is_answered && answer_at < tenure.advertise_at {
            tenure.advertise_at = answer_at;
            tenure.answer_from = answer_at + MIN_ANSWER_DISTANCE.max(interval / 10);
        }
        self.handle_timeout(now);
    }

    fn advertise(&mut self, now: Instant) {
        if let State::Active(tenure) = &mut self.state {
            tenure.advertise_at = now + tenure.next_pace(&self.config);
            self.send(Claim::Holds(self.config.priority()), now);
        }
    }

    fn announce(&mut self, now: Instant) {
        if let State::Active(tenure) = &mut self.state {
            tenure.announce_at = None;
            tenure.announce_from = now + self.config.interval().as_duration();
            self.actions.push_back(Action::Announce);
        }
    }

    fn leave_at_once(&mut self, reason: Reason) {
        let from = self.role();
        if self.wants_addresses() {
            self.actions.push_back(Action::Release);
        }
        self.state = State::Initialize;
        if from != Role::Initialize {
            self.report(from, Role::Initialize, reason);
        }
    }

    fn send(&mut self, claim: Claim, now: Instant) {
        self.last_sent = Some(Sent { claim, at: now });
        self.actions.push_back(Action::Advertise(claim));
    }

    fn report(&mut self, from: Role, to: Role, reason: Reason) {
        self.actions.push_back(Action::Report(Change { from, to, reason }));
    }
}

const fn role_before(waited: Option<&Wait>) -> Role {
    match waited {
        None => Role::Initialize,
        Some(_) => Role::Backup,
    }
}
