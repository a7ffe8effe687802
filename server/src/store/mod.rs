//! Everything that is SQL: one file per table. Functions take a connection, so that the caller chooses the
//! transaction; rows stay private and become contract types.

pub mod audit;
pub mod database;
mod error;
pub mod join_tokens;
pub mod secrets;
pub mod tokens;

pub use error::{Conflict, ConflictCode, StoreError, on_constraint, violated_constraint};
