//! How long to wait before the next attempt to reach a server.

use std::time::Duration;

/// Full jitter: a random time between nothing and a ceiling that grows with how long the server has been
/// away. A thousand agents that lost the same server at the same moment come back spread out, and a server
/// that was only restarted is found again within about half of the time that this took.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Time spent waiting, less the time spent in sessions since.
    away: Duration,
}

/// The ceiling of the first pauses.
const FIRST: Duration = Duration::from_millis(100);
/// The ceiling of every pause.
const LONGEST: Duration = Duration::from_secs(30);
/// More than this makes no difference, so a session that lives as long makes everything before it forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

impl Backoff {
    /// The pause before the next attempt.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.ceiling().mul_f64(rand::random::<f64>());
        self.away = (self.away + pause).min(FORGOTTEN_AFTER);
        pause
    }

    /// Takes note of how long a session lived.
    pub(crate) fn session_lived(&mut self, life: Duration) {
        self.away = self.away.saturating_sub(life);
    }

    fn ceiling(&self) -> Duration {
        (self.away / 2).clamp(FIRST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_under_a_ceiling_that_ends_at_half_a_minute() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.ceiling(), FIRST);
        let mut waited = Duration::ZERO;
        while backoff.ceiling() < LONGEST {
            let ceiling = backoff.ceiling();
            let pause = backoff.next_pause();
            assert!(pause <= ceiling);
            waited += pause;
            assert!(backoff.ceiling() <= FIRST.max(waited / 2), "{waited:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next_pause() <= LONGEST);
        }
    }

    #[test]
    fn agents_that_lost_the_server_at_the_same_moment_come_back_spread_over_the_whole_pause() {
        let pauses: Vec<_> = (0..1_000).map(|_| Backoff::default().next_pause()).collect();
        // That one tenth of the pause stays empty has a chance of 10⁻⁴⁵.
        let tenths: std::collections::BTreeSet<_> =
            pauses.iter().map(|pause| pause.as_nanos() * 10 / FIRST.as_nanos()).collect();
        assert_eq!(tenths.into_iter().filter(|tenth| *tenth < 10).count(), 10, "{pauses:?}");
    }

    #[test]
    fn a_session_of_a_minute_makes_any_outage_forgotten_and_a_shorter_one_its_own_length() {
        let mut backoff = Backoff { away: FORGOTTEN_AFTER };
        backoff.session_lived(Duration::from_secs(20));
        assert_eq!(backoff.ceiling(), Duration::from_secs(20));
        backoff.session_lived(Duration::from_secs(40));
        assert_eq!(backoff.ceiling(), FIRST);
    }
}
