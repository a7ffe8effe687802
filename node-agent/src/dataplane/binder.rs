//! Makes the kernel hold the addresses that the groups want, and no others of ours.
//!
//! Level-triggered: a group says which addresses it wants or that it wants none; the binder converges the kernel
//! to the newest wish, and goes on from what the kernel has if wishes change meanwhile or somebody else interferes.
//! It works on at most [`MAX_BUSY`] groups at a time, so that the advertisements of the first groups of a mass
//! takeover leave while the addresses of the last are still being added.
//!
//! # Addresses of strangers
//! What carries our mark is ours, everything else is somebody else's and is neither changed nor removed. A wanted
//! address that is there already as /32 without the mark answers, so it counts as held, and that it will stay is
//! said ([`Event::FoundForeign`]). With another prefix length it is another address to the kernel: ours is added
//! beside it and removed again, and the stranger's stays. Labels make no difference.

mod binding;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use vrrp::Instant;

use self::binding::Binding;
pub(super) use self::binding::Wish;
use super::address_table::{Added, AddressError, AddressTable, HostAddress};
use crate::sys::clock;

const MAX_BUSY: usize = 64;
/// How long to wait before an address that the kernel would not remove is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Names a group to the binder.
pub(super) type GroupHandle = usize;

/// What has become of a wish.
#[derive(Debug)]
pub(super) enum Event {
    /// Everything that the group wants is there.
    Held { group: GroupHandle },
    /// It cannot be; the wish is dropped, and what was bound for it is being removed.
    HoldFailed { group: GroupHandle, error: AddressError },
    /// Nothing of ours is bound for the group any longer.
    Released { group: GroupHandle, at: Instant },
    /// Addresses that somebody else had removed are there again.
    Restored { group: GroupHandle, addresses: Vec<HostAddress> },
    /// An address that the group wants was there without our mark: it counts as held, and is not ours to remove.
    FoundForeign { address: HostAddress },
    /// The kernel does not remove an address. It is tried again until it does; this is said once.
    Stuck { address: HostAddress, error: AddressError },
}

enum Done {
    Round(Round),
    /// The time to try again has come.
    Nap(GroupHandle),
}

/// What one round of changes for one group brought.
#[derive(Default)]
struct Round {
    group: GroupHandle,
    added: Vec<(HostAddress, Added)>,
    removed: Vec<HostAddress>,
    found: bool,
    failed_to_hold: Option<AddressError>,
    failed_to_remove: Option<(HostAddress, AddressError)>,
}

/// Converges the kernel's addresses to what the groups want.
pub(super) struct Binder {
    table: Arc<dyn AddressTable>,
    bindings: BTreeMap<GroupHandle, Binding>,
    /// Which group wished for an address last: a group that leaves must not take it from its successor.
    wished_by: BTreeMap<HostAddress, GroupHandle>,
    waiting: VecDeque<GroupHandle>,
    busy: FuturesUnordered<BoxFuture<'static, Done>>,
    events: VecDeque<Event>,
    /// Addresses of an earlier life of this agent that no group has claimed yet.
    leftovers: BTreeSet<HostAddress>,
}

impl Binder {
    /// A binder that holds nothing yet. `leftovers` are the addresses that an earlier life of this agent has bound.
    pub(super) fn new(table: Arc<dyn AddressTable>, leftovers: BTreeSet<HostAddress>) -> Self {
        Self {
            table,
            bindings: BTreeMap::new(),
            wished_by: BTreeMap::new(),
            waiting: VecDeque::new(),
            busy: FuturesUnordered::new(),
            events: VecDeque::new(),
            leftovers,
        }
    }

    /// The group wants this; answered by [`Event::Held`] or [`Event::HoldFailed`].
    pub(super) fn hold(&mut self, group: GroupHandle, wish: Wish) {
        let binding = self.bindings.entry(group).or_default();
        for address in &wish.addresses {
            self.wished_by.insert(*address, group);
            if self.leftovers.remove(address) {
                binding.bound.insert(*address);
            }
        }
        binding.wish = Some(wish);
        (binding.asked, binding.found, binding.releasing) = (true, false, false);
        self.enqueue(group);
    }

    /// The group wants nothing any longer; answered by [`Event::Released`].
    pub(super) fn release(&mut self, group: GroupHandle) {
        let binding = self.bindings.entry(group).or_default();
        binding.wish = None;
        binding.asked = false;
        binding.releasing = true;
        binding.missing.clear();
        self.enqueue(group);
    }

    /// Removes every leftover that no group has claimed, and says how many there are.
    pub(super) fn remove_leftovers(&mut self) -> usize {
        let leftovers = std::mem::take(&mut self.leftovers);
        let number = leftovers.len();
        if number > 0 {
            self.bindings.insert(LEFTOVERS, Binding { bound: leftovers, ..Binding::default() });
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

    /// Everything that the kernel has because of us.
    pub(super) fn bound(&self) -> BTreeSet<HostAddress> {
        let bound = self.bindings.values().flat_map(|binding| &binding.bound);
        bound.chain(&self.leftovers).copied().collect()
    }

    /// Whether nothing is bound, wanted or being changed.
    pub(super) fn is_idle(&self) -> bool {
        self.bindings.is_empty() && self.leftovers.is_empty()
    }

    /// The next thing that has become of a wish. May be dropped and called again; never ends.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            self.start_rounds();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.busy.next().await {
                Some(Done::Round(round)) => self.finish(round),
                Some(Done::Nap(group)) => self.enqueue(group),
                None => std::future::pending().await,
            }
        }
    }

    fn enqueue(&mut self, group: GroupHandle) {
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        if !binding.queued {
            binding.queued = true;
            self.waiting.push_back(group);
        }
    }

    fn start_rounds(&mut self) {
        let mut still_busy = VecDeque::new();
        while self.busy.len() < MAX_BUSY {
            let Some(group) = self.waiting.pop_front() else { break };
            let Some(binding) = self.bindings.get_mut(&group) else { continue };
            if binding.busy {
                still_busy.push_back(group);
                continue;
            }
            binding.queued = false;
            self.start_round(group);
        }
        self.waiting.extend(still_busy);
    }

    /// Starts whatever brings the kernel nearer to what the group wants, or says that nothing is left to do.
    fn start_round(&mut self, group: GroupHandle) {
        let Some(binding) = self.bindings.get(&group) else { return };
        let (inherited, surplus): (Vec<_>, Vec<_>) =
            binding.surplus().into_iter().partition(|address| self.is_wished_elsewhere(group, *address));
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        for address in inherited {
            binding.bound.remove(&address);
        }
        let looks = match &binding.wish {
            Some(wish) if wish.owner && binding.asked && !binding.found => Some(wish.addresses.clone()),
            _ => None,
        };
        let lacking = match &binding.wish {
            Some(wish) if !wish.owner => binding.lacks(wish),
            _ => Vec::new(),
        };
        if surplus.is_empty() && lacking.is_empty() && looks.is_none() {
            self.settle(group);
            return;
        }
        binding.busy = true;
        let table = Arc::clone(&self.table);
        self.busy.push(Box::pin(async move {
            let mut round = Round { group, ..Round::default() };
            if let Some(addresses) = looks {
                round.found = true;
                round.failed_to_hold = look_for(&*table, &addresses).await.err();
            }
            add_all(&*table, &lacking, &mut round).await;
            remove_all(&*table, &surplus, &mut round).await;
            Done::Round(round)
        }));
    }

    /// Whether another group wishes for the address now, which then is the one to remove it.
    fn is_wished_elsewhere(&self, group: GroupHandle, address: HostAddress) -> bool {
        let other = self.wished_by.get(&address).filter(|other| **other != group);
        let wish = other.and_then(|other| self.bindings.get(other)).and_then(|binding| binding.wish.as_ref());
        wish.is_some_and(|wish| !wish.owner && wish.addresses.contains(&address))
    }

    fn finish(&mut self, round: Round) {
        let Round { group, added, removed, found, failed_to_hold, failed_to_remove } = round;
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        binding.busy = false;
        binding.found |= found;
        let mut restored = Vec::new();
        for (address, added) in added {
            let was_missing = binding.missing.remove(&address);
            if was_missing && added == Added::New {
                restored.push(address);
            }
            if added == Added::Foreign {
                if binding.foreign.insert(address) {
                    self.events.push_back(Event::FoundForeign { address });
                }
            } else {
                binding.bound.insert(address);
            }
        }
        for address in removed {
            binding.bound.remove(&address);
        }
        if !restored.is_empty() {
            self.events.push_back(Event::Restored { group, addresses: restored });
        }
        if let Some(error) = failed_to_hold
            && let Some(binding) = self.bindings.get_mut(&group)
            && binding.wish.take().is_some()
        {
            binding.asked = false;
            binding.missing.clear();
            self.events.push_back(Event::HoldFailed { group, error });
        }
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        // Whatever is still to be removed keeps nobody waiting.
        if binding.is_fulfilled() && std::mem::take(&mut binding.asked) {
            self.events.push_back(Event::Held { group });
        }
        let was_stuck = std::mem::replace(&mut binding.stuck, failed_to_remove.is_some());
        if let Some((address, error)) = failed_to_remove {
            if !was_stuck {
                self.events.push_back(Event::Stuck { address, error });
            }
            self.busy.push(Box::pin(async move {
                tokio::time::sleep(RETRY_AFTER).await;
                Done::Nap(group)
            }));
        } else {
            self.enqueue(group);
        }
    }

    /// The kernel is as the group wants it.
    fn settle(&mut self, group: GroupHandle) {
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        binding
            .foreign
            .retain(|address| binding.wish.as_ref().is_some_and(|wish| wish.addresses.contains(address)));
        if binding.wish.is_some() {
            if std::mem::take(&mut binding.asked) {
                self.events.push_back(Event::Held { group });
            }
        } else {
            if binding.releasing {
                self.events.push_back(Event::Released { group, at: clock::boottime() });
            }
            self.bindings.remove(&group);
        }
    }
}

/// The binding of what no group has claimed. Groups are numbered from 0 and never reach it.
const LEFTOVERS: GroupHandle = GroupHandle::MAX;

async fn look_for(table: &dyn AddressTable, wanted: &BTreeSet<HostAddress>) -> Result<(), AddressError> {
    let listed = table.list().await?;
    let own: BTreeSet<_> = listed.iter().filter(|listed| !listed.ours).map(|listed| listed.at).collect();
    match wanted.is_subset(&own) {
        true => Ok(()),
        false => Err(AddressError::NotThere),
    }
}

/// Adds until the kernel refuses: a group holds all of its addresses or none.
async fn add_all(table: &dyn AddressTable, lacking: &[HostAddress], round: &mut Round) {
    for address in lacking {
        match table.add(*address).await {
            Ok(added) => round.added.push((*address, added)),
            Err(error) => {
                round.failed_to_hold = Some(error);
                return;
            }
        }
    }
}

async fn remove_all(table: &dyn AddressTable, surplus: &[HostAddress], round: &mut Round) {
    for address in surplus {
        match table.remove(*address).await {
            Ok(()) | Err(AddressError::NoInterface) => round.removed.push(*address),
            Err(error) => round.failed_to_remove = Some((*address, error)),
        }
    }
}

#[cfg(test)]
mod tests;
