//! Switchover: one router is told to take over now, whatever its settings say.
//!
//! While it is boosted it advertises a priority that no other router declares, preempts, and counts its skew from that
//! priority. The boost ends with the part that the router takes, and when the addresses cannot be held: an attempt
//! that failed is not made again by itself.

use thiserror::Error;

use super::state::{State, TakeOver, Wait};
use super::{Heard, Instance};
use crate::election::is_out_of_reach;
use crate::{BoostedPriority, Claim, Instant, Priority, Reason, Role};

/// Why a router is not boosted. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BoostRefused {
    /// The addresses are an owner's, and its priority is the highest already.
    #[error("an owner of its addresses is not switched over")]
    Owner,
    /// It was not started, is in fault, or is on its way out.
    #[error("it takes no part now")]
    TakesNoPart,
    /// It would not win, or only by chance.
    #[error("{heard} is advertised by another router: a switchover wins against 249 and less")]
    OutOfReach {
        /// What the other router advertises.
        heard: Priority,
    },
}

impl Instance {
    /// Takes over at once as Backup, and says the higher priority at once as Active.
    ///
    /// # Errors
    /// [`BoostRefused`] when it cannot win, or must not.
    pub fn boost(&mut self, priority: BoostedPriority, now: Instant) -> Result<(), BoostRefused> {
        if self.config.boost() == Some(priority) {
            return Ok(());
        }
        if self.config.priority().is_owner() {
            return Err(BoostRefused::Owner);
        }
        match &self.state {
            State::Initialize | State::Leaving(_) => return Err(BoostRefused::TakesNoPart),
            State::Backup(_) | State::TakingOver(_) => self.assert_in_reach(now)?,
            State::Active(_) => {}
        }
        self.config.set_boost(Some(priority));
        match &self.state {
            State::Backup(_) if self.in_set => self.call(Reason::Switchover, now),
            State::Backup(_) => self.take_over(Role::Backup, Reason::Switchover),
            State::Active(_) => self.advertise(now),
            State::Initialize | State::TakingOver(_) | State::Leaving(_) => {}
        }
        Ok(())
    }

    /// Was boosted when it was left off: to be said before it [is adopted](Self::adopt). An owner is not
    /// boosted, and one that takes part already is not changed.
    pub fn resume_boost(&mut self, priority: BoostedPriority) {
        if matches!(self.state, State::Initialize) && !self.config.priority().is_owner() {
            self.config.set_boost(Some(priority));
        }
    }

    /// Goes by its own priority again. Whether the addresses move is then for the others to say, by the ordinary rules.
    pub fn unboost(&mut self, now: Instant) {
        if self.config.boost().is_none() {
            return;
        }
        let boosted = self.config.priority();
        self.config.set_boost(None);
        match &mut self.state {
            State::Active(tenure) => {
                tenure.changes_priority(boosted, &self.config, now);
                self.advertise(now);
            }
            &mut State::TakingOver(TakeOver { from, reason: Reason::Switchover, .. }) => {
                let behind = |heard: Heard| Wait::behind(heard.source, heard.interval, now);
                let wait = self.last_heard.map_or(Wait::from(now), behind);
                self.fall_back(from, wait, Reason::Started);
            }
            State::Backup(wait) => wait.membership.uncall(),
            State::Initialize | State::TakingOver(_) | State::Leaving(_) => {}
        }
    }

    fn assert_in_reach(&self, now: Instant) -> Result<(), BoostRefused> {
        match self.last_heard {
            Some(Heard { claim: Claim::Holds(heard), interval, at, .. })
                if is_out_of_reach(heard)
                    && now.saturating_duration_since(at) < interval.as_duration() * 3 =>
            {
                Err(BoostRefused::OutOfReach { heard })
            }
            Some(_) | None => Ok(()),
        }
    }
}
