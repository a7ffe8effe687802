//! Advertises in the name of a worker that has died or handed over, until the next one has taken up what it
//! held.
//!
//! A worker needs tens of milliseconds to end, and the next one as long to begin; on a busy machine that can
//! be more than the three intervals that Backups wait. The addresses are bound meanwhile and the kernel
//! answers for them, so there is something to advertise. Only whole frames that the dataplane has prepared
//! are sent, each group's at its interval. Nobody listens meanwhile, so this goes on for a short while only,
//! and not for a group that another router advertises for, that resigns, or whose Backups may have moved
//! already.

use std::time::Duration;

use vrrp::{Instant, Role};

use crate::dataplane::transmit;
use crate::shared_memory::fence_plan::{self, Part};
use crate::shared_memory::{SharedMemory, Slot, SlotKey};
use crate::sys::clock;
use crate::sys::datagram_sender::{Datagram, DatagramSender};
use crate::sys::packet_sender::{Frame, PacketSender};

/// How long after a death at most.
const LONGEST: Duration = Duration::from_secs(1);

/// The groups that are spoken for.
pub(super) struct StandIn {
    until: Instant,
    groups: Vec<Group>,
}

/// One group.
struct Group {
    index: usize,
    key: SlotKey,
    /// Its plan. The frames in it are numbered anew each time.
    plan: Vec<u8>,
    interval: Duration,
    /// When the next advertisement is due.
    due: Instant,
    number: Option<u16>,
}

impl StandIn {
    /// Nobody is spoken for.
    pub(super) const fn idle() -> Self {
        Self { until: Instant::ORIGIN, groups: Vec::new() }
    }

    /// The worker that held these groups has died at `died_at`, and another is to take them up.
    pub(super) fn begin(&mut self, memory: &SharedMemory, died_at: Instant, now: Instant) {
        self.until = died_at + LONGEST;
        self.groups.clear();
        for (index, slot) in memory.slots().filter(|(_, slot)| can_be_spoken_for(slot, now)) {
            let mut plan = Vec::new();
            memory.read_plan(index, &mut plan);
            let Slot { key, interval, number, .. } = slot;
            self.groups.push(Group { index, key, plan, interval, due: slot.last_sent + interval, number });
        }
    }

    /// When to call [`speak`](Self::speak); `None` while there is nothing to say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.groups.iter().map(|group| group.due).min()
    }

    /// Sends what is due, and says in shared memory that it was sent. True when anything was.
    pub(super) fn speak(
        &mut self,
        memory: &SharedMemory,
        frames: &PacketSender,
        datagrams: &DatagramSender,
    ) -> bool {
        let now = clock::boottime();
        if memory.has_adopted() || self.until <= now {
            self.groups.clear();
        }
        // It was fenced, or the next worker has other plans with it.
        let goes_on = |slot: Option<Slot>, key| slot.is_some_and(|slot| slot.key == key && holds(&slot));
        self.groups.retain(|group| goes_on(memory.slot_at(group.index), group.key));
        let (mut messages, mut sent) = (Vec::new(), Vec::new());
        for group in self.groups.iter_mut().filter(|group| group.due <= now) {
            group.due = now + group.interval;
            group.number = group.number.map(|number| number.wrapping_add(1));
            messages.extend(group.frames().map(|frame| (&*group, frame)));
            if group.speak_to_peers(datagrams) {
                sent.push((group.index, None));
            }
        }
        let batch: Vec<_> = messages.iter().map(|(_, frame)| frame.as_frame()).collect();
        frames.send(&batch, |at, outcome| {
            let (group, _) = &messages[at];
            sent.extend(outcome.is_ok().then_some((group.index, group.number)));
        });
        let at = clock::boottime();
        sent.iter().for_each(|(index, number)| memory.mark_sent(*index, at, *number));
        !sent.is_empty()
    }
}

/// A frame with its number.
struct Numbered {
    ifindex: u32,
    ethertype: u16,
    octets: Vec<u8>,
}

impl Numbered {
    fn as_frame(&self) -> Frame<'_> {
        Frame { ifindex: self.ifindex, ethertype: self.ethertype, octets: &self.octets }
    }
}

impl Group {
    /// What it says to all of the LAN.
    fn frames(&self) -> impl Iterator<Item = Numbered> {
        fence_plan::parts(&self.plan).filter_map(|part| {
            let Part::Advertisement { ifindex, ethertype, octets } = part else { return None };
            let mut octets = octets.to_vec();
            if let Some(number) = self.number {
                transmit::set_number(&mut octets, number);
            }
            Some(Numbered { ifindex, ethertype, octets })
        })
    }

    /// Says it to the routers that it speaks to one by one. Whether anything left.
    fn speak_to_peers(&self, datagrams: &DatagramSender) -> bool {
        let mut has_sent = false;
        for part in fence_plan::parts(&self.plan) {
            if let Part::AdvertisementTo { ifindex, source, destination, octets } = part {
                let datagram = Datagram { ifindex, source, destination, message: octets };
                has_sent |= datagrams.send(&datagram).is_ok();
            }
        }
        has_sent
    }
}

/// Whether the LAN may hear of it as if its worker lived.
fn can_be_spoken_for(slot: &Slot, now: Instant) -> bool {
    holds(slot) && slot.is_alone() && now < slot.nobody_moves_until()
}

fn holds(slot: &Slot) -> bool {
    slot.role == Role::Active && slot.bound && !slot.leaving && slot.fenced.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::test_data::{at, slot};

    #[test]
    fn only_what_is_held_alone_and_in_time_is_spoken_for() {
        let held = slot(100, Role::Active);
        let sent = held.last_sent;
        let in_time = sent + Duration::from_millis(299);
        assert!(can_be_spoken_for(&held, in_time));
        assert!(!can_be_spoken_for(&held, sent + Duration::from_millis(300)), "a Backup may have moved");
        for silent in [
            slot(100, Role::Backup),
            Slot { bound: false, ..held },
            Slot { leaving: true, ..held },
            Slot { heard: Some(sent + Duration::from_millis(1)), ..held },
            Slot { fenced: Some(crate::shared_memory::Fenced { at: at(0), released: None }), ..held },
        ] {
            assert!(!can_be_spoken_for(&silent, in_time), "{silent:?}");
        }
    }
}
