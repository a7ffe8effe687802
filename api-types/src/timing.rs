//! How punctual a node is: what its dataplane can promise to those who wait for its advertisements.

use serde::{Deserialize, Serialize};

/// How punctual the dataplane of a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timing {
    /// Whether it was granted real-time scheduling.
    pub realtime: bool,
    /// How late it was in the last minute.
    pub lag: TimerLag,
}

/// How late the deadlines of the last minute were acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimerLag {
    /// How many there were.
    pub samples: u64,
    /// 99 of 100 were acted on within so many microseconds, or up to a quarter less.
    pub p99_us: u64,
    /// The worst, in microseconds.
    pub max_us: u64,
}

impl Timing {
    /// In a few words, without the scheduling.
    #[must_use]
    pub fn summary(&self) -> String {
        let TimerLag { p99_us, max_us, .. } = self.lag;
        let ms = |microseconds: u64| std::time::Duration::from_micros(microseconds).as_secs_f64() * 1_000.0;
        let (p99, max) = (ms(p99_us), ms(max_us));
        format!("99 of 100 at most {p99:.1} ms late in the last minute, the worst {max:.1} ms")
    }

    /// The shortest advertisement interval that the node keeps to, in milliseconds: twice what 99 of 100 of
    /// its deadlines keep to, and 100 ms where it has no real-time scheduling. Of too few deadlines nothing
    /// is concluded.
    #[must_use]
    pub const fn shortest_interval_ms(&self) -> u64 {
        let by_lag = if self.lag.samples < FEW { 0 } else { (self.lag.p99_us * 2).div_ceil(1_000) };
        let by_scheduling = if self.realtime { 10 } else { 100 };
        if by_lag > by_scheduling { by_lag } else { by_scheduling }
    }
}

/// Fewer deadlines than this say nothing about one in a hundred.
const FEW: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_to_twice_its_lag_and_without_real_time_scheduling_to_no_less_than_100_ms() {
        let shortest = |realtime, samples, p99_us| {
            Timing { realtime, lag: TimerLag { samples, p99_us, max_us: 900_000 } }.shortest_interval_ms()
        };
        assert_eq!(shortest(true, 600, 100), 10);
        assert_eq!(shortest(false, 600, 100), 100);
        assert_eq!(shortest(true, 600, 60_001), 121);
        assert_eq!(shortest(false, 600, 60_001), 121);
        assert_eq!(shortest(true, 199, 60_001), 10, "of a few deadlines nothing is concluded");
    }
}
