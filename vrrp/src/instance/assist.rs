//! What a Backup makes of the word, come by another way than the LAN, that the Active router has let go.
//!
//! It is a hint: obeyed only by a Backup whose last advertisement came from that very router and bore the number that
//! the router names as its last, or one of the two before; and void as soon as anybody is heard to hold the addresses.

use std::net::IpAddr;
use std::time::Duration;

use super::state::State;
use super::{Heard, Instance};
use crate::{Claim, Instant};

/// How long each router lets the next better one go first: longer than the word takes to one router after it
/// came to another, so that the best one takes over whoever is told first.
pub(super) const DISTANCE: Duration = Duration::from_millis(10);
/// How many of the last advertisements may have been lost.
const MAY_BE_LOST: u16 = 2;

impl Instance {
    /// The router at `source` has let go, and its last advertisement bore the number `sequence`. `rank` others would
    /// win before us ([`Config::rank`](crate::Config::rank)). Whether it was obeyed.
    pub fn handle_assist(&mut self, source: IpAddr, sequence: u16, rank: u32, now: Instant) -> bool {
        let is_about = |heard: Heard| {
            let missed = heard.sequence.map(|number| sequence.wrapping_sub(number));
            heard.source == source
                && matches!(heard.claim, Claim::Holds(_))
                && missed.is_some_and(|missed| missed <= MAY_BE_LOST)
        };
        match &mut self.state {
            State::Backup(wait) if self.last_heard.is_some_and(is_about) => {
                wait.let_go(now + DISTANCE * rank);
                true
            }
            State::Initialize
            | State::Backup(_)
            | State::TakingOver(_)
            | State::Active(_)
            | State::Leaving(_) => false,
        }
    }
}
