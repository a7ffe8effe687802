//! Everything that is SQL: one file per table. Functions take a connection, so that the caller chooses the
//! transaction; rows stay private and become contract types.

pub mod assists;
pub mod audit;
pub mod audit_events;
pub mod checks;
pub mod conditions;
pub mod convergences;
pub mod database;
pub mod desired;
pub mod drains;
mod error;
pub mod events;
pub mod failover_records;
pub mod failovers;
pub mod fast_starts;
mod group_hooks;
pub mod groups;
pub mod identities;
pub mod intent;
pub mod join_tokens;
pub mod journal_positions;
mod key;
pub mod member_reports;
pub mod members;
pub mod names;
pub mod nodes;
pub mod secrets;
pub mod segments;
pub mod servers;
pub mod sessions;
pub mod surroundings;
pub mod switchover_records;
pub mod switchovers;
pub mod sync_groups;
pub mod tokens;
pub mod tracked_checks;
pub mod transitions;
mod virtual_addresses;
mod virtual_routing;

pub use error::{Conflict, ConflictCode, StoreError, on_constraint, violated_constraint};
pub use key::Key;
