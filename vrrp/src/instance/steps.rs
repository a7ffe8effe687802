//! The steps that the inputs of an instance are made of.

use std::net::IpAddr;
use std::time::Duration;

use super::state::{Silence, State, TakeOver, Wait};
use super::{Heard, Instance, Sent};
use crate::{Action, Advertisement, AdvertisementInterval, Change, Claim, Instant, Reason, Role, Version};

/// Advertisements that answer a rival at once keep this distance at least.
const MIN_ANSWER_DISTANCE: Duration = Duration::from_millis(10);

impl Instance {
    /// An advertisement of ours that the LAN has sent back to us, rather than another router with our address.
    pub(super) fn is_our_own(&self, advertisement: &Advertisement, now: Instant) -> bool {
        let within = self.config.interval().as_duration();
        self.last_sent.is_some_and(|Sent { claim, at }| {
            claim == advertisement.claim && now.saturating_duration_since(at) <= within
        }) && advertisement.source == self.config.source()
            && advertisement.addresses == self.config.advertised()
    }

    /// Why a Backup takes over at `deadline`, after this silence. A rival is alive if its last advertisement is not
    /// much older than its interval.
    pub(super) fn reason_to_take_over(&self, wait: &Wait, deadline: Instant) -> Reason {
        let is_outranked = |heard: Heard| match heard.claim {
            Claim::Resigns => false,
            Claim::Holds(rival) => {
                !self.config.candidate().waits_behind(rival)
                    && deadline.saturating_duration_since(heard.at) <= heard.interval.as_duration() * 3 / 2
            }
        };
        if let Some(reason) = wait.membership.called_for() {
            return reason;
        }
        match wait.silence {
            Silence::Skew => Reason::PriorityZero,
            Silence::ActiveDown if wait.let_go_at.is_some_and(|at| at <= deadline) => Reason::Assist,
            Silence::ActiveDown if self.last_heard.is_some_and(is_outranked) => Reason::Preempting,
            Silence::ActiveDown => Reason::NoResponse,
        }
    }

    pub(super) fn take_over(&mut self, from: Role, reason: Reason) {
        self.state = State::TakingOver(TakeOver { from, reason, held: false });
        self.actions.push_back(Action::Hold);
    }

    pub(super) fn yield_to(&mut self, active: IpAddr, interval: AdvertisementInterval, now: Instant) {
        self.last_sent = Some(Sent { claim: Claim::Holds(self.config.priority()), at: now });
        self.actions.extend([Action::Hush, Action::Concede(interval), Action::HandOver]);
        self.state = State::Backup(Wait::behind(active, interval, now).outranked(true));
        self.report(Role::Active, Role::Backup, Reason::HigherPriorityHeard);
    }

    /// Gives up the addresses, or the attempt to hold them.
    pub(super) fn fall_back(&mut self, from: Role, wait: Wait, reason: Reason) {
        self.state = State::Backup(wait);
        self.actions.push_back(Action::Release);
        if from != Role::Backup {
            self.report(from, Role::Backup, reason);
        }
    }

    /// Answers a rival that must not win, with an advertisement at once and an announcement. What may not go out
    /// yet goes out as soon as it may.
    pub(super) fn reassert(&mut self, rival: Claim, now: Instant) {
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

    pub(super) fn advertise(&mut self, now: Instant) {
        if let State::Active(tenure) = &mut self.state {
            tenure.advertise_at = now + tenure.next_pace(&self.config);
            self.send(Claim::Holds(self.config.priority()), now);
        }
    }

    pub(super) fn announce(&mut self, now: Instant) {
        if let State::Active(tenure) = &mut self.state {
            tenure.announce_at = self.config.refresh().map(|refresh| now + refresh);
            tenure.announce_from = now + self.config.interval().as_duration();
            self.actions.push_back(Action::Announce);
        }
    }

    pub(super) fn leave_at_once(&mut self, reason: Reason) {
        let from = self.role();
        if self.wants_addresses() {
            self.actions.push_back(Action::Release);
        }
        (self.state, self.is_new) = (State::Initialize, false);
        self.take_up_settings();
        if from != Role::Initialize {
            self.report(from, Role::Initialize, reason);
        }
    }

    pub(super) fn send(&mut self, claim: Claim, now: Instant) {
        self.last_sent = Some(Sent { claim, at: now });
        self.actions.push_back(Action::Advertise(claim));
    }

    pub(super) fn report(&mut self, from: Role, to: Role, reason: Reason) {
        self.actions.push_back(Action::Report(Change { from, to, reason }));
    }
}
