//! Packets that were dropped before any group heard them: counted by interface and cause, and told at a measured pace.
//!
//! Pure. What floods the LAN must not flood the log.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::{DropCause, Instant, Vrid};

/// How long nothing more is said about the same cause on the same interface.
const SILENCE: Duration = Duration::from_secs(10);

/// The kernel does not say through which interface came what it had no room for.
const NOWHERE: (u32, DropCause) = (0, DropCause::Overflow);

/// How many packets were dropped.
#[derive(Debug, Default)]
pub(super) struct Drops {
    counts: BTreeMap<(u32, DropCause), u64>,
    told: BTreeMap<(u32, DropCause), (Instant, u64)>,
}

impl Drops {
    /// Counts one packet. What people should read about it, if it is time to say something.
    pub(super) fn count(
        &mut self,
        ifindex: u32,
        cause: DropCause,
        (source, vrid): (Option<IpAddr>, Option<Vrid>),
        now: Instant,
    ) -> Option<String> {
        let count = self.counts.entry((ifindex, cause)).or_default();
        *count += 1;
        let told = self.told.get(&(ifindex, cause)).copied();
        if told.is_some_and(|(at, _)| now < at + SILENCE) {
            return None;
        }
        let new = *count - told.map_or(0, |(_, told)| told);
        self.told.insert((ifindex, cause), (now, *count));
        let source = source.map_or_else(|| "somebody".to_owned(), |source| source.to_string());
        let about = vrid.map_or_else(String::new, |vrid| format!(" about VRID {vrid}"));
        Some(format!("dropped {new} VRRP packets for their {cause}, the last one from {source}{about}"))
    }

    /// Counts packets that came faster than they were taken, on whatever interface.
    pub(super) fn count_overflow(&mut self, lost: u64, now: Instant) -> Option<String> {
        if lost == 0 {
            return None;
        }
        let count = self.counts.entry(NOWHERE).or_default();
        *count += lost;
        let told = self.told.get(&NOWHERE).copied();
        if told.is_some_and(|(at, _)| now < at + SILENCE) {
            return None;
        }
        let new = *count - told.map_or(0, |(_, told)| told);
        self.told.insert(NOWHERE, (now, *count));
        Some(format!("{new} VRRP packets came faster than they could be taken and were lost"))
    }

    /// By interface and cause; interface 0 where none can be told.
    pub(super) fn counts(&self) -> impl Iterator<Item = (u32, DropCause, u64)> {
        self.counts.iter().map(|((ifindex, cause), count)| (*ifindex, *cause, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_and_then_summed_up() {
        let mut drops = Drops::default();
        let at = |seconds: u64| Instant::from_origin(Duration::from_secs(1_000 + seconds));
        let from = (Some(IpAddr::from([192, 0, 2, 9])), Vrid::new(51));
        let first = drops.count(3, DropCause::Ttl, from, at(0)).unwrap();
        assert_eq!(first, "dropped 1 VRRP packets for their ttl, the last one from 192.0.2.9 about VRID 51");
        assert!((0..1_000).all(|_| drops.count(3, DropCause::Ttl, from, at(9)).is_none()));
        assert!(
            drops.count(4, DropCause::Ttl, (None, None), at(9)).unwrap().contains("from somebody"),
            "elsewhere is news"
        );
        assert!(drops.count(3, DropCause::Ttl, from, at(10)).unwrap().starts_with("dropped 1001 "));
        assert_eq!(drops.counts().collect::<Vec<_>>(), [(3, DropCause::Ttl, 1_002), (4, DropCause::Ttl, 1)]);
    }

    #[test]
    fn packets_that_were_lost_are_counted_and_told_at_the_same_pace() {
        let mut drops = Drops::default();
        let at = |seconds: u64| Instant::from_origin(Duration::from_secs(1_000 + seconds));
        assert_eq!(drops.count_overflow(0, at(0)), None);
        assert_eq!(drops.counts().count(), 0);
        assert!(drops.count_overflow(7, at(0)).unwrap().starts_with("7 VRRP packets came faster"));
        assert_eq!(drops.count_overflow(2, at(9)), None);
        assert!(drops.count_overflow(1, at(10)).unwrap().starts_with("3 VRRP packets came faster"));
        assert_eq!(drops.counts().collect::<Vec<_>>(), [(0, DropCause::Overflow, 10)]);
    }
}
