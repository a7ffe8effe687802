//! Routers on a simulated LAN: what must hold whatever happens, and what each incident must look like.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod incidents;
mod lan;
mod node;
mod properties;
mod scenario;
mod wire;
