//! A router with its kernel: it can be paused, lose its power, and refuse to hold addresses.

use std::collections::VecDeque;

use vrrp::{Config, Envelope, Instance, Instant, Role};

/// A frame on its way, and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) message: Vec<u8>,
    pub(crate) envelope: Envelope,
}

/// One router.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    /// `None` without power.
    pub(crate) instance: Option<Instance>,
    /// What its reports add up to.
    pub(crate) role: Role,
    /// Whether its kernel has the addresses.
    pub(crate) holds: bool,
    /// Whether its kernel refuses to hold them.
    pub(crate) refuses: bool,
    /// Counts the wishes that the instance has uttered; an answer to an old one is thrown away.
    pub(crate) wish: u64,
    /// It does nothing before this time.
    pub(crate) paused_until: Option<Instant>,
    /// What came in meanwhile.
    pub(crate) inbox: VecDeque<Frame>,
}

impl Node {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            instance: None,
            role: Role::Initialize,
            holds: false,
            refuses: false,
            wish: 0,
            paused_until: None,
            inbox: VecDeque::new(),
        }
    }

    /// When it has something to do by itself.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let deadline = self.instance.as_ref()?.poll_timeout();
        match (self.paused_until, deadline) {
            (Some(until), _) => Some(until),
            (None, deadline) => deadline,
        }
    }

    /// Everything is gone, the addresses too.
    pub(crate) fn lose_power(&mut self) {
        *self = Self { refuses: self.refuses, wish: self.wish + 1, ..Self::new(self.config.clone()) };
    }
}
