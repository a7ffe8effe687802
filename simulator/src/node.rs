//! A router with its kernel: it can be paused, lose its power, and refuse to hold addresses.

use std::collections::VecDeque;
use std::time::Duration;

use vrrp::{Config, Envelope, Instance, Instant, Role};

/// A frame on its way, and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) message: Vec<u8>,
    pub(crate) envelope: Envelope,
}

/// One router.
#[derive(Debug)]
pub struct Node {
    /// Its settings.
    pub config: Config,
    /// Whether it is one of those routers that yield without a word and release as soon as they resign.
    pub foreign: bool,
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
    /// Counts the wishes that the instance has uttered; an answer to an old one is thrown away.
    pub(crate) wish: u64,
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
            foreign: false,
            believed: None,
            instance: None,
            role: Role::Initialize,
            holds: false,
            refuses: false,
            wish: 0,
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

    /// What its clock shows when the LAN's shows `now`.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        now + self.ahead
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
            foreign: self.foreign,
            believed: self.believed,
            wish: self.wish + 1,
            ahead: self.ahead,
            ..Self::new(self.config.clone())
        };
    }
}
