//! The scenarios: one file for each sort of fault or wish. A new one is a constant in such a file and a line in
//! [`crate::scenario::ALL`].

pub(crate) mod alone;
pub(crate) mod announcements;
pub(crate) mod crash;
pub(crate) mod drain;
pub(crate) mod fast_start;
pub(crate) mod hang;
pub(crate) mod link;
pub(crate) mod membership;
pub(crate) mod priority;
pub(crate) mod restart;
pub(crate) mod saturated;
pub(crate) mod split;
pub(crate) mod stop;
pub(crate) mod switchover;
pub(crate) mod undisturbed;
