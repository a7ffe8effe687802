//! The first fence: the parent takes the addresses away when the worker is dead or hangs and cannot be replaced in
//! time.
//!
//! # When
//! A worker dies, or hangs: its dataplane, which says every 20 ms that it is alive while groups hold
//! addresses, says so no longer ([`watch`]). One that hangs is killed first, so that it cannot wake up and go
//! on. Then:
//! - The first death is answered by another worker, which adopts what is bound; nothing moves. Until it has,
//!   or for a second, the guard advertises in the groups' names ([`stand_in`]). If no worker has adopted
//!   shortly before a Backup would then take over, it is killed too and the groups that are late are fenced.
//! - A worker that hands over to the next is spoken for just so.
//! - A second death within 10 s, or the end of the agent, fences every group that holds anything.
//!
//! A hung control half is no reason: addresses do not depend on it. Only where the agent is told to stop is
//! such a worker killed, for the next one to release what it held.
//!
//! # How
//! See [`fencing`]. A group is fenced only while no worker lives: whoever takes addresses away while another adds
//! them has fenced nothing. What was fenced is marked so in shared memory. The next worker adopts none of it, starts
//! those groups as Backup, and reports what happened.
//!
//! # What it does not need
//! No runtime, no configuration, no allocation of more than a few buffers, nothing that a server has said: only what
//! the dataplane has prepared for this moment, in memory that is locked.

mod fencing;
mod hindrance;
pub(crate) mod lifeline;
mod stand_in;
#[cfg(test)]
mod test_data;
pub(crate) mod watch;

use std::time::Duration;

use api_types::agent_status::RealtimeStatus;
use vrrp::{Instant, Role};

use self::fencing::Fencing;
use self::stand_in::StandIn;
use self::watch::HeartbeatWatch;
use crate::shared_memory::guard_state::GuardState;
use crate::shared_memory::{SharedMemory, Slot};
use crate::sys::clock;

/// How long before a Backup may move the guard acts, at most: as long as it takes.
const MARGIN: Duration = Duration::from_millis(10);
/// The same, as a part of the interval.
const MARGIN_PART: u32 = 4;

/// What is wrong with a worker that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its dataplane does not say any longer that it is alive.
    Hangs,
    /// It has not taken up in time what the one before it held.
    TooLate,
    /// It was told to stop, and its control half does not tell the dataplane.
    Deaf,
}

/// Guards the groups of one agent.
pub(crate) struct Guard {
    fencing: Fencing,
    stand_in: StandIn,
    watch: HeartbeatWatch,
    /// When the first group must have been adopted, after a death.
    adopted_by: Option<Instant>,
    died_at: Instant,
}

impl Guard {
    /// A guard, if one is wanted and possible. Says in shared memory how it stands.
    pub(crate) fn stand(wanted: bool, memory: &SharedMemory, granted: &RealtimeStatus) -> Option<Self> {
        let fencing = wanted.then(Fencing::open);
        memory.set_guard(&match &fencing {
            None => GuardState::Off,
            Some(Ok(_)) => GuardState::Armed(granted.detail.clone()),
            Some(Err(error)) => GuardState::NotArmed(error.to_string()),
        });
        let fencing = fencing?.inspect_err(|error| tracing::warn!(%error, "there is no guard")).ok()?;
        let now = clock::boottime();
        let (stand_in, watch) = (StandIn::idle(), HeartbeatWatch::new(now));
        Some(Self { fencing, stand_in, watch, adopted_by: None, died_at: now })
    }

    /// A worker is being started.
    pub(crate) fn follow_start(&mut self) {
        self.watch = HeartbeatWatch::new(clock::boottime());
    }

    /// When to call [`speak`](Self::speak); `None` while nobody is to be spoken for.
    pub(crate) fn speaks_at(&self) -> Option<Instant> {
        self.stand_in.due()
    }

    /// Advertises what is due in the name of a worker that has died or handed over and not yet been replaced.
    pub(crate) fn speak(&mut self, memory: &SharedMemory) {
        if self.stand_in.speak(memory, &self.fencing.frames, &self.fencing.datagrams) {
            self.adopted_by = self.first_deadline(memory);
        }
    }

    /// When to call [`judge`](Self::judge).
    pub(crate) fn look_at(&self) -> Instant {
        self.adopted_by.map_or(self.watch.look_at(), |by| by.min(self.watch.look_at()))
    }

    /// What is wrong with the worker, if anything is.
    pub(crate) fn judge(&mut self, worker: u32, memory: &SharedMemory) -> Option<Verdict> {
        let now = clock::boottime();
        if self.adopted_by.is_some() && memory.has_adopted() {
            self.adopted_by = None;
        }
        let hindrance = || hindrance::of(worker, memory.dataplane_thread());
        if self.watch.hangs(now, memory.heartbeat(), memory.held() > 0, hindrance) {
            return Some(Verdict::Hangs);
        }
        self.adopted_by.filter(|by| *by <= now).map(|_| Verdict::TooLate)
    }

    /// Whether a killed worker whose process does not end can touch nothing any more.
    pub(crate) fn is_harmless(worker: u32, memory: &SharedMemory) -> bool {
        hindrance::is_dead(worker, memory.dataplane_thread())
    }

    /// A worker is dead. Fences what the next one cannot take up in time; everything, if `at_once`.
    pub(crate) fn follow_death(&mut self, memory: &SharedMemory, at_once: bool) {
        let now = clock::boottime();
        if self.adopted_by.is_none() {
            self.died_at = now;
        }
        let died_at = self.died_at;
        if !at_once {
            self.stand_in.begin(memory, died_at, now);
            self.speak(memory);
        }
        self.fence(memory, |slot| at_once || must_be_adopted_by(slot, died_at) <= now);
        self.adopted_by = self.first_deadline(memory);
    }

    /// A worker that lives has left everything to the next one, which is there already.
    pub(crate) fn follow_handover(&mut self, memory: &SharedMemory) {
        let now = clock::boottime();
        self.died_at = now;
        // What the other one said of itself says nothing of this one.
        self.watch = HeartbeatWatch::new(now);
        self.stand_in.begin(memory, now, now);
        self.speak(memory);
        self.adopted_by = self.first_deadline(memory);
    }

    /// When the next worker must have taken up the first group.
    fn first_deadline(&self, memory: &SharedMemory) -> Option<Instant> {
        let held = memory.slots().map(|(_, slot)| slot).filter(|slot| slot.held);
        held.map(|slot| must_be_adopted_by(&slot, self.died_at)).min()
    }

    /// No worker will be started any more.
    pub(crate) fn follow_end(&mut self, memory: &SharedMemory) {
        self.fence(memory, |_| true);
    }

    fn fence(&mut self, memory: &SharedMemory, meant: impl Fn(&Slot) -> bool) {
        let began = clock::boottime();
        let fenced = self.fencing.fence(memory, meant);
        if fenced.groups == 0 {
            return;
        }
        let took = clock::boottime().saturating_duration_since(began);
        tracing::warn!(
            groups = fenced.groups,
            resigned = fenced.resigned,
            ?took,
            "the guard took addresses away"
        );
        if let Some(refusal) = fenced.refusal {
            tracing::error!(groups = fenced.left, %refusal, "the guard could not remove all addresses");
        }
    }
}

/// Until when the next worker must have taken a group up.
fn must_be_adopted_by(slot: &Slot, died_at: Instant) -> Instant {
    // One that was on its way to hold, or to let go, is taken up by removing what is there.
    let is_adoptable = slot.role == Role::Active && slot.bound;
    let from = if is_adoptable { slot.last_sent } else { died_at };
    let slot = Slot { last_sent: from, ..*slot };
    slot.nobody_moves_until() - MARGIN.min(slot.interval / MARGIN_PART)
}

#[cfg(test)]
mod tests {
    use super::test_data::{at, slot};
    use super::*;

    #[test]
    fn the_guard_acts_just_before_a_backup_may_have_moved() {
        for (interval, by) in [(10, 1_027), (100, 1_290), (1_000, 3_990)] {
            // Rounded down to whole milliseconds.
            let found =
                must_be_adopted_by(&slot(interval, Role::Active), at(2_000)).since_origin().as_millis();
            assert_eq!(found, by, "{interval} ms");
        }
        assert_eq!(must_be_adopted_by(&slot(100, Role::Backup), at(2_000)), at(2_290));
    }
}
