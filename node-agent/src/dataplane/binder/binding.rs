//! What one group wants to hold, and what the kernel has of it.

use std::collections::BTreeSet;

use super::HostAddress;

/// What a group wants to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Wish {
    /// The addresses.
    pub(in super::super) addresses: BTreeSet<HostAddress>,
    /// Whether they are the interface's own: then they are looked for, and never added or removed.
    pub(in super::super) owner: bool,
}

/// The wish of one group and how far it is fulfilled.
#[derive(Debug, Default)]
pub(super) struct Binding {
    pub(super) wish: Option<Wish>,
    /// Whether the group waits for the answer to its wish.
    pub(super) asked: bool,
    /// Whether it waits to hear that it holds nothing.
    pub(super) releasing: bool,
    /// What the kernel has because of us.
    pub(super) bound: BTreeSet<HostAddress>,
    /// What is there without our mark: used while wanted, never removed.
    pub(super) foreign: BTreeSet<HostAddress>,
    /// Whether an owner's addresses were found since it asked.
    pub(super) found: bool,
    /// What somebody else removed.
    pub(super) missing: BTreeSet<HostAddress>,
    /// Whether it was said that something cannot be removed.
    pub(super) stuck: bool,
    pub(super) busy: bool,
    pub(super) queued: bool,
}

impl Binding {
    /// What is wished for and not there.
    pub(super) fn lacks(&self, wish: &Wish) -> Vec<HostAddress> {
        let there = |address: &&HostAddress| !self.bound.contains(address) && !self.foreign.contains(address);
        wish.addresses.iter().filter(there).copied().collect()
    }

    /// Whether the kernel has everything that is wished for.
    pub(super) fn is_fulfilled(&self) -> bool {
        match &self.wish {
            Some(wish) if wish.owner => self.found,
            Some(wish) => self.lacks(wish).is_empty(),
            None => false,
        }
    }

    /// What is bound and not wished for.
    pub(super) fn surplus(&self) -> Vec<HostAddress> {
        match &self.wish {
            // A copy that was bound before the member became the owner goes once the interface's own was found.
            Some(wish) if wish.owner && !self.found => Vec::new(),
            Some(wish) if !wish.owner => self.bound.difference(&wish.addresses).copied().collect(),
            Some(_) | None => self.bound.iter().copied().collect(),
        }
    }
}
