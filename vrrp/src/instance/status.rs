//! What can be asked of an instance at any time.

use std::net::IpAddr;
use std::time::Duration;

use super::{Heard, Instance, State};
use crate::{Config, Instant, Role};

impl Instance {
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
            State::TakingOver(take_over) => take_over.from,
            State::Active(_) | State::Leaving(_) => Role::Active,
        }
    }

    /// Whether the addresses are to be held now: the level that [`Action::Hold`](crate::Action::Hold) and
    /// [`Action::Release`](crate::Action::Release) move.
    #[must_use]
    pub const fn wants_addresses(&self) -> bool {
        matches!(self.state, State::TakingOver(_) | State::Active(_) | State::Leaving(_))
    }

    /// Whether [`Instance::stop`] was called and the addresses are not released yet.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self.state, State::Leaving(_))
    }

    /// When the addresses are released that a router holds on its way out, if no successor is heard.
    #[must_use]
    pub const fn releases_at(&self) -> Option<Instant> {
        match &self.state {
            State::Leaving(leave) => Some(leave.release_at),
            State::Initialize | State::Backup(_) | State::TakingOver(_) | State::Active(_) => None,
        }
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

    /// When the next advertisement of an Active router is due (Adver_Timer); `None` for any other.
    #[must_use]
    pub const fn advertises_at(&self) -> Option<Instant> {
        match &self.state {
            State::Active(tenure) => Some(tenure.advertise_at),
            State::Initialize | State::Backup(_) | State::TakingOver(_) | State::Leaving(_) => None,
        }
    }

    /// Until when a Backup that hears a router of lower priority does not preempt it; `None` when it hears none, or
    /// need not wait.
    #[must_use]
    pub fn preempts_from(&self) -> Option<Instant> {
        match &self.state {
            State::Backup(wait) if self.config.preempts() => {
                let since = wait.outranking_since?;
                let until = (since + self.config.preempt_delay()).max(self.held_off_until);
                (until > since).then_some(until)
            }
            State::Initialize
            | State::Backup(_)
            | State::TakingOver(_)
            | State::Active(_)
            | State::Leaving(_) => None,
        }
    }

    /// Before when nothing is tried again because the addresses could not be held; in the past when nothing failed.
    #[must_use]
    pub const fn retries_from(&self) -> Instant {
        self.backoff.until()
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
}
