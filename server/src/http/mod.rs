//! The REST API: one file per resource, and what they share.

pub mod agent_session;
pub mod audit_events;
pub mod auth;
pub mod authorise;
pub mod body;
mod canonical;
pub mod docs;
pub mod enrolment;
mod examples;
pub mod failovers;
pub mod fields;
pub mod groups;
pub mod health;
mod history;
mod intent;
pub mod join_tokens;
mod json;
pub mod nodes;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod request;
pub mod segments;
pub mod tokens;
pub mod transitions;
pub mod versions;
