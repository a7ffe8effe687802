//! Makes the kernel hold the addresses that the groups want, and what comes and goes with them, and no others
//! of ours.
//!
//! Level-triggered: a group says which addresses it wants or that it wants none; the binder converges the
//! kernel to the newest wish, and goes on from what the kernel has if wishes change meanwhile or somebody
//! else interferes. It works on at most 64 groups at a time, so that the advertisements of the first groups
//! of a mass takeover leave while the addresses of the last are still being added.
//!
//! # Addresses of strangers
//! What carries our mark is ours, everything else is somebody else's and is neither changed nor removed. A
//! wanted address that is there already as /32 without the mark answers, so it counts as held, and that it
//! will stay is said ([`Event::FoundForeign`]). With another prefix length it is another address to the
//! kernel: ours is added beside it and removed again, and the stranger's stays. Labels make no difference.
//!
//! # What comes and goes with addresses
//! A macvlan comes up before them and routes and rules come after them; in the other order they go. The
//! macvlan stops answering before its addresses are removed and goes down a while later, one at a time: that
//! takes the kernel 10 to 20 ms, during which no address of any interface can be changed.

mod binding;
mod handing_over;
mod lowering;
mod progress;
mod round;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use vrrp::Instant;

use self::binding::Binding;
pub(super) use self::binding::Wish;
use self::lowering::Lowering;
pub(super) use self::round::{HoldError, Kernel, Remains};
use self::round::{Orders, Round};
use super::address_lease::Lifetime;
use super::address_table::HostAddress;
use super::attachment::Attachment;
use super::virtual_links::InUse;

/// Names a group to the binder.
pub(super) type GroupHandle = usize;

/// What has become of a wish.
#[derive(Debug)]
pub(super) enum Event {
    /// Everything that the group wants is there.
    Held { group: GroupHandle },
    /// It cannot be; the wish is dropped, and what was bound for it is being removed.
    HoldFailed { group: GroupHandle, error: HoldError },
    /// Nothing of ours is bound for the group any longer.
    Released { group: GroupHandle, at: Instant },
    /// The macvlan that was to fall silent says nothing from now on.
    Hushed { group: GroupHandle },
    /// Addresses that somebody else had removed are there again.
    Restored { group: GroupHandle, addresses: Vec<HostAddress> },
    /// Nothing is on a macvlan any longer.
    LinkLeft,
    /// A route or a rule that somebody else had removed is there again.
    Reattached { attachment: Attachment },
    /// An address that the group wants was there without our mark: it counts as held, and is not ours to
    /// remove.
    FoundForeign { address: HostAddress },
    /// The kernel does not remove something. It is tried again until it does; this is said once.
    Stuck { remains: Remains, error: HoldError },
}

enum Done {
    Round(Box<Round>),
    /// The time to try again has come.
    Nap(GroupHandle),
    /// A macvlan is down, or could not be taken down.
    Lowered(GroupHandle),
    /// The next macvlan may be taken down.
    MayLower,
    /// A macvlan is silent.
    Hushed(GroupHandle),
    /// Addresses of a group may go that stayed for a moment.
    HasStayed(GroupHandle),
}

/// Converges the kernel's addresses to what the groups want.
pub(super) struct Binder {
    kernel: Kernel,
    bindings: BTreeMap<GroupHandle, Binding>,
    /// Which group wished for an address last: a group that leaves must not take it from its successor.
    wished_by: BTreeMap<HostAddress, GroupHandle>,
    waiting: VecDeque<GroupHandle>,
    busy: FuturesUnordered<BoxFuture<'static, Done>>,
    /// How many of these are rounds.
    rounds: usize,
    events: VecDeque<Event>,
    /// Addresses of an earlier life of this agent that no group has claimed yet.
    leftovers: BTreeSet<HostAddress>,
    /// Routes and rules of an earlier life.
    leftover_attachments: BTreeSet<Attachment>,
    lowering: Lowering,
}

impl Binder {
    /// A binder that holds nothing yet. `leftovers` are the addresses, the routes and the rules that an
    /// earlier life of this agent has left.
    pub(super) fn new(
        kernel: Kernel,
        leftovers: BTreeSet<HostAddress>,
        leftover_attachments: BTreeSet<Attachment>,
    ) -> Self {
        Self {
            kernel,
            bindings: BTreeMap::new(),
            wished_by: BTreeMap::new(),
            waiting: VecDeque::new(),
            busy: FuturesUnordered::new(),
            rounds: 0,
            events: VecDeque::new(),
            leftovers,
            leftover_attachments,
            lowering: Lowering::default(),
        }
    }

    /// The group wants this; answered by [`Event::Held`] or [`Event::HoldFailed`].
    pub(super) fn hold(&mut self, group: GroupHandle, wish: Wish) {
        let binding = self.bindings.entry(group).or_default();
        for address in &wish.addresses {
            self.wished_by.insert(*address, group);
            if self.leftovers.remove(address) {
                binding.bound.insert(*address);
                binding.claimed = true;
            }
        }
        for attachment in &wish.attachments {
            if self.leftover_attachments.remove(attachment) {
                binding.attached.insert(*attachment);
            }
        }
        (binding.lowers, binding.hushed, binding.stay) = (None, false, None);
        binding.wish = Some(wish);
        (binding.asked, binding.found, binding.releasing) = (true, false, false);
        self.enqueue(group);
    }

    /// The group wants nothing any longer; answered by [`Event::Released`].
    pub(super) fn release(&mut self, group: GroupHandle) {
        let binding = self.bindings.entry(group).or_default();
        (binding.wish, binding.stay) = (None, None);
        binding.asked = false;
        binding.claimed = false;
        binding.releasing = true;
        binding.missing.clear();
        self.enqueue(group);
    }

    /// Removes every leftover that no group has claimed, and says how many there are.
    pub(super) fn remove_leftovers(&mut self) -> usize {
        let bound = std::mem::take(&mut self.leftovers);
        let attached = std::mem::take(&mut self.leftover_attachments);
        let number = bound.len() + attached.len();
        if number > 0 {
            self.bindings.insert(LEFTOVERS, Binding { bound, attached, ..Binding::default() });
            self.enqueue(LEFTOVERS);
        }
        number
    }

    /// Somebody, perhaps we ourselves, removed this address: sees to it that it is there if it is wanted.
    pub(super) fn notice_removed(&mut self, address: HostAddress) {
        self.leftovers.remove(&address);
        let groups: Vec<_> = self.bindings.keys().copied().collect();
        for group in groups {
            let Some(binding) = self.bindings.get_mut(&group) else { continue };
            let known = binding.foreign.remove(&address) | binding.bound.remove(&address);
            let wanted = binding.wish.as_ref().is_some_and(|wish| wish.addresses.contains(&address));
            if known && wanted {
                binding.missing.insert(address);
                self.enqueue(group);
            }
        }
    }

    /// A macvlan is down: sees to it that it comes up again if something is to be on it.
    pub(super) fn notice_lowered(&mut self, link: u32) {
        let raised =
            |(group, binding): (&GroupHandle, &Binding)| (binding.raised == Some(link)).then_some(*group);
        let groups: Vec<_> = self.bindings.iter().filter_map(raised).collect();
        for group in groups {
            if let Some(binding) = self.bindings.get_mut(&group) {
                binding.raised = None;
                // What leads through it has gone with it.
                binding.doubtful = true;
            }
            self.enqueue(group);
        }
    }

    /// Sees to it that all routes and rules are there. The kernel is not asked to tell of changes to them,
    /// since on a router these come by the thousand.
    pub(super) fn doubt_attachments(&mut self) {
        let has_some = |(_, binding): &(&GroupHandle, &Binding)| !binding.attached.is_empty();
        let groups: Vec<_> = self.bindings.iter().filter(has_some).map(|(group, _)| *group).collect();
        for group in groups {
            if let Some(binding) = self.bindings.get_mut(&group) {
                binding.doubtful = true;
            }
            self.enqueue(group);
        }
    }

    /// The macvlans that something is or shall be on, and those that the binder is about to take down.
    pub(super) fn links(&self) -> InUse {
        let mut links = InUse::default();
        for binding in self.bindings.values() {
            let wished = binding.wish.as_ref().and_then(|wish| wish.link);
            links.held.extend(binding.bound.iter().map(|address| address.ifindex));
            links.held.extend([binding.raised, wished].into_iter().flatten());
            links.lowering.extend(binding.lowers);
        }
        links.held.extend(self.leftovers.iter().map(|address| address.ifindex));
        links
    }

    /// Compares everything that should be bound with a listing of the kernel's addresses.
    pub(super) fn compare(&mut self, is_there: impl Fn(HostAddress) -> bool) {
        let gone: BTreeSet<_> = self
            .bindings
            .values()
            .flat_map(|binding| binding.bound.union(&binding.foreign))
            .copied()
            .filter(|address| !is_there(*address))
            .collect();
        gone.into_iter().for_each(|address| self.notice_removed(address));
    }

    /// What is bound for the group, by us or by somebody else.
    pub(super) fn present(&self, group: GroupHandle) -> BTreeSet<HostAddress> {
        let Some(binding) = self.bindings.get(&group) else { return BTreeSet::new() };
        binding.bound.union(&binding.foreign).copied().collect()
    }

    /// What is there for the group without our mark.
    pub(super) fn foreign(&self, group: GroupHandle) -> Option<&BTreeSet<HostAddress>> {
        self.bindings.get(&group).map(|binding| &binding.foreign)
    }

    /// Whether something is being removed that an earlier life of this agent has left.
    pub(super) fn has_leftovers(&self) -> bool {
        self.bindings.contains_key(&LEFTOVERS)
    }

    /// What the kernel has because of us and the group goes on wanting, and whether an earlier life of this agent added
    /// some of it.
    pub(super) fn kept(&self, group: GroupHandle) -> (Vec<HostAddress>, bool) {
        let Some(binding) = self.bindings.get(&group) else { return Default::default() };
        let wish = binding.wish.as_ref().filter(|wish| !wish.owner);
        let kept = wish.map(|wish| wish.addresses.intersection(&binding.bound).copied().collect());
        (kept.unwrap_or_default(), binding.claimed)
    }

    /// Has the kernel keep these addresses this long from now on.
    pub(super) fn renew(&mut self, group: GroupHandle, addresses: &[HostAddress], lifetime: Lifetime) {
        self.kernel.addresses.renew(addresses, lifetime);
        if let Some(binding) = self.bindings.get_mut(&group) {
            binding.claimed = false;
            if let Some(wish) = &mut binding.wish {
                wish.lifetime = lifetime;
            }
        }
    }

    /// Whether the address that is gone is wanted, and has gone because nobody renewed its lease in time.
    pub(super) fn notice_run_out(&self, address: HostAddress) -> bool {
        let wishes = self.bindings.values().filter_map(|binding| binding.wish.as_ref());
        let wanted = wishes.filter(|wish| wish.addresses.contains(&address)).count() > 0;
        wanted && self.kernel.addresses.has_run_out(address)
    }

    /// Why the last renewal of leases failed, if it did.
    pub(super) fn renewal_failure(&self) -> Option<String> {
        self.kernel.addresses.renewal_failure()
    }

    /// Everything that the kernel has because of us.
    pub(super) fn bound(&self) -> BTreeSet<HostAddress> {
        let bound = self.bindings.values().flat_map(|binding| &binding.bound);
        bound.chain(&self.leftovers).copied().collect()
    }

    /// Whether nothing is bound, wanted or being changed.
    pub(super) fn is_idle(&self) -> bool {
        self.bindings.values().all(Binding::is_spent)
            && self.leftovers.is_empty()
            && self.leftover_attachments.is_empty()
    }

    /// Whether nothing is being bound or released, or about to be.
    pub(super) fn is_at_rest(&self) -> bool {
        let stays = self.bindings.values().any(|binding| binding.stay.is_some());
        self.rounds == 0 && self.waiting.is_empty() && !stays
    }

    /// The next thing that has become of a wish. May be dropped and called again; never ends.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            self.start_rounds();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.busy.next().await {
                Some(Done::Round(round)) => self.finish(*round),
                Some(Done::Nap(group)) => self.enqueue(group),
                Some(Done::Lowered(group)) => self.finish_lowering(group),
                Some(Done::MayLower) => self.lower_next(),
                Some(Done::Hushed(group)) => self.finish_hush(group),
                Some(Done::HasStayed(group)) => self.end_stay(group),
                None => std::future::pending().await,
            }
        }
    }
}

/// The binding of what no group has claimed. Groups are numbered from 0 and never reach it.
const LEFTOVERS: GroupHandle = GroupHandle::MAX;

#[cfg(test)]
mod tests;
