//! The state machine, row by row of RFC 9568 §6.4 and of what `lib.rs` promises beyond it.

mod active;
mod any_order;
mod assist;
mod backup;
mod boost;
mod fast_start;
mod lapse;
mod life;
mod lowered;
mod succession;
mod support;
mod sync_set;
