//! Rules, without HTTP and without SQL: pure functions over the contract's types.

pub mod rejection;
