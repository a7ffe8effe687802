//! When a worker that was told to stop counts as one that has not heard it.
//!
//! Its control half hears of it and tells the dataplane. Only time in which that could have run is counted: not
//! what it takes until the dataplane runs, nor what passed while the host was suspended or everything on it
//! stood still, which is seen by the parent's own looks, then far apart.
//!
//! Pure: the time and what was seen are arguments.

use std::time::Duration;

use vrrp::Instant;

/// How long the control half of a worker may take. A disk that hangs delays it by one second.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much one look may count, in which the parent looks again after 100 ms at most.
const MOST_PER_LOOK: Duration = Duration::from_millis(200);

/// How long one worker has not heard that it shall stop.
#[derive(Debug, Default)]
pub(super) struct Deafness {
    looked_at: Option<Instant>,
    waited: Duration,
}

impl Deafness {
    /// Looks at a worker that runs and was told to stop. Whether it should have begun to.
    pub(super) fn is_certain(&mut self, now: Instant, has_begun_stop: bool) -> bool {
        let since = self.looked_at.replace(now).unwrap_or(now);
        self.waited += now.saturating_duration_since(since).min(MOST_PER_LOOK);
        !has_begun_stop && self.waited >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 100 ms, and `paused` later than that once, after a second; when it is certain.
    fn certain_after(paused: Duration, begins: Option<Duration>) -> Option<Duration> {
        let (mut deafness, mut passed) = (Deafness::default(), Duration::ZERO);
        for look in 0..1_000 {
            let now = Instant::from_origin(Duration::from_secs(100) + passed);
            if deafness.is_certain(now, begins.is_some_and(|begins| passed >= begins)) {
                return Some(passed);
            }
            passed += Duration::from_millis(100);
            passed += if look == 10 { paused } else { Duration::ZERO };
        }
        None
    }

    #[test]
    fn a_worker_that_has_not_begun_to_stop_after_five_seconds_has_not_heard_it() {
        assert_eq!(certain_after(Duration::ZERO, None), Some(PATIENCE));
        for begins in [Duration::ZERO, Duration::from_millis(4_900)] {
            assert_eq!(certain_after(Duration::ZERO, Some(begins)), None);
        }
    }

    #[test]
    fn time_in_which_nothing_ran_does_not_count() {
        for hours in [1, 1_000] {
            let paused = Duration::from_secs(hours * 3_600);
            assert_eq!(certain_after(paused, None), Some(paused + PATIENCE - Duration::from_millis(100)));
            assert_eq!(
                certain_after(paused, Some(paused + Duration::from_secs(4))),
                None,
                "it has woken too"
            );
        }
    }
}
