//! What lies between the routers: a switch that delays, loses, duplicates, reorders and is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// From one router to another, by their numbers.
pub type Link = (usize, usize);

/// How long frames take on a good LAN, in microseconds.
const GOOD_LATENCY_US: RangeInclusive<u64> = 50..=500;

/// The state of the wire. Frames overtake each other whenever the latency is a range.
#[derive(Debug, Clone)]
pub struct Wire {
    /// How long a frame takes, in microseconds.
    pub latency_us: RangeInclusive<u64>,
    /// How many frames in a hundred are lost.
    pub loss_percent: u32,
    /// How many frames in a row may be lost on one link.
    pub losses_in_a_row: u32,
    /// How many frames in a hundred arrive twice.
    pub duplicate_percent: u32,
    cuts: BTreeSet<Link>,
    lost_in_a_row: BTreeMap<Link, u32>,
}

impl Wire {
    pub(crate) const fn new() -> Self {
        Self {
            latency_us: GOOD_LATENCY_US,
            loss_percent: 0,
            losses_in_a_row: u32::MAX,
            duplicate_percent: 0,
            cuts: BTreeSet::new(),
            lost_in_a_row: BTreeMap::new(),
        }
    }

    /// The longest time that a frame takes.
    #[must_use]
    pub const fn longest_latency(&self) -> Duration {
        Duration::from_micros(*self.latency_us.end())
    }

    /// Cuts one direction.
    pub fn cut(&mut self, link: Link) {
        self.cuts.insert(link);
    }

    /// Loses, delays and duplicates nothing and cuts nothing from now on.
    pub fn heal(&mut self) {
        self.cuts.clear();
        (self.loss_percent, self.duplicate_percent) = (0, 0);
        self.latency_us = GOOD_LATENCY_US;
    }

    /// Whether it carries each frame as it carries the next: what is cut stays cut, nothing is lost by chance or late.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.loss_percent == 0 && self.latency_us.end() <= GOOD_LATENCY_US.end()
    }

    /// Whether it carries every frame at its ordinary speed. That some arrive twice does no harm.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.cuts.is_empty() && self.is_steady()
    }

    /// How long this frame takes, once for each time that it arrives.
    pub(crate) fn carry(&mut self, link: Link, rng: &mut StdRng) -> impl Iterator<Item = Duration> + use<> {
        self.carry_twice(link, rng).into_iter().flatten()
    }

    fn carry_twice(&mut self, link: Link, rng: &mut StdRng) -> [Option<Duration>; 2] {
        let latency = |rng: &mut StdRng| Duration::from_micros(rng.random_range(self.latency_us.clone()));
        if self.cuts.contains(&link) {
            return [None, None];
        }
        if self.loss_percent > 0 {
            let lost = self.lost_in_a_row.entry(link).or_default();
            if rng.random_range(0..100) < self.loss_percent && *lost < self.losses_in_a_row {
                *lost += 1;
                return [None, None];
            }
            *lost = 0;
        }
        let twice = self.duplicate_percent > 0 && rng.random_range(0..100) < self.duplicate_percent;
        [Some(latency(rng)), twice.then(|| latency(rng))]
    }
}
