//! A router with its kernel: it can be paused, lose its power, and refuse to hold addresses.

use std::collections::VecDeque;
use std::time::Duration;

use vrrp::{Advertisement, Claim, Config, Envelope, Instance, Instant, Role};

use crate::manners::Manners;

/// A frame on its way, and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) message: Vec<u8>,
    pub(crate) envelope: Envelope,
    /// The running number that its IP header bears.
    pub(crate) sequence: u16,
}

/// One router.
#[derive(Debug)]
pub struct Node {
    /// Its settings.
    pub config: Config,
    /// Whose software it runs.
    pub manners: Manners,
    /// Whom a client beside it, on the same port of the switch, takes for the holder.
    pub believed: Option<usize>,
    /// The state machine; `None` without power, and while its software is restarted.
    pub instance: Option<Instance>,
    /// What its reports add up to.
    pub role: Role,
    /// Whether its kernel has the addresses.
    pub holds: bool,
    /// Whether its kernel refuses to hold them.
    pub refuses: bool,
    /// Whether it ever did.
    pub(crate) refused: bool,
    /// The number that its last advertisement bore.
    pub sequence: u16,
    /// Counts the wishes that the instance has uttered; an answer to an old one is thrown away.
    pub(crate) wish: u64,
    /// Since when, by its own clock, it has heard only routers that it preempts.
    pub(crate) outranking_since: Option<Instant>,
    /// Whether a foreign one has heard what makes it announce again.
    pub(crate) owes_announcement: bool,
    /// When, by the LAN's clock, it announced last.
    pub(crate) announced_at: Option<Instant>,
    /// When, by the LAN's clock, it said last that it yields.
    pub(crate) conceded_at: Option<Instant>,
    /// It does nothing before this time.
    pub(crate) paused_until: Option<Instant>,
    /// How far its clock is ahead of the LAN's.
    pub(crate) ahead: Duration,
    /// What came in while it was paused.
    pub(crate) inbox: VecDeque<Frame>,
}

impl Node {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            manners: Manners::Baton,
            believed: None,
            instance: None,
            role: Role::Initialize,
            holds: false,
            refuses: false,
            refused: false,
            // Near the end of the count, so that it begins anew in every run.
            sequence: u16::MAX - 20,
            wish: 0,
            outranking_since: None,
            owes_announcement: false,
            announced_at: None,
            conceded_at: None,
            paused_until: None,
            ahead: Duration::ZERO,
            inbox: VecDeque::new(),
        }
    }

    /// Whether it takes part: it has power, was started, and is not on its way out.
    #[must_use]
    pub fn takes_part(&self) -> bool {
        self.instance.as_ref().is_some_and(|instance| {
            !instance.is_leaving() && (self.role != Role::Initialize || instance.wants_addresses())
        })
    }

    /// The settings that it goes by now: those of a boosted one have another priority.
    #[must_use]
    pub fn effective(&self) -> &Config {
        self.instance.as_ref().map_or(&self.config, Instance::config)
    }

    /// What its clock shows when the LAN's shows `now`.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        now + self.ahead
    }

    /// Whether it is Active and hears a router that it does not yield to.
    pub(crate) fn wins_against(&self, rival: &Advertisement) -> bool {
        let ours = (self.effective().priority(), self.config.source());
        let loses = matches!(rival.claim, Claim::Holds(priority) if (priority, rival.source) < ours);
        self.role == Role::Active && loses
    }

    /// It has heard this as Backup.
    pub(crate) fn note(&mut self, rival: &Advertisement, at: Instant) {
        match rival.claim {
            Claim::Holds(priority)
                if self.effective().preempts() && priority < self.effective().priority() =>
            {
                self.outranking_since.get_or_insert(at);
            }
            Claim::Holds(_) => self.outranking_since = None,
            Claim::Resigns => {}
        }
    }

    /// Whether a foreign router, told to announce, says nothing: it is Active already, and heard nobody lose.
    pub(crate) fn keeps_silent(&mut self) -> bool {
        self.role == Role::Active && !std::mem::take(&mut self.owes_announcement)
    }

    /// When it has something to do by itself, by the LAN's clock.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let deadline = self.instance.as_ref()?.poll_timeout();
        match (self.paused_until, deadline) {
            (Some(until), _) => Some(until),
            (None, deadline) => deadline.map(|deadline| deadline - self.ahead),
        }
    }

    /// Everything is gone, the addresses too.
    pub(crate) fn lose_power(&mut self) {
        *self = Self {
            refuses: self.refuses,
            refused: self.refused,
            manners: self.manners,
            believed: self.believed,
            wish: self.wish + 1,
            sequence: self.sequence,
            ahead: self.ahead,
            ..Self::new(self.config.clone())
        };
    }
}
