//! What one group wants to hold, and what the kernel has of it.

use std::collections::BTreeSet;

use super::handing_over::Stay;
use super::{Attachment, HostAddress};
use crate::dataplane::address_lease::Lifetime;
use crate::dataplane::lease::LeaseKey;

/// What a group wants to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Wish {
    /// The addresses.
    pub(in super::super) addresses: BTreeSet<HostAddress>,
    /// Whether they are the interface's own: then they are looked for, and never added or removed.
    pub(in super::super) owner: bool,
    /// The macvlan they are on, which is up only while they are there.
    pub(in super::super) link: Option<u32>,
    /// The routes and rules that come after the addresses and go before them.
    pub(in super::super) attachments: BTreeSet<Attachment>,
    /// How long the kernel keeps what is added.
    pub(in super::super) lifetime: Lifetime,
    /// Whether packets to the addresses must be shut out before they are there.
    pub(in super::super) shut: bool,
    /// The virtual router that must be silent before they are there, if one must.
    pub(in super::super) closed: Option<LeaseKey>,
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
    /// Whether an earlier life of this agent added some of it.
    pub(super) claimed: bool,
    /// What is there without our mark: used while wanted, never removed.
    pub(super) foreign: BTreeSet<HostAddress>,
    /// The macvlan that is up for the group.
    pub(super) raised: Option<u32>,
    /// The macvlan that nothing is on any longer, and that is to be taken down.
    pub(super) lowers: Option<u32>,
    /// Whether a successor was heard: the macvlan must not speak again for this wish.
    pub(super) hushed: bool,
    /// Whether the kernel is being told so.
    pub(super) hushing: bool,
    /// For how long what is bound stays although nothing is wished for.
    pub(super) stay: Option<Stay>,
    /// The routes and rules that are there.
    pub(super) attached: BTreeSet<Attachment>,
    /// Whether somebody may have removed some of them.
    pub(super) doubtful: bool,
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
        if wish.owner {
            return Vec::new();
        }
        let there = |address: &&HostAddress| !self.bound.contains(address) && !self.foreign.contains(address);
        wish.addresses.iter().filter(there).copied().collect()
    }

    /// The routes and rules that are to be added, in their order.
    pub(super) fn lacks_attachments(&self, wish: &Wish) -> Vec<Attachment> {
        let lacking = |attachment: &&Attachment| self.doubtful || !self.attached.contains(attachment);
        wish.attachments.iter().filter(lacking).copied().collect()
    }

    /// The macvlan that is to be brought up.
    pub(super) fn lacks_link(&self, wish: &Wish) -> Option<u32> {
        wish.link.filter(|link| !self.hushed && self.raised != Some(*link))
    }

    /// Whether the kernel has everything that is wished for.
    pub(super) fn is_fulfilled(&self) -> bool {
        let Some(wish) = &self.wish else { return false };
        let has_addresses = if wish.owner { self.found } else { self.lacks(wish).is_empty() };
        has_addresses
            && self.lacks_link(wish).is_none()
            && wish.attachments.iter().all(|attachment| self.attached.contains(attachment))
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

    /// The routes and rules that are there and not wished for, in the order in which they go.
    pub(super) fn surplus_attachments(&self) -> Vec<Attachment> {
        let wished = |attachment: &&Attachment| {
            self.wish.as_ref().is_some_and(|wish| wish.attachments.contains(attachment))
        };
        self.attached.iter().rev().filter(|attachment| !wished(attachment)).copied().collect()
    }

    /// Whether nothing is wished for, and nothing is there that was.
    pub(super) fn is_spent(&self) -> bool {
        self.wish.is_none() && !self.releasing && self.bound.is_empty() && self.attached.is_empty()
    }
}
