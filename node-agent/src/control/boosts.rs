//! The boosts that a server has told, without those that must not count.
//!
//! Only this boot's do, and only one that is newer than every one of its group that was ever seen: one that was
//! withdrawn never comes back, whatever order messages of one server after the other come in. They are kept in memory
//! alone, so no start ever begins with one.

use std::collections::BTreeMap;

use api_types::boost::Boost;
use uuid::Uuid;

/// What counts now.
#[derive(Debug)]
pub(crate) struct Boosts {
    boot_id: Uuid,
    /// The highest sequence of each group.
    seen: BTreeMap<Uuid, u64>,
    current: BTreeMap<Uuid, Boost>,
}

impl Boosts {
    /// None yet.
    pub(crate) const fn new(boot_id: Uuid) -> Self {
        Self { boot_id, seen: BTreeMap::new(), current: BTreeMap::new() }
    }

    /// A server tells all boosts of the node. Whether that changes what counts.
    pub(crate) fn take(&mut self, told: Vec<Boost>) -> bool {
        let before = std::mem::take(&mut self.current);
        for boost in told.into_iter().filter(|boost| boost.boot_id == self.boot_id) {
            let goes_on = before.get(&boost.group_id) == Some(&boost);
            let is_newer = self.seen.get(&boost.group_id).is_none_or(|seen| boost.sequence > *seen);
            if is_newer || goes_on && !self.current.contains_key(&boost.group_id) {
                self.seen.insert(boost.group_id, boost.sequence);
                self.current.insert(boost.group_id, boost);
            }
        }
        self.current != before
    }

    /// Those that count.
    pub(crate) fn current(&self) -> Vec<Boost> {
        self.current.values().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vrrp::BoostedPriority;

    use super::*;

    const BOOT: Uuid = Uuid::from_u128(1);

    fn boost(group: u128, sequence: u64) -> Boost {
        Boost {
            group_id: Uuid::from_u128(group),
            switchover_id: Uuid::from_u128(u128::from(sequence) + 100),
            sequence,
            boot_id: BOOT,
            priority: BoostedPriority::new(254).unwrap(),
        }
    }

    #[test]
    fn a_boost_counts_until_it_is_withdrawn_and_never_again() {
        let mut boosts = Boosts::new(BOOT);
        assert!(boosts.take(vec![boost(1, 5), boost(2, 1)]));
        assert!(!boosts.take(vec![boost(2, 1), boost(1, 5)]), "said again");
        assert_eq!(boosts.current(), [boost(1, 5), boost(2, 1)]);
        assert!(boosts.take(vec![boost(2, 1)]));
        assert!(!boosts.take(vec![boost(1, 5), boost(2, 1)]), "withdrawn");
        assert!(!boosts.take(vec![boost(1, 4), boost(2, 1)]), "older still");
        assert!(boosts.take(vec![boost(1, 6)]));
        assert_eq!(boosts.current(), [boost(1, 6)]);
        assert!(boosts.take(vec![boost(1, 5)]), "an older one ends the newer and does not count itself");
        assert_eq!(boosts.current(), []);
    }

    #[test]
    fn what_was_made_for_another_boot_does_not_count_and_spoils_nothing() {
        let mut boosts = Boosts::new(BOOT);
        assert!(!boosts.take(vec![Boost { boot_id: Uuid::from_u128(2), ..boost(1, 9) }]));
        assert!(boosts.take(vec![boost(1, 1)]));
    }

    proptest! {
        #[test]
        fn messages_in_any_order_again_and_again_never_bring_a_withdrawn_boost_back(
            messages in prop::collection::vec(prop::collection::vec((0..3_u128, 0..6_u64), 0..4), 0..40),
        ) {
            let mut boosts = Boosts::new(BOOT);
            let mut ended: Vec<(Uuid, u64)> = Vec::new();
            for told in messages {
                let before = boosts.current();
                let told: Vec<_> = told.into_iter().map(|(group, sequence)| boost(group, sequence)).collect();
                boosts.take(told.clone());
                let after = boosts.current();
                for gone in before.iter().filter(|boost| !after.contains(boost)) {
                    ended.push((gone.group_id, gone.sequence));
                }
                for boost in &after {
                    prop_assert!(told.contains(boost), "nothing counts that is not said");
                    prop_assert!(!ended.contains(&(boost.group_id, boost.sequence)), "{:?}", boost);
                }
            }
        }
    }
}
