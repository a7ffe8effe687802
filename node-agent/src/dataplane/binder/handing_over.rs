//! Silence, and addresses that stay for a moment although another router holds them by now.
//!
//! The switch and the neighbours turn to the better router when they hear it; what they sent before is on its
//! way here, or waits here for a service to answer. So whoever yields does not let go at once. It falls
//! silent first: on a macvlan the addresses are not answered for by ARP or neighbour discovery any longer,
//! and only then the moment begins, since the successor speaks again once it hears that we are silent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Binder, Done, Event, GroupHandle};

/// Below the 10 ms after which the successor announces again, so that whoever asks meanwhile and is told the
/// wrong way is told the right one soon.
const STAYS: Duration = Duration::from_millis(8);

/// For how long addresses stay that nobody wishes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// Until the macvlan is silent, and a moment more.
    UntilSilent,
    /// Until then.
    Until(Instant),
}

impl Binder {
    /// A successor holds what the group does: its macvlan says nothing from now on, although the addresses
    /// stay for a moment. Whether [`Event::Hushed`] will say when that is so; otherwise there is nothing that
    /// could speak.
    pub(in super::super) fn hush(&mut self, group: GroupHandle) -> bool {
        let Some(binding) = self.bindings.get_mut(&group) else { return false };
        binding.hushed = true;
        let Some(link) = binding.raised.take() else { return binding.hushing };
        // Taken for down at once: whatever comes next must let it speak again.
        binding.lowers = Some(link);
        binding.hushing = true;
        let links = Arc::clone(&self.kernel.links);
        self.busy.push(Box::pin(async move {
            // A macvlan that is gone is silent.
            let _silent = links.hush(link).await;
            Done::Hushed(group)
        }));
        true
    }

    /// As [`release`](Self::release), in a moment.
    pub(in super::super) fn hand_over(&mut self, group: GroupHandle) {
        self.release(group);
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        binding.stay = Some(Stay::UntilSilent);
        if !binding.hushing {
            self.begin_stay(group);
        }
    }

    /// A macvlan is silent.
    pub(super) fn finish_hush(&mut self, group: GroupHandle) {
        self.events.push_back(Event::Hushed { group });
        let Some(binding) = self.bindings.get_mut(&group) else { return };
        binding.hushing = false;
        if binding.stay == Some(Stay::UntilSilent) {
            self.begin_stay(group);
        }
    }

    fn begin_stay(&mut self, group: GroupHandle) {
        let until = Instant::now() + STAYS;
        if let Some(binding) = self.bindings.get_mut(&group) {
            binding.stay = Some(Stay::Until(until));
        }
        self.busy.push(Box::pin(async move {
            tokio::time::sleep_until(until).await;
            Done::HasStayed(group)
        }));
    }

    /// A moment is over; another may have begun.
    pub(super) fn end_stay(&mut self, group: GroupHandle) {
        let is_over = |stay: &mut Stay| matches!(stay, Stay::Until(until) if *until <= Instant::now());
        let binding = self.bindings.get_mut(&group);
        if binding.is_some_and(|binding| binding.stay.take_if(is_over).is_some()) {
            self.enqueue(group);
        }
    }
}
