//! The state machine, row by row of RFC 9568 §6.4 and of what `lib.rs` promises beyond it.

mod active;
mod any_order;
mod backup;
mod lapse;
mod life;
mod support;
