//! How late this host lets the dataplane act on its deadlines, over the last minute.
//!
//! Pure. [`lateness`](super::lateness) tells of single advertisements, whoever reads the log; this says what
//! a node can hold at all, whoever chooses an interval.

use std::time::Duration;

use api_types::timing::TimerLag;
use vrrp::Instant;

/// Over how many seconds.
const WINDOW: u64 = 60;
/// Four to each power of two microseconds; the last is for everything above an hour.
const BUCKETS: usize = 128;

/// What was measured within one second.
#[derive(Debug, Clone)]
struct Second {
    number: u64,
    counts: [u32; BUCKETS],
    max: Duration,
}

impl Second {
    const fn new(number: u64) -> Self {
        Self { number, counts: [0; BUCKETS], max: Duration::ZERO }
    }
}

/// The measurements of the last minute.
#[derive(Debug)]
pub(super) struct Lag(Vec<Second>);

impl Lag {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self((0..WINDOW).map(Second::new).collect())
    }

    /// What was due at `due` is acted on at `now`.
    pub(super) fn note(&mut self, due: Instant, now: Instant) {
        let (number, late) = (now.since_origin().as_secs(), now.saturating_duration_since(due));
        let place = usize::try_from(number % WINDOW).unwrap_or(0);
        let second = &mut self.0[place];
        if second.number != number {
            *second = Second::new(number);
        }
        second.counts[bucket_of(late)] += 1;
        second.max = second.max.max(late);
    }

    /// The last minute as it looks at `now`.
    pub(super) fn summary(&self, now: Instant) -> TimerLag {
        let oldest = (now.since_origin().as_secs() + 1).saturating_sub(WINDOW);
        let (mut counts, mut max) = ([0_u64; BUCKETS], Duration::ZERO);
        for second in self.0.iter().filter(|second| second.number >= oldest) {
            max = max.max(second.max);
            counts.iter_mut().zip(second.counts).for_each(|(sum, count)| *sum += u64::from(count));
        }
        let samples = counts.iter().sum::<u64>();
        let max_us = microseconds(max);
        TimerLag { samples, p99_us: percentile(&counts, samples).min(max_us), max_us }
    }
}

/// The upper end of the bucket that 99 of 100 are in or below.
fn percentile(counts: &[u64; BUCKETS], samples: u64) -> u64 {
    let wanted = samples - samples / 100;
    let mut seen = 0;
    for (bucket, count) in counts.iter().enumerate() {
        seen += count;
        if seen >= wanted {
            return end_of(bucket);
        }
    }
    u64::MAX
}

fn bucket_of(late: Duration) -> usize {
    let microseconds = microseconds(late).max(4);
    let octave = microseconds.ilog2();
    let quarter = microseconds >> (octave - 2) & 3;
    let bucket = u64::from(octave - 2) * 4 + quarter;
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The first number of microseconds that is in the next bucket.
fn end_of(bucket: usize) -> u64 {
    let next = bucket as u64 + 1;
    (4 + next % 4) << (next / 4)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(1_000) + Duration::from_millis(milliseconds))
    }

    #[test]
    fn the_worst_of_a_minute_is_told_and_what_99_of_100_keep_to() {
        let mut lag = Lag::new();
        for number in 0..1_000 {
            let late = if number < 5 { 70 } else { 1 };
            lag.note(at(number * 10), at(number * 10 + late));
        }
        let TimerLag { samples, p99_us, max_us } = lag.summary(at(10_000));
        assert_eq!((samples, max_us), (1_000, 70_000));
        assert!((1_000..=1_250).contains(&p99_us), "{p99_us}");
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let mut lag = Lag::new();
        lag.note(at(0), at(500));
        lag.note(at(1_000), at(1_002));
        assert_eq!(lag.summary(at(59_999)).max_us, 500_000);
        assert_eq!(lag.summary(at(60_000)).max_us, 2_000);
        assert_eq!(lag.summary(at(61_000)), TimerLag::default());
        lag.note(at(60_400), at(60_403));
        assert_eq!(lag.summary(at(60_999)), TimerLag { samples: 2, p99_us: 3_000, max_us: 3_000 });
    }

    #[test]
    fn a_bucket_ends_where_the_next_begins_and_is_a_quarter_wide_at_most() {
        for microseconds in [4, 5, 7, 8, 9, 100, 1_000, 1_279, 1_280, 65_536, 1_000_000, 3_000_000_000] {
            let end = end_of(bucket_of(Duration::from_micros(microseconds)));
            assert!(
                end > microseconds && end <= microseconds + microseconds / 4 + 1,
                "{microseconds}: {end}"
            );
        }
        assert_eq!(bucket_of(Duration::ZERO), 0);
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }
}
