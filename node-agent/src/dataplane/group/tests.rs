mod checks;
mod entry;
mod fast_start;
mod faults;
mod outside;
mod rules;

use std::time::Duration;

use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Version, Vrid};

use super::*;
use crate::dataplane::address_table::{AddressError, HostAddress};
use crate::dataplane::test_data::{desired, left};

const FOOTING: Footing = Footing {
    ifindex: 3,
    mac: [2, 0, 0, 0, 0, 1],
    own_mac: [2, 0, 0, 0, 0, 1],
    holder: Some(3),
    source: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    mtu: 1_500,
};

fn at(milliseconds: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(60_000 + milliseconds))
}

fn advertisement(priority: u8) -> Advertisement {
    Advertisement {
        version: Version::V3,
        family: Family::Ipv4,
        vrid: Vrid::new(51).unwrap(),
        claim: Claim::from_octet(priority),
        interval: AdvertisementInterval::DEFAULT_V3,
        addresses: vec!["192.0.2.10".parse().unwrap()],
        source: "192.0.2.9".parse().unwrap(),
        authentication: vrrp::Authentication::None,
        checksum: None,
    }
}

/// A group that runs as Backup from 0 ms on and takes over at 306.25 ms: 3 intervals and 16/256 of one.
fn backup() -> Group {
    let mut group = Group::new(0, desired(240), at(0));
    let mut effects = Effects::default();
    group.set_footing(Ok(FOOTING), at(0), &mut effects);
    assert_eq!(reasons(&mut group), [(State::Backup, TransitionReason::Started)]);
    assert!(effects.wishes.is_empty());
    group
}

/// A group that is Active and has said so.
fn active() -> Group {
    let mut group = backup();
    let mut effects = Effects::default();
    group.handle_timeout(at(307), &mut effects);
    group.handle_held(at(308), &mut effects);
    group.handle_announced(Some(at(309)));
    assert_eq!(reasons(&mut group), [(State::Active, TransitionReason::NoResponse)]);
    group
}

fn reasons(group: &mut Group) -> Vec<(State, TransitionReason)> {
    group.take_transitions().into_iter().map(|transition| (transition.to, transition.reason)).collect()
}

#[test]
fn nothing_is_sent_before_the_addresses_are_bound() {
    let mut group = backup();
    let mut effects = Effects::default();
    group.handle_timeout(at(307), &mut effects);
    assert_eq!(effects.wishes.len(), 1);
    assert!(effects.advertisements.is_empty() && effects.announcements.is_empty());
    assert_eq!(group.state(), State::Backup);

    let mut effects = Effects::default();
    group.handle_held(at(308), &mut effects);
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::from_octet(240)))]);
    assert_eq!(effects.announcements, [0]);
    assert_eq!(group.state(), State::Active);
}

#[test]
fn a_takeover_is_reported_once_it_is_announced_with_all_its_times() {
    let mut group = backup();
    let mut effects = Effects::default();
    group.handle_timeout(at(307), &mut effects);
    group.handle_held(at(308), &mut effects);
    assert!(group.take_transitions().is_empty());
    group.handle_announced(Some(at(309)));
    let transition = group.take_transitions().pop().expect("it is complete");
    assert_eq!(transition.bound_at_boottime_ns, Some(clock::nanoseconds(at(308))));
    assert_eq!(transition.announced_at_boottime_ns, Some(clock::nanoseconds(at(309))));
}

#[test]
fn a_yield_is_reported_once_the_addresses_are_released() {
    let mut group = active();
    let mut effects = Effects::default();
    group.handle_advertisement(&advertisement(250), None, at(400), &mut effects).unwrap();
    assert_eq!(effects.wishes.last(), Some(&(0, Want::HandOver)));
    assert!(group.take_transitions().is_empty());
    group.handle_released(at(401), &mut effects);
    let transition = group.take_transitions().pop().expect("it is complete");
    assert_eq!((transition.from, transition.to), (State::Active, State::Backup));
    assert_eq!(transition.reason, TransitionReason::HigherPriorityHeard);
    assert_eq!(transition.released_at_boottime_ns, Some(clock::nanoseconds(at(401))));
    assert_eq!(transition.last_advertisement.map(|heard| heard.priority.octet()), Some(250));
}

#[test]
fn a_report_does_not_wait_for_ever() {
    let mut group = active();
    let mut effects = Effects::default();
    group.handle_advertisement(&advertisement(250), None, at(400), &mut effects).unwrap();
    group.handle_timeout(at(1_399), &mut effects);
    assert!(group.take_transitions().is_empty());
    group.handle_timeout(at(1_400), &mut effects);
    assert_eq!(reasons(&mut group)[0], (State::Backup, TransitionReason::HigherPriorityHeard));
}

#[test]
fn a_bind_that_fails_is_a_fault_that_a_later_one_mends() {
    let mut group = backup();
    let mut effects = Effects::default();
    group.handle_timeout(at(307), &mut effects);
    group.handle_hold_failed(&HoldError::Address(AddressError::NoInterface), at(308), &mut effects);
    assert!(effects.advertisements.is_empty());
    assert_eq!(reasons(&mut group), [(State::Fault, TransitionReason::BindFailed)]);

    let retry_at = group.poll_timeout().expect("it tries again");
    group.handle_timeout(retry_at, &mut effects);
    group.handle_held(retry_at, &mut effects);
    group.handle_announced(Some(retry_at));
    assert_eq!(
        reasons(&mut group),
        [(State::Backup, TransitionReason::FaultCleared), (State::Active, TransitionReason::NoResponse)]
    );
}

#[test]
fn a_fault_releases_and_says_why_and_its_end_begins_anew() {
    let mut group = active();
    let mut effects = Effects::default();
    group.set_footing(Err(Fault::InterfaceDown), at(400), &mut effects);
    group.handle_released(at(401), &mut effects);
    assert_eq!(effects.wishes.last(), Some(&(0, Want::Nothing)));
    assert_eq!(reasons(&mut group), [(State::Fault, TransitionReason::InterfaceDown)]);
    assert_eq!(group.poll_timeout(), None);

    group.set_footing(Ok(FOOTING), at(500), &mut effects);
    assert_eq!(
        reasons(&mut group),
        [(State::Initialize, TransitionReason::FaultCleared), (State::Backup, TransitionReason::Started)]
    );
}

#[test]
fn what_changes_during_a_fault_holds_after_it() {
    let mut group = backup();
    let mut effects = Effects::default();
    group.set_footing(Err(Fault::InterfaceDown), at(10), &mut effects);
    group.change(desired(100), Err(Fault::InterfaceDown), at(20), &mut effects);
    group.set_footing(Ok(FOOTING), at(30), &mut effects);
    let takeover_at = group.poll_timeout().expect("it waits");
    group.handle_timeout(takeover_at, &mut effects);
    group.handle_held(takeover_at, &mut effects);
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::from_octet(100)))]);
}

#[test]
fn a_group_that_leaves_hands_over_before_it_is_gone() {
    let mut group = active();
    let mut effects = Effects::default();
    group.leave(Departure::Removed, at(400), &mut effects);
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::Resigns))]);
    assert!(effects.wishes.is_empty() && !group.is_gone());

    group.handle_advertisement(&advertisement(200), None, at(430), &mut effects).unwrap();
    group.handle_timeout(at(450), &mut effects);
    assert_eq!(effects.wishes, [(0, Want::Nothing)]);
    group.handle_released(at(451), &mut effects);
    assert_eq!(reasons(&mut group), [(State::Initialize, TransitionReason::Removed)]);
    assert!(group.is_gone());
}

#[test]
fn an_adopted_group_goes_on_as_active_and_reports_nothing() {
    let mut group = Group::new(0, desired(240), at(0));
    let mut effects = Effects::default();
    let left = left(at(0) - Duration::from_millis(60), Instant::ORIGIN);
    group.adopt(FOOTING, &left, None, at(0), &mut effects);
    group.handle_held(at(1), &mut effects);
    assert_eq!((group.state(), group.since()), (State::Active, Instant::ORIGIN));
    assert!(group.take_transitions().is_empty() && effects.advertisements.is_empty());
    assert_eq!(group.poll_timeout(), Some(at(40)), "one interval after the last advertisement");
}

#[test]
fn a_frame_is_built_again_only_when_it_says_something_else() {
    let mut group = active();
    let mut effects = Effects::default();
    let claim = Claim::from_octet(240);
    let (_, first) = group.frame(claim.into()).expect("a frame");
    let (_, second) = group.frame(claim.into()).expect("a frame");
    assert!(Arc::ptr_eq(&first, &second));
    group.set_footing(Ok(Footing { mac: [2, 0, 0, 0, 0, 2], ..FOOTING }), at(400), &mut effects);
    let (_, third) = group.frame(claim.into()).expect("a frame");
    assert_eq!(third[6..12], [2, 0, 0, 0, 0, 2]);
}

#[test]
fn another_group_of_the_same_virtual_router_goes_on_where_the_old_one_stood() {
    let mut group = active();
    let mut effects = Effects::default();
    let mut successor = DesiredGroup { id: Uuid::from_u128(2), name: "new".parse().unwrap(), ..desired(240) };
    successor.virtual_addresses = vec!["192.0.2.11/24".parse().unwrap()];
    group.change(successor, Ok(FOOTING), at(400), &mut effects);
    let transitions = group.take_transitions();
    let told: Vec<_> = transitions
        .iter()
        .map(|transition| (transition.group.as_str(), transition.from, transition.to, transition.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("web", State::Active, State::Initialize, TransitionReason::Removed),
            ("new", State::Initialize, State::Active, TransitionReason::Reconfigured)
        ]
    );
    assert_eq!(group.state(), State::Active);
    let [(0, Want::Hold(wish))] = effects.wishes.as_slice() else { panic!("{:?}", effects.wishes) };
    assert_eq!(wish.addresses, [HostAddress { ifindex: 3, address: "192.0.2.11".parse().unwrap() }].into());
    assert!(effects.advertisements.iter().all(|(_, saying)| saying.claim != Claim::Resigns));
}

#[test]
fn an_active_member_becomes_the_owner_and_ends_to_be_it_without_letting_go() {
    let mut group = active();
    for (priority, owner) in [(255, true), (240, false)] {
        let mut effects = Effects::default();
        group.change(desired(priority), Ok(FOOTING), at(400), &mut effects);
        assert_eq!(effects.advertisements, [(0, Saying::from(Claim::from_octet(priority)))], "said at once");
        let [(0, Want::Hold(wish))] = effects.wishes.as_slice() else { panic!("{:?}", effects.wishes) };
        assert_eq!(wish.owner, owner);
        assert_eq!(reasons(&mut group), []);
    }
}

#[test]
fn an_owner_that_loses_its_address_resigns_while_its_interface_still_works() {
    let mut group = active();
    let mut effects = Effects::default();
    group.change(desired(255), Ok(FOOTING), at(400), &mut effects);
    for (fault, said) in
        [(Fault::AddressNotOwned, vec![(0, Saying::from(Claim::Resigns))]), (Fault::InterfaceDown, vec![])]
    {
        let mut effects = Effects::default();
        group.set_footing(Err(fault), at(410), &mut effects);
        assert_eq!(effects.advertisements, said);
        assert_eq!(group.state(), State::Fault);
    }
    let (_, frame) = group.frame(Claim::Resigns.into()).expect("the frame outlives the instance");
    assert_eq!(frame[36], 0, "priority");
}

#[test]
fn a_changed_mac_address_is_announced_by_a_holder_only() {
    let other_mac = Footing { mac: [2, 0, 0, 0, 0, 2], ..FOOTING };
    for (mut group, announcements) in [(active(), vec![0]), (backup(), Vec::new())] {
        let mut effects = Effects::default();
        group.set_footing(Ok(other_mac), at(310), &mut effects);
        assert_eq!(effects.announcements, announcements);
    }
}

#[test]
fn an_advertisement_is_late_once_it_has_used_up_an_interval_of_what_backups_wait() {
    let mut group = active();
    let mut effects = Effects::default();
    let claim = Claim::from_octet(240);
    assert_eq!(group.handle_sent(claim, at(309)), None, "the first is not awaited by anybody");
    // Due at 408 ms, an interval after the first was asked for.
    group.handle_timeout(at(418), &mut effects);
    assert_eq!(group.handle_sent(claim, at(420)), None);
    assert_eq!((group.counters.advertisements_late, group.counters.longest_lateness_us), (0, 12_000));
    // Due at 518 ms.
    group.handle_timeout(at(600), &mut effects);
    let late = group.handle_sent(claim, at(619)).expect("late");
    assert_eq!((late.group.as_str(), late.by), ("web", Duration::from_millis(101)));
    assert_eq!((group.counters.advertisements_late, group.counters.longest_lateness_us), (1, 101_000));
}
