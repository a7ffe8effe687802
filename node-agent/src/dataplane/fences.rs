//! How the fences stand, from the parts of the dataplane that know.

use std::sync::Arc;

use api_types::channel::DesiredGroup;
use api_types::fences::{FenceState, FenceStatus, Fences};

use super::address_lease::Terms;
use super::group::Group;
use crate::config::FenceSettings;
use crate::shared_memory::SharedMemory;
use crate::shared_memory::guard_state::GuardState;

/// What the dataplane's own fences have done.
pub(super) struct Fencing {
    wanted: FenceSettings,
    /// Where the guard says how it stands.
    memory: Arc<SharedMemory>,
    terms: Terms,
    self_check_acted: u64,
    nftables_lease: FenceStatus,
    address_lease_acted: u64,
    address_lease_lapsed: u64,
}

impl Fencing {
    /// Nothing yet.
    pub(super) fn new(wanted: FenceSettings, memory: Arc<SharedMemory>) -> Self {
        Self {
            wanted,
            memory,
            terms: Terms::default(),
            self_check_acted: 0,
            nftables_lease: FenceStatus::default(),
            address_lease_acted: 0,
            address_lease_lapsed: 0,
        }
    }

    /// Which fences shall stand ready.
    pub(super) const fn wanted(&self) -> FenceSettings {
        self.wanted
    }

    /// Which groups get a lease from now on.
    pub(super) const fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Which groups get a lease.
    pub(super) const fn terms(&self) -> Terms {
        self.terms
    }

    /// This many groups found themselves too late, and let go.
    pub(super) fn note_self_check(&mut self, groups: usize) {
        self.self_check_acted += u64::try_from(groups).unwrap_or(u64::MAX);
    }

    /// The kernel had let the addresses of this many groups expire.
    pub(super) fn note_address_lease(&mut self, groups: usize) {
        self.address_lease_acted += u64::try_from(groups).unwrap_or(u64::MAX);
    }

    /// The kernel let an address expire of a group that went on.
    pub(super) const fn note_lapsed_lease(&mut self) {
        self.address_lease_lapsed += 1;
    }

    /// How the leases stand that advertisements renew.
    pub(super) fn note_nftables_lease(&mut self, status: FenceStatus) {
        self.nftables_lease = status;
    }

    /// How each fence stands for these groups.
    pub(super) fn status(&self, groups: &[&Group], renewal_failure: Option<String>) -> Fences {
        Fences {
            guard: guard(self.wanted.guard, &self.memory, groups),
            nftables_lease: unless_off(self.wanted.nftables_lease, || self.nftables_lease.clone()),
            address_lease: unless_off(self.wanted.address_lease, || {
                let exceptions = [self.terms.exception(), owners(groups)];
                let status = match renewal_failure {
                    Some(failure) => FenceStatus::broken(format!("the kernel renews no lease: {failure}")),
                    None => covering(groups, |group| self.terms.cover(group), exceptions),
                };
                let (acted, lapsed) = (self.address_lease_acted, self.address_lease_lapsed);
                FenceStatus { acted, lapsed, ..status }
            }),
            self_check: unless_off(self.wanted.self_check, || FenceStatus {
                acted: self.self_check_acted,
                ..covering(groups, is_no_owner, [owners(groups)])
            }),
        }
    }
}

/// How a fence stands that the configuration may turn off; `status` is asked only if it does not.
fn unless_off(wanted: bool, status: impl FnOnce() -> FenceStatus) -> FenceStatus {
    if wanted { status() } else { FenceStatus::off() }
}

/// How a fence stands that works: not armed where it covers none of the groups that there are. `details` say
/// which it does not cover.
fn covering<const N: usize>(
    groups: &[&Group],
    covers: impl Fn(&DesiredGroup) -> bool,
    details: [Option<String>; N],
) -> FenceStatus {
    let details: Vec<_> = details.into_iter().flatten().collect();
    let detail = (!details.is_empty()).then(|| details.join("; "));
    let is_idle = !groups.is_empty() && !groups.iter().any(|group| covers(group.desired()));
    let state = if is_idle { FenceState::NotArmed } else { FenceState::Armed };
    FenceStatus { state, detail, ..FenceStatus::default() }
}

fn guard(wanted: bool, memory: &SharedMemory, groups: &[&Group]) -> FenceStatus {
    let status = unless_off(wanted, || match memory.guard() {
        Some(GuardState::Armed(detail)) => covering(groups, is_no_owner, [detail, owners(groups)]),
        Some(GuardState::Off) => FenceStatus::off(),
        Some(GuardState::NotArmed(why)) => FenceStatus::broken(why),
        None => FenceStatus::broken("no parent process watches"),
    });
    FenceStatus { acted: memory.times_fenced(), ..status }
}

const fn is_no_owner(group: &DesiredGroup) -> bool {
    !group.priority.is_owner()
}

/// The groups that no fence may take addresses from.
fn owners(groups: &[&Group]) -> Option<String> {
    let owned = groups.iter().map(|group| group.desired()).filter(|desired| !is_no_owner(desired));
    let names: Vec<_> = owned.map(|desired| desired.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("not for {}, whose addresses are this node's own", shortened(&names)))
}

/// Names, the first few of them.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vrrp::{Family, Instant};

    use super::*;
    use crate::dataplane::test_data::desired;

    fn memory() -> Arc<SharedMemory> {
        Arc::new(SharedMemory::create(Uuid::nil()).unwrap())
    }

    #[test]
    fn the_guard_stands_as_the_parent_says() {
        let fencing = Fencing::new(FenceSettings::default(), memory());
        let guard = || fencing.status(&[], None).guard;
        assert_eq!(guard(), FenceStatus::broken("no parent process watches"));
        fencing.memory.set_guard(&GuardState::Armed(None));
        assert_eq!(guard(), FenceStatus::armed());
        fencing.memory.lose_guard();
        assert_eq!(guard(), FenceStatus::broken("the parent process is gone"));
    }

    #[test]
    fn a_fence_says_how_often_it_acted_and_whom_it_never_acts_on() {
        let group = |priority| Group::new(0, desired(priority), Instant::ORIGIN);
        let mut fencing = Fencing::new(FenceSettings::default(), memory());
        fencing.note_self_check(3);
        let told = |fencing: &Fencing, groups: &[&Group]| fencing.status(groups, None);
        let status = told(&fencing, &[&group(240)]).self_check;
        assert_eq!(status, FenceStatus { acted: 3, ..FenceStatus::armed() });
        let status = told(&fencing, &[&group(240), &group(255)]).self_check;
        assert_eq!(status.state, FenceState::Armed);
        assert_eq!(status.detail.unwrap(), OWN);
        let off = told(&Fencing::new(FenceSettings::NONE, memory()), &[&group(240)]);
        assert!(off.each().iter().all(|(_, status)| **status == FenceStatus::off()));
    }

    const OWN: &str = "not for web, whose addresses are this node's own";

    #[test]
    fn a_fence_that_covers_none_of_the_groups_is_not_armed() {
        let group = |priority| Group::new(0, desired(priority), Instant::ORIGIN);
        let fencing = Fencing::new(FenceSettings::default(), memory());
        fencing.memory.set_guard(&GuardState::Armed(Some("late".to_owned())));
        let (owner, other) = (group(255), group(240));
        let of_owner = fencing.status(&[&owner], None);
        assert_eq!(of_owner.guard, FenceStatus::not_armed(format!("late; {OWN}")));
        assert_eq!(of_owner.address_lease, FenceStatus::not_armed(OWN));
        assert_eq!(of_owner.self_check, FenceStatus::not_armed(OWN));
        for (groups, detail) in [(&[&owner, &other][..], Some(OWN)), (&[&other], None), (&[], None)] {
            let status = fencing.status(groups, None);
            for (fence, status) in
                [("address lease", status.address_lease), ("self-check", status.self_check)]
            {
                let armed = FenceStatus { detail: detail.map(str::to_owned), ..FenceStatus::armed() };
                assert_eq!(status, armed, "{fence} of {} groups", groups.len());
            }
            assert_eq!(status.guard.state, FenceState::Armed, "{} groups", groups.len());
        }
    }

    #[test]
    fn the_address_lease_of_more_ipv6_addresses_than_it_covers_is_not_armed() {
        let of = |groups: &[&DesiredGroup]| {
            let mut fencing = Fencing::new(FenceSettings::default(), memory());
            fencing.set_terms(Terms::of(true, groups.iter().copied()));
            let groups: Vec<_> =
                groups.iter().map(|one| Group::new(0, DesiredGroup::clone(one), Instant::ORIGIN)).collect();
            fencing.status(&groups.iter().collect::<Vec<_>>(), None).address_lease
        };
        let ipv6 = |addresses: usize| {
            let virtual_addresses =
                (1..=addresses).map(|number| format!("2001:db8::{number:x}/64").parse().unwrap()).collect();
            DesiredGroup { family: Family::Ipv6, virtual_addresses, ..desired(240) }
        };
        assert_eq!(of(&[&ipv6(100)]), FenceStatus::armed());
        let many = of(&[&ipv6(101)]);
        assert_eq!(many.state, FenceState::NotArmed);
        assert!(many.detail.unwrap().starts_with("not for IPv6: the groups have 101 addresses"));
        assert_eq!(of(&[&ipv6(101), &desired(240)]).state, FenceState::Armed);
        let with_owner = of(&[&ipv6(101), &desired(255)]);
        assert_eq!(with_owner.state, FenceState::NotArmed);
        assert!(with_owner.detail.unwrap().ends_with(&format!("; {OWN}")));
    }

    #[test]
    fn a_long_list_is_told_by_its_beginning() {
        assert_eq!(shortened(&["a", "b"]), "a, b");
        assert_eq!(shortened(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
