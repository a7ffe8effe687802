//! What a member knows beyond its state, as the server is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api_types::agent_status::HeardRouter;
use api_types::channel::MemberDetails;
use api_types::counters::InterfaceCounters;
use api_types::peer::Peer;
use uuid::Uuid;
use vrrp::{Claim, DropCause, Family, Version};

use super::checks::{Standings, of_group};
use super::clock;
use crate::messages::{DroppedPackets, GroupSnapshot};

/// A router that was not heard for three of its intervals is taken for silent; snapshots are up to a second
/// old.
const SNAPSHOT_AGE: Duration = Duration::from_secs(2);
/// How long packets are said to be dropped after the last one was. More than three intervals of most groups.
const LATELY: Duration = Duration::from_secs(10);

/// When each group last dropped a packet for each cause, in nanoseconds of `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dropping(BTreeMap<Uuid, BTreeMap<DropCause, u64>>);

impl Dropping {
    /// Compares two snapshots. What is gone is forgotten.
    pub(crate) fn compare(&mut self, before: &[GroupSnapshot], after: &[GroupSnapshot], now: u64) {
        let runs: BTreeSet<_> = after.iter().map(|group| group.desired.id).collect();
        self.0.retain(|group, _| runs.contains(group));
        let before: BTreeMap<_, _> = before.iter().map(|group| (group.desired.id, group.counters)).collect();
        for group in after {
            let Some(known) = before.get(&group.desired.id) else { continue };
            for ((cause, count), (_, earlier)) in group.counters.dropped().into_iter().zip(known.dropped()) {
                if count > earlier {
                    self.0.entry(group.desired.id).or_default().insert(cause, now);
                }
            }
        }
    }

    fn lately(&self, group: Uuid, now: u64) -> Vec<String> {
        let causes = self.0.get(&group).into_iter().flatten();
        let lately = |at: u64| Duration::from_nanos(now.saturating_sub(at)) < LATELY;
        causes.filter(|(_, at)| lately(**at)).map(|(cause, _)| cause.as_str().to_owned()).collect()
    }
}

/// What `group` knows at `now`, in nanoseconds of `CLOCK_BOOTTIME`.
pub(crate) fn of(group: &GroupSnapshot, dropping: &Dropping, checks: &Standings, now: u64) -> MemberDetails {
    let has_forms = group.desired.version == Version::V3 && group.desired.family == Family::Ipv4;
    MemberDetails {
        fault: group.fault.clone(),
        boost: group.boost,
        boost_refused: group.boost_refused.clone(),
        checksum: has_forms.then_some(group.checksum),
        counters: group.counters,
        dropping: dropping.lately(group.desired.id, now),
        heard: group.heard.iter().filter_map(|router| peer(router, group, now)).collect(),
        checks: of_group(&group.desired, checks),
        hooks: Vec::new(),
        waits_for: group.waits_for.clone(),
    }
}

fn peer(router: &HeardRouter, group: &GroupSnapshot, now: u64) -> Option<Peer> {
    let interval = router.advertisement_interval_ms.unwrap_or(group.desired.advertisement_interval_ms);
    let silent_for = Duration::from_nanos(now.saturating_sub(router.at_boottime_ns));
    Some(Peer {
        source: router.source,
        // The server knows the members better.
        member: None,
        version: router.version?,
        priority: router.priority,
        advertisement_interval_ms: interval,
        checksum: router.checksum,
        address_count: router.address_count?,
        discrepancies: router.discrepancies.clone(),
        speaking: router.priority != Claim::Resigns && silent_for < interval.as_duration() * 3 + SNAPSHOT_AGE,
        last_heard_at: clock::wall_at(router.at_boottime_ns),
    })
}

/// What was dropped on each interface, by name.
pub(crate) fn of_interfaces(dropped: &[DroppedPackets]) -> Vec<InterfaceCounters> {
    let mut interfaces = BTreeMap::new();
    for DroppedPackets { interface, cause, count } in dropped {
        let unknown = || InterfaceCounters { interface: interface.clone(), ..InterfaceCounters::default() };
        interfaces.entry(interface).or_insert_with(unknown).add(*cause, *count);
    }
    interfaces.into_values().collect()
}

#[cfg(test)]
mod tests {
    use api_types::counters::GroupCounters;

    use super::*;
    use crate::control::test_data::{group, heard};

    const SECOND: u64 = 1_000_000_000;
    const NO_CHECKS: Standings = Standings::new();

    #[test]
    fn what_is_dropped_is_named_until_it_has_not_been_for_a_while() {
        let counting = |counters| GroupSnapshot { counters, ..group() };
        let before = counting(GroupCounters { version_errors: 3, checksum_errors: 5, ..Default::default() });
        let after = counting(GroupCounters { version_errors: 4, checksum_errors: 5, ..Default::default() });
        let mut dropping = Dropping::default();
        dropping.compare(&[], std::slice::from_ref(&before), SECOND);
        assert_eq!(of(&before, &dropping, &NO_CHECKS, SECOND).dropping, [""; 0], "that was before");
        dropping.compare(&[before], std::slice::from_ref(&after), 2 * SECOND);
        assert_eq!(of(&after, &dropping, &NO_CHECKS, 11 * SECOND).dropping, ["version"]);
        assert_eq!(of(&after, &dropping, &NO_CHECKS, 12 * SECOND).dropping, [""; 0]);
        dropping.compare(&[after], &[], 12 * SECOND);
        assert!(dropping.0.is_empty(), "a group that is gone leaves nothing");
    }

    #[test]
    fn a_router_speaks_for_as_long_as_it_is_heard_and_does_not_resign() {
        let speaking = |seconds: u64, router: HeardRouter| {
            let group = GroupSnapshot { heard: vec![router], ..group() };
            of(&group, &Dropping::default(), &NO_CHECKS, seconds * SECOND).heard[0].speaking
        };
        assert!(speaking(11, heard(10 * SECOND)));
        assert!(!speaking(13, heard(10 * SECOND)), "it advertised every 100 ms");
        assert!(!speaking(10, HeardRouter { priority: Claim::Resigns, ..heard(10 * SECOND) }));
    }

    #[test]
    fn only_a_group_with_two_forms_of_the_checksum_says_which_it_sends() {
        let dropping = Dropping::default();
        let mut old = group();
        assert!(of(&old, &dropping, &NO_CHECKS, SECOND).checksum.is_some());
        old.desired.version = Version::V2;
        assert_eq!(of(&old, &dropping, &NO_CHECKS, SECOND).checksum, None);
    }

    #[test]
    fn what_is_dropped_is_summed_up_by_interface() {
        let dropped =
            |interface: &str, cause, count| DroppedPackets { interface: interface.into(), cause, count };
        let counters = of_interfaces(&[
            dropped("eth0", DropCause::Ttl, 3),
            dropped("eth1", DropCause::Vrid, 1),
            dropped("eth0", DropCause::Vrid, 2),
        ]);
        let shown: Vec<_> =
            counters.iter().map(|one| (one.interface.as_str(), one.ip_ttl_errors, one.vrid_errors)).collect();
        assert_eq!(shown, [("eth0", 3, 2), ("eth1", 0, 1)]);
    }
}
