//! The REST API: one file per resource, and what they share.

pub mod auth;
pub mod authorise;
pub mod body;
pub mod docs;
pub mod fields;
pub mod health;
pub mod join_tokens;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod request;
pub mod tokens;
pub mod versions;
