//! VRRP (RFC 9568, and RFC 3768 for version 2) as a library without input or output.
//!
//! This crate never opens a socket, reads a clock or spawns anything: the caller tells an
//! instance what happened and when, and then carries out the actions it asks for. That is what lets the
//! same code run on a node, in a simulated LAN on virtual time, and in the server's predictions.

mod interval;
mod priority;
mod time;
mod version;
mod vrid;

pub use interval::{AdvertisementInterval, IntervalError};
pub use priority::{Priority, PriorityError};
pub use time::Instant;
pub use version::{Family, Version, VersionError};
pub use vrid::{Vrid, VridError};
