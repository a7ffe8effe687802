//! What became of the addresses that an agent held when all of its processes died at once.
//!
//! It could tell nobody, and its Backups know only that it fell silent. The journal knows what it held, and
//! the kernel what is left of that when the next agent starts: the fence that acted is told from both, and
//! the transition is recorded then, at the time when it was found out. Where neither acted nothing is said:
//! who started again before a lease was over held until it let go of what was left, and that is no fence's
//! work.

use api_types::channel::DesiredGroup;
use api_types::transition::{State, TransitionReason, TransitionRecord};

use super::journal::Unfinished;
use crate::messages::{Found, FoundRouter, ObservedTransition};

/// What an agent goes by that starts after another has died.
#[derive(Debug)]
pub(crate) struct Aftermath {
    /// What the other one ran.
    pub(crate) groups: Vec<DesiredGroup>,
    /// What it has left.
    pub(crate) found: Found,
}

/// What the kernel's fences did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// The transitions that they were.
    pub(crate) transitions: Vec<ObservedTransition>,
    /// For how many groups nothing was let out or in any longer.
    pub(crate) silenced: u64,
    /// The addresses of how many groups were removed.
    pub(crate) removed: u64,
}

impl Aftermath {
    /// What happened to those who held.
    pub(crate) fn of(&self, unfinished: &Unfinished) -> Deeds {
        let mut deeds = Deeds::default();
        for held in &unfinished.held {
            let (removed, silenced) =
                (unfinished.address_lease && self.is_removed(held), self.is_silenced(held));
            deeds.removed += u64::from(removed);
            deeds.silenced += u64::from(silenced);
            let reason = match (removed, silenced) {
                (true, _) => TransitionReason::AddressLease,
                (false, true) => TransitionReason::NftablesLease,
                (false, false) => continue,
            };
            deeds.transitions.push(self.end(held, reason));
        }
        deeds
    }

    /// Whether none of its addresses is left although its interface is there.
    fn is_removed(&self, held: &TransitionRecord) -> bool {
        let is_it = |group: &&DesiredGroup| group.id == held.group_id && group.interface == held.interface;
        let Some(group) = self.groups.iter().find(is_it) else { return false };
        let is_bound = |address| self.found.bound.contains(&(group.interface.clone(), address));
        let is_left = group.virtual_addresses.iter().any(|address| is_bound(address.address()));
        // An owner's addresses are its interface's own.
        !is_left && !held.priority.is_owner() && self.found.interfaces.contains(&group.interface)
    }

    fn is_silenced(&self, held: &TransitionRecord) -> bool {
        let TransitionRecord { interface, family, vrid, .. } = held;
        let router = FoundRouter { interface: interface.clone(), family: *family, vrid: *vrid };
        self.found.silenced.contains(&router)
    }

    fn end(&self, held: &TransitionRecord, reason: TransitionReason) -> ObservedTransition {
        ObservedTransition {
            group_id: held.group_id,
            group: held.group.clone(),
            family: held.family,
            vrid: held.vrid,
            interface: held.interface.clone(),
            from: State::Active,
            to: State::Initialize,
            reason,
            priority: held.priority,
            at_boottime_ns: self.found.at_boottime_ns,
            last_advertisement: None,
            bound_at_boottime_ns: None,
            announced_at_boottime_ns: None,
            // Nobody saw when.
            released_at_boottime_ns: None,
            failing_checks: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vrrp::{Family, Priority};

    use super::*;
    use crate::control::journal::test_data;
    use crate::control::test_data::group;

    const INTERFACE: &str = "eth0";

    /// The group `web` on `eth0` was Active.
    fn unfinished(address_lease: bool) -> Unfinished {
        let record = test_data::transition(Uuid::nil(), 7);
        let vrid = group().desired.vrid;
        let held = vec![TransitionRecord { vrid, priority: Priority::new(240).unwrap(), ..record }];
        Unfinished { held, address_lease }
    }

    fn silenced() -> FoundRouter {
        let vrid = group().desired.vrid;
        FoundRouter { interface: INTERFACE.to_owned(), family: Family::Ipv4, vrid }
    }

    /// The addresses are bound, and the kernel answers for them.
    fn untouched() -> Found {
        let addresses = group().desired.virtual_addresses;
        Found {
            at_boottime_ns: 9,
            interfaces: [INTERFACE.to_owned(), "eth1".to_owned()].into(),
            bound: addresses.iter().map(|address| (INTERFACE.to_owned(), address.address())).collect(),
            silenced: Default::default(),
        }
    }

    fn deeds(found: Found, unfinished: &Unfinished) -> Deeds {
        Aftermath { groups: vec![group().desired], found }.of(unfinished)
    }

    fn reasons(deeds: &Deeds) -> (Vec<TransitionReason>, u64, u64) {
        let reasons = deeds.transitions.iter().map(|transition| transition.reason).collect();
        (reasons, deeds.silenced, deeds.removed)
    }

    #[test]
    fn the_fence_that_acted_is_told_by_what_is_left() {
        let bound_and_silent = Found { silenced: [silenced()].into(), ..untouched() };
        let gone = Found { bound: Default::default(), ..untouched() };
        let gone_and_silent = Found { silenced: [silenced()].into(), ..gone.clone() };
        for (found, wanted) in [
            (untouched(), (vec![], 0, 0)),
            (bound_and_silent, (vec![TransitionReason::NftablesLease], 1, 0)),
            (gone, (vec![TransitionReason::AddressLease], 0, 1)),
            (gone_and_silent, (vec![TransitionReason::AddressLease], 1, 1)),
        ] {
            let deeds = deeds(found, &unfinished(true));
            assert_eq!(reasons(&deeds), wanted);
            for end in deeds.transitions {
                assert_eq!((end.from, end.to, end.at_boottime_ns), (State::Active, State::Initialize, 9));
                assert_eq!((end.group.as_str(), end.released_at_boottime_ns), ("web", None));
            }
        }
    }

    #[test]
    fn addresses_that_went_otherwise_are_no_work_of_the_lease() {
        let gone = Found { bound: Default::default(), ..untouched() };
        assert_eq!(deeds(gone.clone(), &unfinished(false)), Deeds::default(), "it was off");
        let without = Found { interfaces: ["eth1".to_owned()].into(), ..gone.clone() };
        assert_eq!(deeds(without, &unfinished(true)), Deeds::default(), "the interface went");
        let mut owner = unfinished(true);
        owner.held[0].priority = Priority::OWNER;
        assert_eq!(deeds(gone.clone(), &owner), Deeds::default(), "they are the owner's own");
        let unknown = Aftermath { groups: Vec::new(), found: gone };
        assert_eq!(unknown.of(&unfinished(true)), Deeds::default(), "nobody knows what they were");
    }

    #[test]
    fn what_was_silenced_of_another_virtual_router_says_nothing() {
        let others = [
            FoundRouter { interface: "eth1".to_owned(), ..silenced() },
            FoundRouter { family: Family::Ipv6, ..silenced() },
        ];
        let found = Found { silenced: others.into(), ..untouched() };
        assert_eq!(deeds(found, &unfinished(true)), Deeds::default());
    }
}
