//! What the leases of an earlier life of the agent have come to, as long as its table is there.

use std::collections::BTreeSet;
use std::io;

use super::fenced::LeaseKey;
use super::renewer::element;
use crate::dataplane::nfnetlink::Nfnetlink;
use crate::dataplane::nft::TableName;

/// The virtual routers that the table silences by now: their sets are there, and hold nothing that lives.
/// Blocks.
///
/// # Errors
/// When nobody can tell.
pub(super) fn silenced(table: &TableName) -> io::Result<BTreeSet<LeaseKey>> {
    let mut netlink = Nfnetlink::open()?;
    let mut silenced = BTreeSet::new();
    for key in netlink.sets(table)?.iter().filter_map(|set| LeaseKey::of_set(set)) {
        if !netlink.lives(table, &element(key))? {
            silenced.insert(key);
        }
    }
    Ok(silenced)
}
