//! The contract of Baton: what goes over the REST API and over the agent channel.
//!
//! Rules of the contract:
//! - JSON is `snake_case`; durations are in milliseconds and end in `_ms` (but `expires_in`, which OAuth 2.0
//!   has in seconds); times are RFC 3339 UTC with microseconds; points of a node's own clock end in
//!   `_boottime_ns`.
//! - Requests refuse unknown fields. Answers may gain fields, so their readers ignore unknown ones.
//! - What the server owns stands in `id`, `generation`, `created_at`, `updated_at` and `status`, and nowhere
//!   else; everything else is returned exactly as it was written.
//! - A value out of range dies in deserialisation, on both sides, by the same code (the newtypes of
//!   [`vrrp`]).

pub mod agent_status;
pub mod assist;
pub mod audit;
pub mod auth;
pub mod boost;
pub mod channel;
pub mod check;
pub mod condition;
pub mod convergence;
pub mod counters;
pub mod drain;
pub mod enrolment;
pub mod explanation;
pub mod failover;
pub mod fast_start;
pub mod fences;
pub mod group;
pub mod hook;
pub mod manifest;
mod name;
pub mod node;
mod page;
pub mod peer;
pub mod problem;
pub mod protocol;
#[cfg(feature = "openapi")]
pub mod schema;
pub mod segment;
pub mod switchover;
pub mod sync_group;
mod timestamp;
pub mod timing;
pub mod transition;
mod virtual_address;

pub use name::{Name, NameError};
pub use page::Page;
pub use timestamp::Timestamp;
pub use virtual_address::{VirtualAddress, VirtualAddressError};
