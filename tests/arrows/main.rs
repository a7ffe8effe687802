//! The architecture, executed: which crate may name which, and which folder may name what.
//!
//! ARCHITECTURE.md says it in prose; a change that breaks an arrow fails here.

mod conformance;
mod crates;
mod licences;
mod mutants;
mod sources;
