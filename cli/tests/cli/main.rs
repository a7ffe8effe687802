//! The command line as a program: what it asks over TLS, what it prints, how it exits.
//!
//! The other end is a scripted peer; what the real server decides is tested with the real server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apply;
mod lists;
mod login;
mod peer;
mod status;
mod trust;
