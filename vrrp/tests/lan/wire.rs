//! What lies between the routers: a switch that delays, loses, reorders and is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// From one router to another, by their numbers.
pub(crate) type Link = (usize, usize);

/// The state of the wire. Frames overtake each other whenever the latency is a range.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    /// How long a frame takes, in microseconds.
    pub(crate) latency_us: RangeInclusive<u64>,
    /// How many frames in a hundred are lost.
    pub(crate) loss_percent: u32,
    /// How many frames in a row may be lost on one link.
    pub(crate) losses_in_a_row: u32,
    cuts: BTreeSet<Link>,
    lost_in_a_row: BTreeMap<Link, u32>,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            latency_us: 50..=500,
            loss_percent: 0,
            losses_in_a_row: u32::MAX,
            cuts: BTreeSet::new(),
            lost_in_a_row: BTreeMap::new(),
        }
    }

    pub(crate) fn longest_latency(&self) -> Duration {
        Duration::from_micros(*self.latency_us.end())
    }

    /// Cuts one direction.
    pub(crate) fn cut(&mut self, link: Link) {
        self.cuts.insert(link);
    }

    /// Loses nothing and cuts nothing from now on.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
        self.loss_percent = 0;
    }

    /// How long this frame takes; `None` when it never arrives.
    pub(crate) fn carry(&mut self, link: Link, rng: &mut StdRng) -> Option<Duration> {
        let latency = Duration::from_micros(rng.random_range(self.latency_us.clone()));
        let unlucky = rng.random_range(0..100) < self.loss_percent;
        if self.cuts.contains(&link) {
            return None;
        }
        let lost = self.lost_in_a_row.entry(link).or_default();
        if unlucky && *lost < self.losses_in_a_row {
            *lost += 1;
            return None;
        }
        *lost = 0;
        Some(latency)
    }
}
