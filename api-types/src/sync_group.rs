//! Sync groups: groups that are to be active on one node, all of them or none.

/// The word, among the capabilities of an agent, that it moves the groups of a sync group together. One that does not
/// know them would take a state with them for damaged.
pub const CAPABILITY: &str = "sync_groups";
