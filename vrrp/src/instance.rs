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
//! A router that yields to a better one says once more what its own priority is, and the winner's interval, so that
//! the winner learns of the rival it had and announces the addresses again, and whoever obeys the loser meanwhile goes
//! on waiting for the winner; then it releases. A router that is stopped resigns and goes on
//! holding until it hears a successor, so that there is no instant without a holder. Who has just lowered its own
//! priority does not take what a loser says once more for the claim of a better router (`lowered.rs`).
//!
//! # Announcing
//! Whoever heard a rival cannot know whom the neighbours heard last. So a holder announces again when it hears a
//! losing or a resigning rival: at most once per interval, and never not at all. Where others cannot be trusted to do
//! the same it also announces from time to time.
//!
//! # Beside the protocol
//! A router can be told to take over now ([`Instance::boost`]), and that the Active router has let go
//! ([`Instance::handle_assist`]), or that nobody ever held the addresses ([`Instance::begin_at_once`]). None
//! of them is needed: without them the rules of the RFC hold.

mod assist;
mod backoff;
mod boost;
mod fast_start;
mod lapse;
mod lowered;
mod member;
mod state;
mod status;
mod steps;
mod succession;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use self::backoff::Backoff;
pub use self::boost::BoostRefused;
pub(crate) use self::member::Standing;
use self::state::{Leave, State, TakeOver, Tenure, Wait};
use crate::{Action, Advertisement, AdvertisementInterval, Claim, Config, Instant, Reason, Refusal, Role};

/// How long a router that leaves goes on holding once it has heard its successor, which announces meanwhile.
pub const HANDOVER: Duration = Duration::from_millis(20);

/// One virtual router, as one node takes part in it.
#[derive(Debug, Clone)]
pub struct Instance {
    config: Config,
    state: State,
    actions: VecDeque<Action>,
    backoff: Backoff,
    last_heard: Option<Heard>,
    last_sent: Option<Sent>,
    /// Before when it preempts nobody, whatever its settings say.
    held_off_until: Instant,
    /// Whether it takes over only with its sync group.
    in_set: bool,
    /// Whether it was neither started nor stopped yet.
    is_new: bool,
    /// The settings that it goes by once it has left.
    settings_to_come: Option<Config>,
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
    /// The running number that it bore, where the caller could tell one.
    pub sequence: Option<u16>,
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
            held_off_until: Instant::ORIGIN,
            in_set: false,
            is_new: true,
            settings_to_come: None,
        }
    }

    /// Begins to take part: as Backup, or, as the owner of the addresses, on the way to Active (RFC 9568 §6.4.1).
    pub fn start(&mut self, now: Instant) {
        match self.state {
            State::Initialize if self.config.priority().is_owner() => {
                self.take_over(Role::Initialize, Reason::OwnerStarted);
            }
            State::Initialize => {
                self.state = State::Backup(Wait::from(now));
                self.report(Role::Initialize, Role::Backup, Reason::Started);
            }
            State::Backup(_) | State::TakingOver(_) | State::Active(_) | State::Leaving(_) => {}
        }
    }

    /// Preempts nobody before `until`, unless as owner or boosted: what its LAN side has just done it may do again.
    pub fn hold_off(&mut self, until: Instant) {
        self.held_off_until = self.held_off_until.max(until);
    }

    /// Goes on as Active where a predecessor in this node left off: the addresses are held, and its last
    /// advertisement went out at `last_sent`. No role changes, so nothing is reported. What was sent later than
    /// `now` was sent by another clock and counts as sent just now, or this router would be silent until then.
    pub fn adopt(&mut self, now: Instant, last_sent: Instant) {
        match self.state {
            State::Initialize => {
                let last_sent = last_sent.min(now);
                let tenure = Tenure {
                    advertise_at: last_sent + self.config.interval().as_duration(),
                    announce_at: self.config.refresh().map(|refresh| now + refresh),
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
        match &mut self.state {
            State::Initialize => self.is_new = false,
            State::Leaving(leave) => leave.stays = false,
            State::Backup(_) | State::TakingOver(_) => self.leave_at_once(Reason::Stopped),
            State::Active(_) => self.begin_leaving(self.config.interval().as_duration() * 2, false, now),
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
    /// as it was. One that is boosted stays so, unless it is made the owner.
    ///
    /// # Errors
    /// [`DifferentRouter`] when version, family or VRID differ; nothing has changed then.
    pub fn reconfigure(&mut self, config: Config, now: Instant) -> Result<(), DifferentRouter> {
        if !self.config.is_same_router(&config) {
            return Err(DifferentRouter);
        }
        if matches!(self.state, State::Leaving(_)) {
            self.settings_to_come = Some(config);
            return Ok(());
        }
        let old = std::mem::replace(&mut self.config, config);
        let owns = self.config.priority().is_owner();
        self.config.set_boost(old.boost().filter(|_| !owns));
        // An owner's addresses are looked for, anybody else's are bound.
        let rebind = old.addresses() != self.config.addresses() || old.priority().is_owner() != owns;
        match &mut self.state {
            State::Backup(_) if owns && !old.priority().is_owner() => {
                self.take_over(Role::Backup, Reason::OwnerStarted);
            }
            // Only an owner may take over without having listened.
            &mut State::TakingOver(TakeOver { from, reason: Reason::OwnerStarted, .. }) if !owns => {
                self.fall_back(from, Wait::from(now), Reason::Started);
            }
            State::TakingOver(take_over) if rebind => {
                take_over.held = false;
                self.actions.push_back(Action::Hold);
            }
            State::Active(tenure) => {
                if rebind {
                    tenure.rebinding = true;
                    self.actions.push_back(Action::Hold);
                }
                if self.config.refresh() != old.refresh() && tenure.announce_at.is_none_or(|at| at > now) {
                    tenure.announce_at = self.config.refresh().map(|refresh| now + refresh);
                }
                tenure.changes_priority(old.priority(), &self.config, now);
                if self.config.interval() > old.interval() {
                    tenure.keep_pace(old.interval());
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
        self.handle_numbered(advertisement, None, now)
    }

    /// A router was heard, and its packet bore this running number.
    ///
    /// # Errors
    /// As [`Instance::handle_advertisement`].
    pub fn handle_numbered(
        &mut self,
        advertisement: &Advertisement,
        sequence: Option<u16>,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.config.admits(advertisement)?;
        if self.is_our_own(advertisement, now) {
            return Ok(());
        }
        let Advertisement { claim, interval, source, .. } = *advertisement;
        self.last_heard = Some(Heard { source, claim, interval, sequence, at: now });

        let us = self.config.candidate();
        match (&mut self.state, claim) {
            (State::Initialize, _) => {}

            (State::Backup(wait), Claim::Resigns) => wait.cut_short(source, now),
            (State::Backup(wait), Claim::Holds(rival)) if us.waits_behind(rival) => {
                *wait = Wait::behind(source, interval, now).outranked(us.yields_to(rival, source));
            }
            (State::Backup(wait), Claim::Holds(_)) => {
                let until = wait.outranks_since(now) + self.config.preempt_delay();
                let until =
                    if self.config.boost().is_some() { until } else { until.max(self.held_off_until) };
                wait.preempt_in_time(source, interval, until, now);
            }

            (State::TakingOver(take_over), Claim::Holds(rival)) if us.waits_behind(rival) => {
                let from = take_over.from;
                let wait = Wait::behind(source, interval, now).outranked(us.yields_to(rival, source));
                self.fall_back(from, wait, Reason::Started);
            }
            (State::TakingOver(_), Claim::Holds(_) | Claim::Resigns) => {}

            (State::Active(_), Claim::Resigns) => self.reassert(claim, now),
            (State::Active(tenure), Claim::Holds(rival)) if us.yields_to(rival, source) => {
                if tenure.may_be_conceded_to(rival, now) {
                    self.reassert(claim, now);
                } else {
                    self.yield_to(source, interval, now);
                }
            }
            // Two routers with one address: an answer would be answered, for ever.
            (State::Active(_), Claim::Holds(rival)) if us.is_mirrored_by(rival, source) => {}
            (State::Active(_), Claim::Holds(_)) => self.reassert(claim, now),

            (State::Leaving(leave), Claim::Holds(_)) if source != us.address => {
                leave.repeat_at = None;
                leave.release_at = leave.release_at.min(now + HANDOVER);
                if !std::mem::replace(&mut leave.succeeded, true) {
                    self.actions.push_back(Action::Hush);
                }
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
                if deadline <= now && self.in_set {
                    wait.membership.notice(deadline);
                } else if deadline <= now {
                    let wait = *wait;
                    let reason = self.reason_to_take_over(&wait, deadline);
                    self.take_over(Role::Backup, reason);
                }
            }
            State::Active(tenure) => {
                let announce = tenure.announce_at.is_some_and(|announce_at| announce_at <= now);
                let repeat = tenure.repeats.take_due(now);
                if tenure.advertise_at <= now {
                    self.advertise(now);
                } else if repeat {
                    self.send(Claim::Holds(self.config.priority()), now);
                }
                if announce {
                    self.announce(now);
                }
            }
            State::Leaving(leave) => {
                let Leave { repeat_at, release_at, .. } = *leave;
                if repeat_at.is_some_and(|repeat_at| repeat_at <= now) {
                    leave.repeat_at = None;
                    self.send(Claim::Resigns, now);
                }
                if release_at <= now {
                    self.end_leaving(Reason::SyncGroup, now);
                }
            }
        }
    }

    /// The addresses of the last [`Action::Hold`] are held.
    pub fn handle_held(&mut self, now: Instant) {
        match &mut self.state {
            State::TakingOver(take_over) => {
                take_over.held = true;
                self.backoff.clear();
                if !self.in_set {
                    self.become_active(now);
                }
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
            State::TakingOver(take_over) => take_over.from,
            State::Active(_) => {
                self.send(Claim::Resigns, now);
                Role::Active
            }
            State::Leaving(_) => return self.end_leaving(Reason::HoldFailed, now),
        };
        self.backoff.grow(now);
        self.config.set_boost(None);
        self.fall_back(from, Wait::from(now).fallen(), Reason::HoldFailed);
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
            State::Backup(_) => self.time_to_come(),
            State::Active(tenure) => Some(tenure.next_deadline()),
            State::Leaving(leave) => Some(leave.next_deadline()),
        }
    }
}
