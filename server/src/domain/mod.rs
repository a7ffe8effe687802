//! Rules, without HTTP and without SQL: pure functions over the contract's types.

pub mod check;
pub mod condition;
pub mod conflict;
pub mod desired;
pub mod drain;
pub mod explain;
pub mod failover;
pub mod fast_start;
pub mod faults;
pub mod group;
pub mod holder;
pub mod interface_name;
pub mod node;
pub mod peers;
pub mod readiness;
pub mod segment;
pub mod surroundings;
pub mod switchover;
pub mod sync_group;
