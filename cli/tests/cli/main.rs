//! The command line as a program: what it asks over TLS, what it prints, how it exits.
//!
//! The other end is a real server where its answers matter, and a scripted peer where a server would not give
//! them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod applied;
mod apply;
mod delete;
mod forms;
mod join_token;
mod lists;
mod login;
mod peer;
mod server;
mod status;
mod switchover;
mod trust;
