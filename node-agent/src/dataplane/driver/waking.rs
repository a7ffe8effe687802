//! What the driver waits for, and until when.

use std::io;

use vrrp::Instant;

use super::{Driver, Parts};
use crate::dataplane::binder::Event;
use crate::dataplane::link_monitor::Change;
use crate::messages::Command;
use crate::sys::clock;

/// What woke the driver.
pub(super) enum Wake {
    Packets,
    Binder(Event),
    Kernel(Change),
    Command(Option<Command>),
    Timer,
    Outbox,
    Links,
    Gate,
    EntryFence,
    Leases,
    Neighbours,
}

impl Driver {
    /// The next thing that wants a turn. That the guard wants to hear of the dataplane does not.
    pub(super) async fn next_wake(&mut self) -> io::Result<Wake> {
        let deadline = self.next_deadline();
        loop {
            let beat_at = self.parts.slots.next_beat().unwrap_or(deadline);
            self.parts.timer.arm(Some(deadline.min(beat_at)))?;
            let wake = self.wake().await?;
            if !matches!(wake, Wake::Timer) || deadline <= clock::boottime() {
                self.measure_lag(deadline);
                return Ok(wake);
            }
            self.beat();
        }
    }

    /// What was due at `deadline` is about to be acted on, if it has come.
    fn measure_lag(&mut self, deadline: Instant) {
        let now = clock::boottime();
        // The origin stands for what is to be done at once.
        if deadline != Instant::ORIGIN && deadline <= now {
            self.lag.note(deadline, now);
        }
    }

    async fn wake(&mut self) -> io::Result<Wake> {
        let Parts {
            receiver,
            timer,
            monitor,
            binder,
            links,
            gate,
            entry,
            leases,
            probes,
            commands,
            outbox,
            ..
        } = &mut self.parts;
        tokio::select! {
            biased;
            outcome = receiver.readable() => outcome.map(|()| Wake::Packets),
            event = binder.next() => Ok(Wake::Binder(event)),
            change = monitor.changed() => change.map(Wake::Kernel),
            command = commands.recv(), if !self.commands_ended => Ok(Wake::Command(command)),
            outcome = timer.fired() => outcome.map(|()| Wake::Timer),
            () = outbox.writable() => Ok(Wake::Outbox),
            () = links.done() => Ok(Wake::Links),
            () = gate.done() => Ok(Wake::Gate),
            () = entry.done() => Ok(Wake::EntryFence),
            () = leases.done() => Ok(Wake::Leases),
            outcome = probes.readable() => outcome.map(|()| Wake::Neighbours),
        }
    }

    fn next_deadline(&self) -> Instant {
        if self.turns_behind > 0 {
            return Instant::ORIGIN;
        }
        let deadlines = [
            self.stop_by,
            self.hand_over_by,
            self.instances.next_deadline(),
            self.instances.carrier_deadline(),
            self.announcements.next_deadline(),
            self.parts.probes.next_deadline(),
            self.parts.predecessor.adopt_until(),
            Some(self.snapshot_at),
        ];
        deadlines.into_iter().flatten().min().unwrap_or(self.snapshot_at)
    }
}
