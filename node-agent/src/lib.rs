//! The agent of Baton.

pub mod agent;
pub mod commands;
pub mod config;
pub mod control;
pub mod dataplane;
mod guard;
pub mod messages;
pub mod parent;
pub mod policy;
pub mod program;
pub mod shared_memory;
pub mod state_lock;
mod succession;
mod sys;
