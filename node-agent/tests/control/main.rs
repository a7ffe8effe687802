//! The control half as a whole, with the test in the place of the dataplane and of the server.
//!
//! The server here is a peer for the wire: real TCP, real TLS under an authority made for the test, real
//! WebSocket. It does what each test tells it, right or wrong. The real server is met in the tests of the
//! whole system.

#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect shall fail there")]

mod agent;
mod authority;
mod checks;
mod command_line;
mod desired_state;
mod disk;
mod enrolment;
mod eventually;
mod freezer;
mod hooks;
mod hung_disk;
mod local;
mod outside;
mod programs;
mod server;
mod session;
mod transitions;
