//! How long to wait before the next attempt to reach a server.

use std::time::Duration;

/// Full jitter: a random time between nothing and a ceiling that doubles with each failure. A thousand agents that
/// lost the same server at the same moment come back spread out, and one alone comes back at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

/// The ceiling of the first pause.
const FIRST: Duration = Duration::from_millis(100);
/// The ceiling of every pause.
const LONGEST: Duration = Duration::from_secs(30);
/// A session that lived this long makes earlier failures forgotten.
const HEALTHY: Duration = Duration::from_secs(60);

impl Backoff {
    /// The pause before the next attempt.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(rand::random::<f64>())
    }

    /// Takes note of how long a session lived.
    pub(crate) fn session_lived(&mut self, life: Duration) {
        if life >= HEALTHY {
            self.failures = 0;
        }
    }

    fn ceiling(&self) -> Duration {
        FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_from_a_tenth_of_a_second_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let mut ceilings = Vec::new();
        for _ in 0..40 {
            let ceiling = backoff.ceiling();
            assert!(backoff.next_pause() <= ceiling);
            ceilings.push(ceiling.as_millis());
        }
        assert_eq!(ceilings[..4], [100, 200, 400, 800]);
        assert_eq!(ceilings[39], 30_000);
    }

    #[test]
    fn only_a_session_of_a_minute_makes_failures_forgotten() {
        let mut backoff = Backoff { failures: 5 };
        backoff.session_lived(Duration::from_secs(59));
        assert_eq!(backoff.failures, 5);
        backoff.session_lived(Duration::from_secs(60));
        assert_eq!(backoff.failures, 0);
    }
}
