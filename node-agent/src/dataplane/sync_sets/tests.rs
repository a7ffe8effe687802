//! Two groups of one sync group, with what the kernel and the LAN say put into their mouths.

use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::transition::{State, TransitionReason};
use uuid::Uuid;
use vrrp::{Advertisement, AdvertisementInterval, Authentication, Claim, Family, Priority, Version, Vrid};

use super::*;
use crate::dataplane::fault::Fault;
use crate::dataplane::group::{Departure, Footing};
use crate::dataplane::test_data::{desired, left};

/// Groups 0 and 1, `web` and `db`, each on an interface of its own.
struct Node {
    sets: SyncSets,
    groups: Groups,
    effects: Effects,
}

fn at(milliseconds: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(60_000 + milliseconds))
}

fn footing(handle: GroupHandle) -> Footing {
    let ifindex = u32::try_from(handle).unwrap() + 3;
    let mac = [2, 0, 0, 0, 0, 1];
    let source = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    Footing { ifindex, mac, own_mac: mac, holder: Some(ifindex), source, mtu: 1_500 }
}

fn told(handle: GroupHandle) -> DesiredGroup {
    let name = if handle == 0 { "web" } else { "db" };
    DesiredGroup {
        id: Uuid::from_u128(u128::try_from(handle).unwrap()),
        name: name.parse().unwrap(),
        sync_group: Some("edge".parse().unwrap()),
        ..desired(200)
    }
}

fn says(priority: u8) -> Advertisement {
    Advertisement {
        version: Version::V3,
        family: Family::Ipv4,
        vrid: Vrid::new(51).unwrap(),
        claim: Claim::Holds(Priority::new(priority).unwrap()),
        interval: AdvertisementInterval::DEFAULT_V3,
        addresses: vec!["192.0.2.10".parse().unwrap()],
        source: "192.0.2.9".parse().unwrap(),
        authentication: Authentication::None,
        checksum: None,
    }
}

impl Node {
    /// Both are Backup from 0 ms on.
    fn backup() -> Self {
        let mut node = Self { sets: SyncSets::default(), groups: Groups::new(), effects: Effects::default() };
        for handle in 0..2 {
            let mut group = Group::new(handle, told(handle), at(0));
            group.set_footing(Ok(footing(handle)), at(0), &mut node.effects);
            node.groups.insert(handle, group);
        }
        node.settle(at(0));
        assert_eq!(node.states(), [State::Backup; 2]);
        node
    }

    /// Both are Active, and have told what led there.
    fn active() -> Self {
        let mut node = Self::backup();
        node.each(|group, effects| group.handle_timeout(at(330), effects));
        node.settle(at(330));
        node.each(|group, effects| group.handle_held(at(331), effects));
        node.settle(at(331));
        node.each(|group, _| group.handle_announced(Some(at(332))));
        assert_eq!(node.states(), [State::Active; 2]);
        node.reasons(0);
        node.reasons(1);
        node.effects = Effects::default();
        node
    }

    fn each(&mut self, mut does: impl FnMut(&mut Group, &mut Effects)) {
        self.groups.values_mut().for_each(|group| does(group, &mut self.effects));
    }

    fn one<T>(&mut self, handle: GroupHandle, does: impl FnOnce(&mut Group, &mut Effects) -> T) -> T {
        does(self.groups.get_mut(&handle).unwrap(), &mut self.effects)
    }

    fn settle(&mut self, now: Instant) -> Vec<GroupHandle> {
        self.groups.iter().for_each(|(handle, group)| self.sets.stir(*handle, group));
        self.sets.settle(&mut self.groups, now, &mut self.effects)
    }

    fn hear(&mut self, handle: GroupHandle, priority: u8, now: Instant) {
        self.one(handle, |group, effects| group.handle_advertisement(&says(priority), None, now, effects))
            .unwrap();
        self.settle(now);
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|handle| self.groups[&handle].state())
    }

    fn reasons(&mut self, handle: GroupHandle) -> Vec<(State, TransitionReason)> {
        let transitions = self.one(handle, |group, _| group.take_transitions());
        transitions.into_iter().map(|transition| (transition.to, transition.reason)).collect()
    }

    fn waits_for(&self, handle: GroupHandle, now: Instant) -> Option<String> {
        self.sets.waits_for(&self.groups, &self.groups[&handle], now)
    }
}

#[test]
fn a_group_that_hears_nobody_waits_and_says_for_what() {
    let mut node = Node::backup();
    node.hear(1, 240, at(200));
    node.each(|group, effects| group.handle_timeout(at(330), effects));
    node.settle(at(330));
    assert!(node.effects.wishes.is_empty());
    let waits = "waits for group db of sync group edge: 192.0.2.9 is heard there";
    assert_eq!((node.waits_for(0, at(330)).as_deref(), node.waits_for(1, at(330))), (Some(waits), None));
    assert_eq!(node.groups[&0].instance().and_then(Instance::poll_timeout), None, "it is woken for nothing");
}

#[test]
fn both_bind_before_either_speaks() {
    let mut node = Node::backup();
    node.each(|group, effects| group.handle_timeout(at(330), effects));
    node.settle(at(330));
    assert_eq!(node.effects.wishes.len(), 2);
    node.one(0, |group, effects| group.handle_held(at(331), effects));
    node.settle(at(331));
    assert!(node.effects.advertisements.is_empty());
    node.one(1, |group, effects| group.handle_held(at(332), effects));
    assert_eq!(node.settle(at(332)), [0, 1], "their deadlines have changed");
    assert_eq!(node.effects.advertisements.len(), 2);
    assert_eq!(node.states(), [State::Active; 2]);
}

#[test]
fn an_interface_that_fails_takes_the_other_group_along_which_answers_until_a_successor_is_heard() {
    let mut node = Node::active();
    node.one(1, |group, effects| group.set_footing(Err(Fault::InterfaceDown), at(400), effects));
    node.settle(at(400));
    assert_eq!(node.effects.advertisements, [(0, Claim::Resigns.into())]);
    assert!(node.groups[&0].wants_addresses() && node.groups[&0].is_leaving(), "the guard is to wait");
    assert_eq!(node.states(), [State::Active, State::Fault]);

    node.hear(0, 100, at(410));
    node.one(0, |group, effects| group.handle_timeout(at(440), effects));
    node.settle(at(440));
    node.each(|group, effects| group.handle_released(at(441), effects));
    assert_eq!(node.reasons(0), [(State::Fault, TransitionReason::SyncGroup)]);
    assert_eq!(node.reasons(1), [(State::Fault, TransitionReason::InterfaceDown)]);
    let fault = node.groups[&0].fault().unwrap().describe("eth0");
    assert_eq!(fault, "group db of its sync group is in fault");

    // It stays so although its own interface is looked at anew, and ends with the other one's fault.
    node.one(0, |group, effects| group.set_footing(Ok(footing(0)), at(450), effects));
    node.settle(at(450));
    assert_eq!((node.states(), node.reasons(0)), ([State::Fault; 2], vec![]));
    node.one(1, |group, effects| group.set_footing(Ok(footing(1)), at(500), effects));
    node.settle(at(500));
    assert_eq!(node.states(), [State::Backup; 2]);
    assert_eq!(node.reasons(0), [(State::Backup, TransitionReason::FaultCleared)]);
}

#[test]
fn an_address_that_cannot_be_bound_is_a_fault_of_all_and_nobody_hears_of_the_attempt() {
    use crate::dataplane::address_table::AddressError;
    use crate::dataplane::binder::HoldError;
    let mut node = Node::backup();
    node.each(|group, effects| group.handle_timeout(at(330), effects));
    node.settle(at(330));
    node.one(0, |group, effects| group.handle_held(at(331), effects));
    let error = HoldError::Address(AddressError::NoInterface);
    node.one(1, |group, effects| group.handle_hold_failed(&error, at(332), effects));
    node.settle(at(332));
    assert!(node.effects.advertisements.is_empty());
    assert_eq!(node.states(), [State::Fault; 2]);
    assert_eq!(node.reasons(0).last(), Some(&(State::Fault, TransitionReason::SyncGroup)));
}

#[test]
fn a_worker_that_adopts_both_moves_nothing_and_one_that_finds_an_interface_down_gives_up_the_other() {
    for fails in [false, true] {
        let mut node = Node { sets: SyncSets::default(), groups: Groups::new(), effects: Effects::default() };
        for handle in 0..2 {
            let mut group = Group::new(handle, told(handle), at(0));
            let slot = left(at(0) - Duration::from_millis(50), at(0) - Duration::from_secs(9));
            if handle == 1 && fails {
                group.set_footing(Err(Fault::InterfaceDown), at(0), &mut node.effects);
            } else {
                group.adopt(footing(handle), &slot, None, at(0), &mut node.effects);
            }
            node.groups.insert(handle, group);
        }
        node.settle(at(0));
        assert_eq!(node.states(), [State::Active, if fails { State::Fault } else { State::Active }]);
        let resigns = node.effects.advertisements.iter().any(|(_, saying)| saying.claim == Claim::Resigns);
        assert_eq!(resigns, fails);
    }
}

#[test]
fn a_better_router_in_one_group_is_given_the_other_after_a_moment() {
    let mut node = Node::active();
    node.hear(0, 240, at(400));
    let due = node.sets.next_deadline().unwrap();
    assert_eq!((due, node.states()), (at(420), [State::Backup, State::Active]));
    node.effects = Effects::default();
    node.sets.settle(&mut node.groups, due, &mut node.effects);
    assert_eq!(node.effects.advertisements, [(1, Claim::Resigns.into())]);
    assert_eq!(node.sets.next_deadline(), None);
}

#[test]
fn a_group_that_leaves_for_good_or_changes_its_sync_group_leaves_the_other_where_it_is() {
    let mut node = Node::active();
    node.one(1, |group, effects| group.leave(Departure::Removed, at(400), effects));
    node.settle(at(400));
    assert_eq!(node.groups[&0].sync_group().map(ToString::to_string).as_deref(), Some("edge"));
    assert_eq!(node.effects.advertisements, [(1, Claim::Resigns.into())]);
    assert_eq!(node.states(), [State::Active; 2]);

    let mut node = Node::active();
    let alone = DesiredGroup { sync_group: None, ..told(1) };
    node.one(1, |group, effects| group.change(alone, Ok(footing(1)), at(400), effects));
    node.one(1, |group, effects| group.leave_set(at(400), effects));
    node.sets.stir_without("edge".parse().unwrap());
    node.settle(at(400));
    node.one(1, |group, effects| group.set_footing(Err(Fault::InterfaceDown), at(410), effects));
    node.settle(at(410));
    assert_eq!(node.states(), [State::Active, State::Fault]);
}

#[test]
fn an_owner_goes_by_no_sync_group() {
    let owner = DesiredGroup { priority: Priority::OWNER, ..told(0) };
    assert_eq!(Group::new(0, owner, at(0)).sync_group(), None);
}
