//! How the fences stand, from the parts of the dataplane that know.

use std::sync::Arc;

use api_types::fences::{FenceStatus, Fences};

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
            guard: guard(self.wanted.guard, &self.memory),
            nftables_lease: unless_off(self.wanted.nftables_lease, || self.nftables_lease.clone()),
            address_lease: unless_off(self.wanted.address_lease, || {
                let exceptions: Vec<_> =
                    [self.terms.exception(), owners(groups)].into_iter().flatten().collect();
                let status = match renewal_failure {
                    Some(failure) => FenceStatus::not_armed(format!("the kernel renews no lease: {failure}")),
                    None if exceptions.is_empty() => FenceStatus::armed(),
                    None => FenceStatus { detail: Some(exceptions.join("; ")), ..FenceStatus::armed() },
                };
                let (acted, lapsed) = (self.address_lease_acted, self.address_lease_lapsed);
                FenceStatus { acted, lapsed, ..status }
            }),
            self_check: unless_off(self.wanted.self_check, || FenceStatus {
                detail: owners(groups),
                acted: self.self_check_acted,
                ..FenceStatus::armed()
            }),
        }
    }
}

/// How a fence stands that the configuration may turn off; `status` is asked only if it does not.
fn unless_off(wanted: bool, status: impl FnOnce() -> FenceStatus) -> FenceStatus {
    if wanted { status() } else { FenceStatus::off() }
}

fn guard(wanted: bool, memory: &SharedMemory) -> FenceStatus {
    let status = unless_off(wanted, || match memory.guard() {
        Some(GuardState::Armed(detail)) => FenceStatus { detail, ..FenceStatus::armed() },
        Some(GuardState::Off) => FenceStatus::off(),
        Some(GuardState::NotArmed(why)) => FenceStatus::not_armed(why),
        None => FenceStatus::not_armed("no parent process watches"),
    });
    FenceStatus { acted: memory.times_fenced(), ..status }
}

/// The groups that no fence may take addresses from.
fn owners(groups: &[&Group]) -> Option<String> {
    let owned = groups.iter().map(|group| group.desired()).filter(|desired| desired.priority.is_owner());
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
    use api_types::fences::FenceState;
    use uuid::Uuid;
    use vrrp::Instant;

    use super::*;
    use crate::dataplane::test_data::desired;

    fn memory() -> Arc<SharedMemory> {
        Arc::new(SharedMemory::create(Uuid::nil()).unwrap())
    }

    #[test]
    fn the_guard_stands_as_the_parent_says() {
        let fencing = Fencing::new(FenceSettings::default(), memory());
        let guard = || fencing.status(&[], None).guard;
        assert_eq!(guard(), FenceStatus::not_armed("no parent process watches"));
        fencing.memory.set_guard(&GuardState::Armed(None));
        assert_eq!(guard(), FenceStatus::armed());
        fencing.memory.lose_guard();
        assert_eq!(guard(), FenceStatus::not_armed("the parent process is gone"));
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
        assert_eq!(status.detail.unwrap(), "not for web, whose addresses are this node's own");
        let off = told(&Fencing::new(FenceSettings::NONE, memory()), &[&group(240)]);
        assert!(off.each().iter().all(|(_, status)| **status == FenceStatus::off()));
    }

    #[test]
    fn a_long_list_is_told_by_its_beginning() {
        assert_eq!(shortened(&["a", "b"]), "a, b");
        assert_eq!(shortened(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
