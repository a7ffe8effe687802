//! Baton and other implementations share a virtual router: who wins, who takes over, and what each makes of
//! the other.
//!
//! The real agent runs on one host, and Debian's keepalived or FRR on another one. Judges are the frames on
//! the bridge, the addresses in the kernels and what a client is answered. What was seen is
//! `docs/interop.md`.

mod better_peer;
mod checksum;
mod class;
mod dialect;
mod frr;
mod keepalived;
mod mismatch;
mod owner;
mod preemption;
mod record;
mod scene;
mod split;
mod three_members;
mod worse_peer;
