//! The agent of Baton.

pub mod messages;
