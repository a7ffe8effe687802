//! The tokens of fast starts that a server has told, each of which counts once.
//!
//! Only this boot's do, and only one for a later generation of its group than every one that was ever seen.
//! They are kept in memory alone, so no start ever begins with one.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::fast_start::FastStart;
use uuid::Uuid;

use crate::messages::Command;

/// How many groups are remembered; a node runs fewer.
const MOST: usize = 4_096;

/// What was told before.
#[derive(Debug)]
pub(crate) struct FastStarts {
    boot_id: Uuid,
    /// The latest generation of each group, and when it came.
    seen: BTreeMap<Uuid, (i64, u64)>,
}

impl FastStarts {
    /// Nothing yet.
    pub(crate) const fn new(boot_id: Uuid) -> Self {
        Self { boot_id, seen: BTreeMap::new() }
    }

    /// A server told this, and it came at `came_boottime_ns`. What the dataplane is to be told, if anything.
    pub(crate) fn take(&mut self, told: FastStart, came_boottime_ns: u64) -> Option<Command> {
        let FastStart { group_id, generation, boot_id, .. } = told;
        let is_news = self.seen.get(&group_id).is_none_or(|(seen, _)| generation > *seen);
        if boot_id != self.boot_id || !is_news {
            return None;
        }
        self.seen.insert(group_id, (generation, came_boottime_ns));
        self.forget_oldest();
        let until_boottime_ns = came_boottime_ns.saturating_add(nanoseconds(told.validity()));
        Some(Command::FastStart { group_id, generation, until_boottime_ns })
    }

    /// The group is gone by now, or began long ago.
    fn forget_oldest(&mut self) {
        if self.seen.len() > MOST
            && let Some(oldest) = self.seen.iter().min_by_key(|(_, (_, came))| *came).map(|(group, _)| *group)
        {
            self.seen.remove(&oldest);
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOOT: Uuid = Uuid::from_u128(1);

    fn token(group: u128, generation: i64) -> FastStart {
        FastStart { group_id: Uuid::from_u128(group), generation, boot_id: BOOT, valid_ms: 800 }
    }

    fn passed_on(group: u128, generation: i64, until_boottime_ns: u64) -> Option<Command> {
        Some(Command::FastStart { group_id: Uuid::from_u128(group), generation, until_boottime_ns })
    }

    #[test]
    fn a_token_counts_once_and_from_when_it_came() {
        let mut starts = FastStarts::new(BOOT);
        assert_eq!(starts.take(token(1, 3), 5), passed_on(1, 3, 800_000_005));
        assert_eq!(starts.take(token(1, 3), 6), None, "again");
        assert_eq!(starts.take(token(1, 2), 6), None, "an older one");
        assert_eq!(starts.take(token(2, 1), 7), passed_on(2, 1, 800_000_007), "another group");
        let long = FastStart { valid_ms: 60_000, ..token(1, 4) };
        assert_eq!(starts.take(long, 8), passed_on(1, 4, 1_000_000_008), "a second at the most");
    }

    #[test]
    fn a_token_for_another_boot_does_not_count_and_spoils_nothing() {
        let mut starts = FastStarts::new(BOOT);
        assert_eq!(starts.take(FastStart { boot_id: Uuid::from_u128(2), ..token(1, 9) }, 5), None);
        assert_eq!(starts.take(token(1, 3), 5), passed_on(1, 3, 800_000_005));
    }

    #[test]
    fn of_more_groups_than_a_node_runs_the_oldest_are_forgotten() {
        let mut starts = FastStarts::new(BOOT);
        let groups = u64::try_from(MOST).unwrap() + 1;
        assert!((0..groups).all(|number| starts.take(token(number.into(), 1), number).is_some()));
        assert_eq!(starts.seen.len(), MOST);
        assert_eq!(starts.take(token(1, 1), groups), None, "the second one is remembered");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_whatever_order_no_generation_begins_twice_or_after_a_later_one(
            told in prop::collection::vec((0..3_u128, 0..6_i64, any::<bool>()), 0..60),
        ) {
            let mut starts = FastStarts::new(BOOT);
            let mut latest = BTreeMap::new();
            for (group, generation, ours) in told {
                let boot_id = if ours { BOOT } else { Uuid::nil() };
                let counts = starts.take(FastStart { boot_id, ..token(group, generation) }, 0).is_some();
                let before = latest.get(&group).copied();
                prop_assert_eq!(counts, ours && before.is_none_or(|before| generation > before));
                if counts {
                    latest.insert(group, generation);
                }
            }
        }
    }
}
