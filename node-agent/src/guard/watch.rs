//! When a worker counts as one that hangs.
//!
//! Pure: the time and what was seen are arguments.

use std::time::Duration;

use vrrp::Instant;

/// How often the dataplane says that it is alive while groups hold addresses.
pub(crate) const BEAT_EVERY: Duration = Duration::from_millis(20);
/// After how long without a word it hangs: three beats.
const HANGS_AFTER: Duration = Duration::from_millis(60);
/// After how long it hangs although it would run if it could: it waits for a processor, or within the kernel, where
/// no signal ends it. Time in which the guard was kept from running itself does not count.
const HANGS_ANYHOW_AFTER: Duration = Duration::from_secs(1);
/// A guard that wakes later than this was itself kept from running, and perhaps the worker was by the same.
const LATE: Duration = Duration::from_millis(10);
/// How long such a guard goes on looking before it judges.
const SECOND_LOOK: Duration = Duration::from_millis(20);

/// What keeps a thread from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// It could run, or is in the kernel: somebody else keeps it.
    Kept,
    /// It is stopped, or waits for something that it does not do otherwise.
    Own,
}

/// Watches one worker.
#[derive(Debug)]
pub(crate) struct HeartbeatWatch {
    started_at: Instant,
    look_at: Instant,
    judges_from: Instant,
    /// The last word of the worker, and how long the guard itself was kept from running since.
    last_beat: Instant,
    kept: Duration,
}

impl HeartbeatWatch {
    /// A watch over the worker that was started at `started_at`, or a little later.
    pub(crate) const fn new(started_at: Instant) -> Self {
        Self {
            started_at,
            look_at: started_at,
            judges_from: started_at,
            last_beat: started_at,
            kept: Duration::ZERO,
        }
    }

    /// When to look again.
    pub(crate) const fn look_at(&self) -> Instant {
        self.look_at
    }

    /// Whether it hangs, having said at `heartbeat` that it was alive. A worker that has not yet said so at all, or
    /// that holds nothing, does not hang.
    pub(crate) fn hangs(
        &mut self,
        now: Instant,
        heartbeat: Option<Instant>,
        holds: bool,
        hindrance: impl FnOnce() -> Hindrance,
    ) -> bool {
        let late = now.saturating_duration_since(self.look_at);
        let heartbeat = heartbeat.filter(|at| holds && *at >= self.started_at);
        if let Some(beat) = heartbeat.filter(|at| *at != self.last_beat) {
            (self.last_beat, self.kept) = (beat, Duration::ZERO);
        }
        if late > LATE {
            self.judges_from = now + SECOND_LOOK;
            self.kept += late;
        }
        let Some(heartbeat) = heartbeat else {
            self.look_at = now + HANGS_AFTER;
            return false;
        };
        let judge_at = (heartbeat + HANGS_AFTER).max(self.judges_from);
        if now < judge_at {
            self.look_at = judge_at;
            return false;
        }
        if now < heartbeat + HANGS_ANYHOW_AFTER + self.kept && hindrance() == Hindrance::Kept {
            self.look_at = now + BEAT_EVERY;
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(100) + Duration::from_millis(milliseconds))
    }

    /// Looks when the watch wants to, each time `late` after that, and returns when it says that the worker hangs.
    fn hangs_at(watch: &mut HeartbeatWatch, beat: u64, late: &[u64], hindrance: Hindrance) -> u64 {
        let mut late = late.iter().copied().chain(std::iter::repeat(0));
        for _ in 0..100 {
            let now = watch.look_at() + Duration::from_millis(late.next().unwrap_or_default());
            if watch.hangs(now, Some(at(beat)), true, || hindrance) {
                return u64::try_from(now.saturating_duration_since(at(0)).as_millis()).unwrap();
            }
        }
        panic!("never");
    }

    #[test]
    fn a_worker_hangs_three_beats_after_its_last_word() {
        assert_eq!(hangs_at(&mut HeartbeatWatch::new(at(0)), 7, &[], Hindrance::Own), 67);
    }

    #[test]
    fn a_worker_that_goes_on_beating_never_hangs() {
        let mut watch = HeartbeatWatch::new(at(0));
        for now in 0..10_000 {
            assert!(!watch.hangs(at(now), Some(at(now - now % 20)), true, || Hindrance::Own));
            assert!(watch.look_at() > at(now));
        }
    }

    #[test]
    fn a_worker_that_has_said_nothing_yet_or_holds_nothing_does_not_hang() {
        let mut watch = HeartbeatWatch::new(at(1_000));
        for (heartbeat, holds) in [(None, true), (Some(at(999)), true), (Some(at(1_000)), false)] {
            for now in (1_000..3_000).step_by(40) {
                assert!(!watch.hangs(at(now), heartbeat, holds, || Hindrance::Own), "{heartbeat:?}");
            }
        }
        assert!(watch.hangs(at(3_010), Some(at(1_000)), true, || Hindrance::Own));
    }

    #[test]
    fn a_guard_that_woke_late_looks_once_more_before_it_judges() {
        let mut watch = HeartbeatWatch::new(at(0));
        assert!(!watch.hangs(at(0), Some(at(0)), true, || Hindrance::Own));
        assert!(!watch.hangs(at(5_000), Some(at(0)), true, || Hindrance::Own), "it was itself asleep");
        assert_eq!(watch.look_at(), at(5_020));
        assert!(
            !watch.hangs(at(5_020), Some(at(5_015)), true, || Hindrance::Own),
            "the worker has woken too"
        );

        let mut watch = HeartbeatWatch::new(at(0));
        assert_eq!(hangs_at(&mut watch, 0, &[0, 11], Hindrance::Own), 91, "and this one has not");
        let mut watch = HeartbeatWatch::new(at(0));
        assert_eq!(hangs_at(&mut watch, 0, &[0, 10], Hindrance::Own), 70, "late, but not too late");
    }

    #[test]
    fn a_worker_that_others_keep_from_running_is_given_more_time_and_not_for_ever() {
        assert_eq!(hangs_at(&mut HeartbeatWatch::new(at(0)), 0, &[], Hindrance::Kept), 1_000);
    }

    #[test]
    fn a_pause_of_both_is_not_held_against_a_worker_that_others_keep_from_running() {
        assert_eq!(hangs_at(&mut HeartbeatWatch::new(at(0)), 0, &[0, 1_940], Hindrance::Kept), 2_940);
        assert_eq!(hangs_at(&mut HeartbeatWatch::new(at(0)), 0, &[0, 1_940], Hindrance::Own), 2_020);
        let mut watch = HeartbeatWatch::new(at(0));
        assert!(
            !watch.hangs(at(1_500), Some(at(1_490)), true, || Hindrance::Kept),
            "it was kept before that beat"
        );
        assert_eq!(hangs_at(&mut watch, 1_495, &[], Hindrance::Kept), 2_495);
    }
}
