//! How often the LAN side of a group has come and gone, and for how long it then lets others keep what they took over.
//!
//! Pure.

use std::time::Duration;

use vrrp::Instant;

/// How many Active_Down_Intervals it waits at least.
const LEAST: u32 = 3;
/// How often that is doubled at most.
const MOST_DOUBLINGS: u32 = 6;
/// What a wait is never longer than, unless [`LEAST`] says so.
const LONGEST: Duration = Duration::from_mins(2);
/// For how long it must last until one loss is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);

/// The losses that are not forgotten yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flaps {
    losses: u32,
    back_since: Option<Instant>,
}

impl Flaps {
    /// The LAN side is lost.
    pub(super) fn lost(&mut self, now: Instant) {
        if let Some(since) = self.back_since.take() {
            let lasted = now.saturating_duration_since(since).as_secs() / FORGOTTEN_AFTER.as_secs();
            self.losses = self.losses.saturating_sub(u32::try_from(lasted).unwrap_or(u32::MAX));
        }
        self.losses = self.losses.saturating_add(1);
    }

    /// It is back: until when others keep what they took over; `None` when it was never lost.
    pub(super) fn back(&mut self, active_down_interval: Duration, now: Instant) -> Option<Instant> {
        let doublings = self.losses.checked_sub(1)?.min(MOST_DOUBLINGS);
        self.back_since = Some(now);
        let least = active_down_interval * LEAST;
        Some(now + (least * 2_u32.pow(doublings)).min(LONGEST.max(least)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Duration = Duration::from_millis(3_100);

    #[test]
    fn each_loss_doubles_the_wait_up_to_a_bound_and_quiet_minutes_make_it_shorter_again() {
        let mut flaps = Flaps::default();
        let mut now = Instant::from_origin(Duration::from_secs(1_000));
        assert_eq!(flaps.back(DOWN, now), None, "it was never lost");
        let mut waits = Vec::new();
        for _ in 0..6 {
            flaps.lost(now);
            waits.push(flaps.back(DOWN, now).unwrap().saturating_duration_since(now));
            now += Duration::from_secs(1);
        }
        assert_eq!(waits, [9_300, 18_600, 37_200, 74_400, 120_000, 120_000].map(Duration::from_millis));
        flaps.lost(now + FORGOTTEN_AFTER * 5);
        let back = now + FORGOTTEN_AFTER * 5;
        assert_eq!(flaps.back(DOWN, back), Some(back + DOWN * 6), "two are remembered");
        flaps.lost(back + FORGOTTEN_AFTER * 1_000);
        let back = back + FORGOTTEN_AFTER * 1_000;
        assert_eq!(flaps.back(DOWN, back), Some(back + DOWN * 3));
    }

    #[test]
    fn three_active_down_intervals_are_waited_for_however_long_they_are() {
        let mut flaps = Flaps::default();
        let now = Instant::from_origin(Duration::from_secs(1_000));
        flaps.lost(now);
        let slow = Duration::from_secs(120);
        assert_eq!(flaps.back(slow, now), Some(now + slow * 3));
    }
}
