//! VRRP (RFC 9568, and RFC 3768 for version 2) as a library without input or output.
//!
//! This crate never opens a socket, reads a clock or spawns anything. The caller tells an [`Instance`] what
//! happened and when, then carries out the [`Action`]s it asks for. That is what lets the same code run on a
//! node, in a simulated LAN on virtual time, and in the server's predictions.
//!
//! # From a packet to an action
//! 1. [`packet::decode`] refuses what cannot be believed and turns the rest into an [`Advertisement`].
//! 2. [`Instance::handle_advertisement`] compares it with the [`Config`] and moves the state machine.
//! 3. [`Instance::poll_action`] is called until it returns `None`; [`packet::encode`] writes what is to be sent.
//! 4. [`Instance::poll_timeout`] says when to call [`Instance::handle_timeout`].
//!
//! After each call that can change an instance, drain its actions before the next one. When packets have come in
//! and a deadline has passed, hand over the packets first: a late wake-up is not a dead peer.
//!
//! ```
//! use std::time::Duration;
//! use vrrp::{
//!     Action, AdvertisementInterval, Authentication, Config, Family, Instance, Instant, Priority, Settings, Version, Vrid,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut router = Instance::new(Config::new(Settings {
//!     version: Version::V3,
//!     family: Family::Ipv4,
//!     vrid: Vrid::try_from(7)?,
//!     priority: Priority::try_from(200)?,
//!     interval: AdvertisementInterval::from_millis(Version::V3, 100)?,
//!     preempt: true,
//!     preempt_delay: Duration::ZERO,
//!     addresses: vec!["192.0.2.100".parse()?],
//!     refresh: None,
//!     require_link_local: true,
//!     authentication: Authentication::None,
//!     source: "192.0.2.1".parse()?,
//! })?);
//!
//! let start = Instant::from_origin(Duration::from_secs(60));
//! router.start(start);
//! assert!(matches!(router.poll_action(), Some(Action::Report(_))));
//! assert_eq!(router.poll_action(), None);
//!
//! let deadline = start + Duration::from_micros(321_875);
//! assert_eq!(router.poll_timeout(), Some(deadline));
//! router.handle_timeout(deadline);
//! assert_eq!(router.poll_action(), Some(Action::Hold));
//! # Ok(())
//! # }
//! ```
//!
//! # Words
//! Those of RFC 9568: Initialize, Backup, Active, Active_Down_Interval, Skew_Time. A router *holds* the addresses
//! when its kernel has them and answers for them; it must hold them to be Active.

#![forbid(unsafe_code)]

mod action;
mod advertisement;
mod authentication;
mod boosted;
mod checksum;
mod config;
mod discrepancy;
mod drop_cause;
mod election;
mod instance;
mod interval;
pub mod packet;
mod priority;
mod refusal;
mod sync_set;
mod time;
mod version;
mod vrid;

pub use action::{Action, Change, Reason, Role};
pub use advertisement::{Advertisement, Claim};
pub use authentication::Authentication;
pub use boosted::{BoostedPriority, BoostedPriorityError};
pub use checksum::{ChecksumForm, IP_PROTOCOL};
pub use config::{Config, ConfigError, MAX_ADDRESSES, MAX_PREEMPT_DELAY, MIN_REFRESH, Settings};
pub use discrepancy::Discrepancy;
pub use drop_cause::DropCause;
pub use instance::{BoostRefused, DifferentRouter, HANDOVER, Heard, Instance};
pub use interval::{AdvertisementInterval, IntervalError};
pub use packet::{Demands, Envelope, PacketError};
pub use priority::{Priority, PriorityError};
pub use refusal::Refusal;
pub use sync_set::{GRACE, HOLD_OFF, SyncSet, kept_waiting_by};
pub use time::Instant;
pub use version::{Family, Version, VersionError};
pub use vrid::{Vrid, VridError};
