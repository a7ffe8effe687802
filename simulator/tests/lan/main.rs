//! Routers on a simulated LAN: what each incident must look like, and what must hold whatever happens.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod beside_foreign;
mod incidents;
mod outside;
mod planned;
mod properties;
mod seeds;
mod sets;
