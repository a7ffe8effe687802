//! Takes macvlans down that nothing is on any longer: a while after their addresses have gone, and one at a time.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Binder, Done, Event, GroupHandle, LEFTOVERS};

/// A takeover by others, and what they change in the kernel for it, is over by then.
const LOWER_AFTER: Duration = Duration::from_millis(100);
/// How long the kernel is left to others between one macvlan and the next.
const PAUSE: Duration = Duration::from_millis(20);

/// The macvlans that are to be taken down.
#[derive(Debug, Default)]
pub(super) struct Lowering {
    waiting: VecDeque<GroupHandle>,
    busy: bool,
}

impl Binder {
    /// Nothing is bound for the group any longer: its macvlan goes down, and then the group is forgotten.
    pub(super) fn leave_link(&mut self, group: GroupHandle) {
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        if let Some(link) = binding.raised.take() {
            binding.lowers = Some(link);
        } else if binding.lowers.is_none() {
            self.bindings.remove(&group);
            if group == LEFTOVERS {
                // What they were on may go down now.
                self.events.push_back(Event::LinkLeft);
            }
            return;
        }
        if !self.lowering.waiting.contains(&group) {
            self.lowering.waiting.push_back(group);
            self.pause_lowering(LOWER_AFTER);
        }
    }

    /// Begins to take the next macvlan down, if none is on its way.
    pub(super) fn lower_next(&mut self) {
        while !self.lowering.busy
            && let Some(group) = self.lowering.waiting.pop_front()
        {
            let Some(binding) = self.bindings.get_mut(&group) else { continue };
            // It may hold again.
            let Some(link) = binding.lowers.filter(|_| binding.wish.is_none() && !binding.busy) else {
                continue;
            };
            binding.busy = true;
            self.lowering.busy = true;
            let lowered = self.kernel.links.lower(link);
            self.busy.push(Box::pin(async move {
                // One that does not go down has nothing to answer for.
                let _silent = lowered.await;
                Done::Lowered(group)
            }));
        }
    }

    /// A macvlan is down.
    pub(super) fn finish_lowering(&mut self, group: GroupHandle) {
        self.lowering.busy = false;
        self.pause_lowering(PAUSE);
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        binding.busy = false;
        (binding.raised, binding.lowers) = (None, None);
        self.enqueue(group);
        self.events.push_back(Event::LinkLeft);
    }

    /// The macvlans that are gone need not be taken down.
    pub(in super::super) fn forget_links(&mut self, is_there: impl Fn(u32) -> bool) {
        let mut gone = Vec::new();
        for (group, binding) in &mut self.bindings {
            if !binding.busy && binding.lowers.take_if(|link| !is_there(*link)).is_some() {
                gone.push(*group);
            }
        }
        gone.into_iter().for_each(|group| self.enqueue(group));
    }

    fn pause_lowering(&self, pause: Duration) {
        self.busy.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            Done::MayLower
        }));
    }
}
