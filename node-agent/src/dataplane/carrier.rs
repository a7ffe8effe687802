//! Carrier losses that are too short to mean anything.
//!
//! A switch that starts a port anew, or a cable that is touched, takes the carrier away for moments. Where
//! advertisements are rare enough that no Backup would notice, nobody needs to.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vrrp::Instant;

/// For how long a carrier may be gone (`carrier_delay`).
const DELAY: Duration = Duration::from_millis(200);
/// From which advertisement interval on it may. Below, Active_Down_Interval is too near.
const FROM_INTERVAL: Duration = Duration::from_secs(1);

/// How the carriers of interfaces have come and gone.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    with: BTreeSet<u32>,
    /// Since when it is gone.
    lost: BTreeMap<u32, Instant>,
}

impl Carriers {
    /// An interface that is up has a carrier or not; one that is down is as good as gone.
    pub(super) fn observe(&mut self, ifindex: u32, up: bool, carrier: bool, now: Instant) {
        let had = self.with.remove(&ifindex);
        match (up, carrier) {
            (true, true) => {
                self.with.insert(ifindex);
                self.lost.remove(&ifindex);
            }
            (true, false) if had => {
                self.lost.insert(ifindex, now);
            }
            (true, false) => {}
            (false, _) => {
                self.lost.remove(&ifindex);
            }
        }
        self.lost.retain(|_, since| now < *since + DELAY);
    }

    /// Whether a group with this interval goes on without the carrier that the interface has just lost.
    pub(super) fn is_bridged(&self, ifindex: u32, interval: Duration) -> bool {
        interval >= FROM_INTERVAL && self.lost.contains_key(&ifindex)
    }

    /// When a carrier has been gone for too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.lost.values().min().map(|since| *since + DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(10_000 + ms))
    }

    #[test]
    fn a_carrier_that_is_back_within_200_ms_was_never_gone_for_slow_groups_only() {
        let mut carriers = Carriers::default();
        carriers.observe(3, true, true, at(0));
        carriers.observe(3, true, false, at(10));
        assert!(carriers.is_bridged(3, SECOND));
        assert!(!carriers.is_bridged(3, Duration::from_millis(990)));
        assert!(!carriers.is_bridged(4, SECOND), "another interface");
        assert_eq!(carriers.next_deadline(), Some(at(210)));
        carriers.observe(3, true, false, at(209));
        assert!(carriers.is_bridged(3, SECOND), "the first loss counts");
        carriers.observe(3, true, true, at(209));
        assert_eq!((carriers.is_bridged(3, SECOND), carriers.next_deadline()), (false, None));
    }

    #[test]
    fn a_carrier_that_stays_away_or_was_never_there_and_an_interface_that_is_down_are_not_bridged() {
        let mut carriers = Carriers::default();
        carriers.observe(3, true, false, at(0));
        assert!(!carriers.is_bridged(3, SECOND), "never there");
        carriers.observe(3, true, true, at(0));
        carriers.observe(3, true, false, at(10));
        carriers.observe(3, true, false, at(210));
        assert_eq!((carriers.is_bridged(3, SECOND), carriers.next_deadline()), (false, None));
        carriers.observe(3, true, true, at(300));
        carriers.observe(3, true, false, at(310));
        carriers.observe(3, false, false, at(320));
        assert!(!carriers.is_bridged(3, SECOND));
    }
}
