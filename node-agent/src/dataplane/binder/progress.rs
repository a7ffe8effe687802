//! How the binder proceeds: which round of changes comes next for a group, and what follows from what it
//! brought.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Attachment, Binder, Binding, Done, Event, GroupHandle, HostAddress, Orders, Round};
use crate::dataplane::address_table::Added;
use crate::sys::clock;

/// How many groups are worked on at a time.
const MAX_BUSY: usize = 64;
/// How long to wait before an address that the kernel would not remove is tried again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(100);

impl Binder {
    /// Works on the group as soon as there is room.
    pub(super) fn enqueue(&mut self, group: GroupHandle) {
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        if !binding.queued {
            binding.queued = true;
            self.waiting.push_back(group);
        }
    }

    /// Begins as many rounds as there is room for.
    pub(super) fn start_rounds(&mut self) {
        let mut still_busy = VecDeque::new();
        while self.rounds < MAX_BUSY {
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
        let Some(binding) = self.bindings.get(&group).filter(|binding| binding.stay.is_none()) else {
            return;
        };
        let (inherited, surplus): (Vec<_>, Vec<_>) =
            binding.surplus().into_iter().partition(|address| self.is_wished_elsewhere(group, *address));
        let (inherited_attachments, detach) = self.divide_attachments(group);
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        for address in inherited {
            binding.bound.remove(&address);
        }
        for attachment in inherited_attachments {
            binding.attached.remove(&attachment);
        }
        let mut orders = Orders { detach, remove: surplus, ..Orders::default() };
        if let Some(wish) = &binding.wish {
            let looks = wish.owner && binding.asked && !binding.found;
            orders.look_for = looks.then(|| wish.addresses.clone());
            orders.shut = wish.shut;
            orders.closed = wish.closed;
            orders.add = binding.lacks(wish);
            orders.lifetime = wish.lifetime;
            orders.raise = binding.lacks_link(wish);
            orders.attach = binding.lacks_attachments(wish);
        } else if !orders.remove.is_empty() {
            orders.hush = binding.raised;
        }
        binding.doubtful = false;
        if orders.is_empty() {
            self.settle(group);
            return;
        }
        binding.busy = true;
        self.rounds += 1;
        let kernel = self.kernel.clone();
        self.busy.push(Box::pin(async move {
            Done::Round(Box::new(Round::carry_out(group, kernel, orders).await))
        }));
    }

    /// The routes and rules that another group goes on wishing for, and those that nobody does.
    fn divide_attachments(&self, group: GroupHandle) -> (Vec<Attachment>, Vec<Attachment>) {
        let is_wished_elsewhere = |attachment: &Attachment| {
            let others = self.bindings.iter().filter(|(other, _)| **other != group);
            let mut wishes = others.filter_map(|(_, binding)| binding.wish.as_ref());
            wishes.any(|wish| wish.attachments.contains(attachment))
        };
        let surplus = self.bindings.get(&group).map(Binding::surplus_attachments).unwrap_or_default();
        surplus.into_iter().partition(is_wished_elsewhere)
    }

    /// Whether another group wishes for the address now, which then is the one to remove it.
    fn is_wished_elsewhere(&self, group: GroupHandle, address: HostAddress) -> bool {
        let other = self.wished_by.get(&address).filter(|other| **other != group);
        let wish = other.and_then(|other| self.bindings.get(other)).and_then(|binding| binding.wish.as_ref());
        wish.is_some_and(|wish| !wish.owner && wish.addresses.contains(&address))
    }

    /// Takes account of what a round brought.
    pub(super) fn finish(&mut self, round: Round) {
        let Round { group, added, removed, found, failed_to_hold, failed_to_remove, .. } = round;
        self.rounds -= 1;
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        binding.busy = false;
        binding.found |= found;
        if round.raised.is_some() {
            binding.raised = round.raised;
        }
        if round.hushed {
            // Taken for down at once: whatever comes next must make it answer again.
            binding.lowers = binding.raised.take();
        }
        for (attachment, added) in round.attached {
            let was_there = !binding.attached.insert(attachment);
            if was_there && added == Added::New {
                self.events.push_back(Event::Reattached { attachment });
            }
        }
        for attachment in round.detached {
            binding.attached.remove(&attachment);
        }
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
        if let (Some(link), Some(wish)) = (binding.raised, &binding.wish)
            && wish.link != Some(link)
            && !binding.bound.iter().any(|address| address.ifindex == link)
        {
            binding.raised = None;
            self.events.push_back(Event::LinkLeft);
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
        if let Some((remains, error)) = failed_to_remove {
            if !was_stuck {
                self.events.push_back(Event::Stuck { remains, error });
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
            if std::mem::take(&mut binding.releasing) {
                self.events.push_back(Event::Released { group, at: clock::boottime() });
            }
            self.leave_link(group);
        }
    }
}
