//! The kernel's lease on addresses (`valid_lft`): it removes them by itself once the loop that advertises has stopped
//! renewing them. The last of the fences, and a coarse one: it counts whole seconds, and removes up to one late.
//!
//! An address is added with its lease, which is renewed after an advertisement, at most every half second. It outlives
//! three intervals, so that a worker that adopts what another left always finds it.
//!
//! IPv6 has a price: the kernel looks at every address for each that is renewed. So there is a limit ([`MAX_IPV6`]).
//!
//! Pure, but for [`renewals`], which writes.

pub(super) mod batch;
pub(super) mod renewals;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api_types::channel::DesiredGroup;
use vrrp::{AdvertisementInterval, Family};

use super::binder::GroupHandle;

/// The shortest lease with room for a renewal that is late, in seconds.
const SHORTEST: u64 = 2;
/// How often a lease is renewed, if the group advertises as often. A little less than the half second that is meant, or
/// every second renewal of a group that advertises as often would come an interval late.
const RENEW_EVERY: Duration = Duration::from_millis(450);
/// How many IPv6 addresses the groups of a node may have for the kernel to lease them.
pub(super) const MAX_IPV6: usize = 100;
/// How much earlier than it says the kernel may remove an address, and then some.
const EARLY: Duration = Duration::from_millis(300);
/// How much later it may.
const LATE: Duration = Duration::from_millis(1_100);
/// How often it is worth a look whether a lease has run out although nobody noticed a pause.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long the kernel keeps an address by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is told to remove it.
    #[default]
    Forever,
    /// So many seconds.
    Seconds(u32),
}

impl Lifetime {
    /// The lease of a group that advertises at this interval.
    pub(super) fn at_interval(interval: AdvertisementInterval) -> Self {
        let three = (interval.as_duration() * 3).as_millis().div_ceil(1_000);
        let seconds = (u64::try_from(three).unwrap_or(u64::MAX).saturating_add(1)).max(SHORTEST);
        Self::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX - 1))
    }

    /// As the kernel wants it (`rtnetlink(7)`, `INFINITY_LIFE_TIME`).
    pub(super) const fn seconds(self) -> u32 {
        match self {
            Self::Forever => u32::MAX,
            Self::Seconds(seconds) => seconds,
        }
    }

    const fn duration(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::Seconds(seconds) => Some(Duration::from_secs(seconds as u64)),
        }
    }
}

/// Whether a lease has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunOut {
    /// The kernel may have removed the addresses.
    Perhaps,
    /// It has.
    Surely,
}

/// What the kernel was told about the addresses of each group. Its time is `CLOCK_MONOTONIC`, by which the kernel counts:
/// while a host is suspended no lease runs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: BTreeMap<GroupHandle, (Lifetime, Instant)>,
    looked_at: Option<Instant>,
}

impl Ledger {
    /// The group wants its addresses, which are added with this lifetime if they are not there yet.
    pub(super) fn begin(&mut self, group: GroupHandle, lifetime: Lifetime, now: Instant) {
        self.told.entry(group).or_insert((lifetime, now));
    }

    /// Whether the kernel is to be told now, and if so takes it for told. What was `claimed` from an earlier life of the
    /// agent may have any lifetime.
    pub(super) fn is_due(
        &mut self,
        group: GroupHandle,
        wanted: Lifetime,
        claimed: bool,
        now: Instant,
    ) -> bool {
        let due = match self.told.get(&group) {
            None => true,
            Some((told, at)) => {
                *told != wanted || wanted != Lifetime::Forever && now.duration_since(*at) >= RENEW_EVERY
            }
        };
        if due || claimed {
            self.told.insert(group, (wanted, now));
        }
        due || claimed
    }

    /// The group holds nothing any longer.
    pub(super) fn forget(&mut self, group: GroupHandle) {
        self.told.remove(&group);
    }

    /// The groups whose leases were not renewed in time.
    pub(super) fn run_out(&mut self, now: Instant) -> Vec<(GroupHandle, RunOut)> {
        if self.looked_at.is_some_and(|at| now.duration_since(at) < LOOK_EVERY) {
            return Vec::new();
        }
        self.looked_at = Some(now);
        let judged = |(group, (lifetime, at)): (&GroupHandle, &(Lifetime, Instant))| {
            let (age, lifetime) = (now.duration_since(*at), lifetime.duration()?);
            let out = if age > lifetime + LATE { RunOut::Surely } else { RunOut::Perhaps };
            (age + EARLY > lifetime).then_some((*group, out))
        };
        self.told.iter().filter_map(judged).collect()
    }
}

/// Which groups of a node get a lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Terms {
    wanted: bool,
    /// How many IPv6 addresses the groups have that could get one.
    ipv6: usize,
}

impl Terms {
    /// Those of these groups, if leases are `wanted` at all.
    pub(super) fn of<'a>(wanted: bool, groups: impl Iterator<Item = &'a DesiredGroup>) -> Self {
        let ipv6 = groups.filter(|group| group.family == Family::Ipv6 && !group.priority.is_owner());
        Self { wanted, ipv6: ipv6.map(|group| group.virtual_addresses.len()).sum() }
    }

    /// How long the kernel keeps the addresses of a group.
    pub(super) fn lifetime(self, group: &DesiredGroup) -> Lifetime {
        if !self.wanted || !self.cover(group) {
            return Lifetime::Forever;
        }
        Lifetime::at_interval(group.advertisement_interval_ms)
    }

    /// Whether a group gets one if leases are wanted.
    pub(super) fn cover(self, group: &DesiredGroup) -> bool {
        let too_many = group.family == Family::Ipv6 && self.ipv6 > MAX_IPV6;
        !too_many && !group.priority.is_owner()
    }

    /// What gets none although leases are wanted.
    pub(super) fn exception(self) -> Option<String> {
        (self.ipv6 > MAX_IPV6).then(|| {
            format!(
                "not for IPv6: the groups have {} addresses, and the kernel can do it for {MAX_IPV6}",
                self.ipv6
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use vrrp::Version;

    use super::*;
    use crate::dataplane::test_data::desired;

    fn lease_at(milliseconds: u32, version: Version) -> u32 {
        Lifetime::at_interval(AdvertisementInterval::from_millis(version, milliseconds).unwrap()).seconds()
    }

    #[test]
    fn a_lease_outlives_three_intervals_by_a_second_and_is_never_shorter_than_two() {
        for (milliseconds, seconds) in [(10, 2), (100, 2), (330, 2), (340, 3), (1_000, 4), (40_950, 124)] {
            assert_eq!(lease_at(milliseconds, Version::V3), seconds, "{milliseconds} ms");
        }
        assert_eq!(lease_at(255_000, Version::V2), 766);
    }

    #[test]
    fn a_lease_is_renewed_every_half_second_and_at_once_when_its_length_changes() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut due =
            |wanted, milliseconds| ledger.is_due(1, Lifetime::Seconds(wanted), false, at(milliseconds));
        assert!(due(2, 0));
        assert_eq!(
            [100, 200, 300, 400, 500, 600].map(|ms| due(2, ms)),
            [false, false, false, false, true, false]
        );
        assert!(due(4, 700) && !due(4, 800));
    }

    #[test]
    fn addresses_without_a_lease_are_left_alone_unless_an_earlier_life_may_have_given_them_one() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let late = now + Duration::from_secs(9);
        ledger.begin(1, Lifetime::Forever, now);
        assert!(!ledger.is_due(1, Lifetime::Forever, false, late));
        assert!(ledger.is_due(1, Lifetime::Forever, true, late));
        assert!(!ledger.is_due(1, Lifetime::Forever, false, late), "once is enough");
        ledger.begin(2, Lifetime::Seconds(2), now);
        assert!(!ledger.is_due(2, Lifetime::Seconds(2), false, now), "it was added with one");
        assert!(ledger.is_due(2, Lifetime::Forever, false, now), "it has one that it shall not have");
        ledger.begin(2, Lifetime::Seconds(2), now);
        assert!(
            ledger.is_due(2, Lifetime::Seconds(2), false, now),
            "it has none, and wishing anew adds nothing"
        );
    }

    #[test]
    fn a_lease_that_nobody_renewed_has_run_out_for_certain_a_second_after_its_end() {
        let start = Instant::now();
        let run_out = |milliseconds, forgotten| {
            let mut ledger = Ledger::default();
            ledger.is_due(1, Lifetime::Seconds(2), false, start);
            ledger.is_due(2, Lifetime::Forever, true, start);
            if forgotten {
                ledger.forget(1);
            }
            ledger.run_out(start + Duration::from_millis(milliseconds))
        };
        assert_eq!(run_out(1_600, false), []);
        assert_eq!(run_out(1_800, false), [(1, RunOut::Perhaps)]);
        assert_eq!(run_out(3_200, false), [(1, RunOut::Surely)]);
        assert_eq!(run_out(3_200, true), []);
    }

    #[test]
    fn ipv6_has_leases_for_a_hundred_addresses_and_an_owner_has_none() {
        let ipv6 = |addresses: usize| {
            let virtual_addresses =
                (1..=addresses).map(|number| format!("2001:db8::{number:x}/64").parse().unwrap()).collect();
            DesiredGroup { family: Family::Ipv6, virtual_addresses, ..desired(240) }
        };
        let few = [desired(240), ipv6(100)];
        let terms = Terms::of(true, few.iter());
        assert_eq!((terms.lifetime(&few[1]), terms.exception()), (Lifetime::Seconds(2), None));
        let many = [desired(240), ipv6(101), desired(255)];
        let terms = Terms::of(true, many.iter());
        let lifetimes: Vec<_> = many.iter().map(|group| terms.lifetime(group)).collect();
        assert_eq!(lifetimes, [Lifetime::Seconds(2), Lifetime::Forever, Lifetime::Forever]);
        assert!(terms.exception().unwrap().starts_with("not for IPv6: the groups have 101"));
        assert_eq!(Terms::of(false, few.iter()).lifetime(&few[0]), Lifetime::Forever);
    }
}
