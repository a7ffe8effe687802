//! The checks of this node: what is looked at, how often, and what was found.
//!
//! ```text
//!   conductor ──checks of the applied state──► engine ──a task for each──► probes
//!       ▲                                        │
//!       └──────────────findings──────────────────┴──standings──► overview ──► server, host, metrics
//! ```
//!
//! A check runs once however many groups track it. Everything here may wait, and nothing waits for it: the conductor
//! passes on what was found last, and what a finding does to a group is reckoned in the dataplane.

mod engine;
mod fitness;
mod probes;
mod rise_and_fall;
mod sentence;
mod standing;

pub(crate) use self::engine::Engine;
pub(crate) use self::fitness::refusals;
pub(crate) use self::probes::Host;
pub(crate) use self::standing::{Standing, Standings, of_group};
