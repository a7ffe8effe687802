//! What a member makes of its checks.

use std::collections::BTreeMap;

use api_types::channel::DesiredPeer;
use api_types::check::{Track, Weight};

use super::*;
use crate::messages::CheckFinding;

fn track(check: &str, weight: i16, reverse: bool) -> Track {
    Track { check: check.parse().unwrap(), weight: Weight::try_from(i64::from(weight)).unwrap(), reverse }
}

fn tracking(priority: u8, tracks: &[Track]) -> DesiredGroup {
    DesiredGroup { track: tracks.to_vec(), ..desired(priority) }
}

fn findings(found: &[(&str, bool)]) -> Findings {
    let finding = |passes| CheckFinding { passes, detail: "connection refused at 127.0.0.1:80".to_owned() };
    let found: BTreeMap<_, _> =
        found.iter().map(|(name, passes)| ((*name).to_owned(), finding(*passes))).collect();
    Arc::new(found)
}

/// A group that stands on its interface and has heard nothing of its checks.
fn told(desired: DesiredGroup) -> Group {
    let mut group = Group::new(0, desired, at(0));
    group.set_footing(Ok(FOOTING), at(0), &mut Effects::default());
    group
}

fn find(group: &mut Group, found: &[(&str, bool)], now: Instant) -> Effects {
    let mut effects = Effects::default();
    group.set_findings(&findings(found), now, &mut effects);
    effects
}

/// An Active member all of whose checks pass.
fn active_tracking(desired: DesiredGroup) -> Group {
    let passing: Vec<_> = desired.track.iter().map(|track| (track.check.to_string(), true)).collect();
    let passing: Vec<_> = passing.iter().map(|(name, passes)| (name.as_str(), *passes)).collect();
    let mut group = told(desired);
    find(&mut group, &passing, at(0));
    let mut effects = Effects::default();
    let takeover = group.poll_timeout().expect("it is a Backup");
    group.handle_timeout(takeover, &mut effects);
    group.handle_held(takeover, &mut effects);
    group.handle_announced(Some(takeover));
    assert_eq!(group.state(), State::Active);
    group.take_transitions();
    group
}

#[test]
fn a_member_takes_no_part_before_its_checks_have_found_something() {
    let mut group = told(tracking(240, &[track("nginx", 0, false), track("link", -20, false)]));
    assert_eq!((group.state(), group.poll_timeout()), (State::Initialize, None));
    assert_eq!(group.describe_checks().as_deref(), Some("waiting for check nginx"));
    find(&mut group, &[("nginx", true)], at(10));
    assert_eq!(group.describe_checks().as_deref(), Some("waiting for check link"));
    let effects = find(&mut group, &[("nginx", true), ("link", true)], at(20));
    assert_eq!(reasons(&mut group), [(State::Backup, TransitionReason::Started)]);
    assert!(effects.news && group.describe_checks().is_none());
}

#[test]
fn a_check_that_fails_from_the_beginning_is_a_fault_that_ends_with_it() {
    let mut group = told(tracking(240, &[track("nginx", 0, false)]));
    find(&mut group, &[("nginx", false)], at(10));
    let fault = "check nginx fails: connection refused at 127.0.0.1:80";
    assert_eq!(group.describe_checks().as_deref(), Some(fault));
    let transitions = group.take_transitions();
    assert_eq!(transitions[0].failing_checks, ["nginx"]);
    assert_eq!((transitions[0].to, transitions[0].reason), (State::Fault, TransitionReason::CheckFailed));
    find(&mut group, &[("nginx", true)], at(20));
    assert_eq!(
        reasons(&mut group),
        [(State::Initialize, TransitionReason::FaultCleared), (State::Backup, TransitionReason::Started)]
    );
}

#[test]
fn an_active_member_whose_check_fails_hands_over_before_it_lets_go() {
    let mut group = active_tracking(tracking(240, &[track("nginx", 0, false)]));
    let effects = find(&mut group, &[("nginx", false)], at(400));
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::Resigns))]);
    assert!(effects.wishes.is_empty() && group.wants_addresses() && group.is_leaving());
    assert_eq!(group.state(), State::Active);

    let mut effects = Effects::default();
    group.handle_advertisement(&advertisement(200), None, at(410), &mut effects).unwrap();
    assert_eq!(effects.hushes, [0], "who succeeds is heard");
    group.handle_timeout(at(440), &mut effects);
    group.handle_released(at(441), &mut effects);
    assert_eq!(reasons(&mut group), [(State::Fault, TransitionReason::CheckFailed)]);
    assert_eq!(group.poll_timeout(), None, "it waits for its check, not for a time");

    find(&mut group, &[("nginx", true)], at(900));
    assert_eq!(
        reasons(&mut group),
        [(State::Initialize, TransitionReason::FaultCleared), (State::Backup, TransitionReason::Started)]
    );
}

#[test]
fn a_check_that_passes_again_while_the_member_hands_over_does_not_stop_that() {
    let mut group = active_tracking(tracking(240, &[track("nginx", 0, false)]));
    find(&mut group, &[("nginx", false)], at(400));
    find(&mut group, &[("nginx", true)], at(420));
    let mut effects = Effects::default();
    group.handle_advertisement(&advertisement(200), None, at(430), &mut effects).unwrap();
    group.handle_timeout(at(460), &mut effects);
    group.handle_released(at(461), &mut effects);
    assert_eq!(
        reasons(&mut group),
        [(State::Initialize, TransitionReason::CheckFailed), (State::Backup, TransitionReason::Started)]
    );
}

#[test]
fn weights_move_the_priority_at_once_and_within_its_bounds() {
    let tracks = [track("link", -30, false), track("role", 20, false), track("maintenance", -9, true)];
    let priority = |found: &[(&str, bool)], declared| {
        let mut group = told(tracking(declared, &tracks));
        find(&mut group, found, at(0));
        group.effective_priority().get()
    };
    let none_wrong = [("link", true), ("role", true), ("maintenance", false)];
    assert_eq!(priority(&none_wrong, 200), 220);
    assert_eq!(priority(&[("link", false), ("role", true), ("maintenance", false)], 200), 190);
    assert_eq!(priority(&[("link", false), ("role", false), ("maintenance", true)], 200), 161);
    assert_eq!(priority(&none_wrong, 250), 254, "255 is an owner's");
    assert_eq!(priority(&[("link", false), ("role", false), ("maintenance", true)], 30), 1, "0 resigns");

    let mut group = active_tracking(tracking(240, &tracks[..1]));
    let effects = find(&mut group, &[("link", false)], at(400));
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::from_octet(210)))]);
    let mut effects = Effects::default();
    for now in [410, 430, 450] {
        group.handle_advertisement(&advertisement(220), None, at(now), &mut effects).unwrap();
    }
    group.handle_released(at(480), &mut effects);
    let transition = group.take_transitions().pop().expect("it has yielded");
    assert_eq!((transition.to, transition.failing_checks), (State::Backup, vec!["link".to_owned()]));
}

#[test]
fn where_nobody_preempts_whoever_falls_below_another_member_resigns_and_is_a_backup_again() {
    let peer = |priority| DesiredPeer {
        name: "lb2".parse().unwrap(),
        address: Some("192.0.2.9".parse().unwrap()),
        priority: vrrp::Priority::new(priority).unwrap(),
        external: false,
    };
    let group = |others| {
        let tracks = [track("link", -30, false)];
        let desired =
            DesiredGroup { preempt_mode: false, peers: vec![peer(others)], ..tracking(240, &tracks) };
        active_tracking(desired)
    };
    let mut ahead = group(205);
    let effects = find(&mut ahead, &[("link", false)], at(400));
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::from_octet(210)))], "still the best");

    let mut behind = group(220);
    let effects = find(&mut behind, &[("link", false)], at(400));
    let said: Vec<_> = effects.advertisements.iter().map(|(_, saying)| saying.claim.octet()).collect();
    assert_eq!(said, [210, 0]);
    let mut effects = Effects::default();
    behind.handle_advertisement(&advertisement(220), None, at(410), &mut effects).unwrap();
    behind.handle_timeout(at(440), &mut effects);
    behind.handle_released(at(441), &mut effects);
    assert_eq!(
        reasons(&mut behind),
        [(State::Initialize, TransitionReason::CheckFailed), (State::Backup, TransitionReason::Started)]
    );
    find(&mut behind, &[("link", true)], at(500));
    for now in (500..2_000).step_by(100) {
        behind.handle_advertisement(&advertisement(220), None, at(now), &mut effects).unwrap();
        behind.handle_timeout(at(now), &mut effects);
    }
    assert_eq!(behind.state(), State::Backup, "and preempts nobody");
}

#[test]
fn where_nobody_preempts_a_member_that_was_adopted_does_not_resign_for_what_was_so_before() {
    let peer = DesiredPeer {
        name: "lb2".parse().unwrap(),
        address: Some("192.0.2.9".parse().unwrap()),
        priority: vrrp::Priority::new(220).unwrap(),
        external: false,
    };
    let tracks = [track("link", -30, false), track("role", -40, false)];
    let desired = DesiredGroup { preempt_mode: false, peers: vec![peer], ..tracking(240, &tracks) };
    let mut group = Group::new(0, desired, at(0));
    let mut effects = Effects::default();
    group.adopt(FOOTING, &left(at(0), Instant::ORIGIN), None, at(0), &mut effects);
    group.handle_held(at(1), &mut effects);
    find(&mut group, &[("role", true)], at(10));
    let effects = find(&mut group, &[("link", false), ("role", true)], at(20));
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::from_octet(210)))]);
    let effects = find(&mut group, &[("link", false), ("role", false)], at(30));
    assert_eq!(effects.advertisements.last(), Some(&(0, Saying::from(Claim::Resigns))), "that is new");
}

#[test]
fn what_changes_while_a_member_hands_over_holds_when_it_begins_again() {
    let mut group = active_tracking(tracking(240, &[track("nginx", 0, false), track("link", -30, false)]));
    find(&mut group, &[("nginx", false), ("link", true)], at(400));
    find(&mut group, &[("nginx", false), ("link", false)], at(410));
    let mut effects = Effects::default();
    group.handle_timeout(at(601), &mut effects);
    group.handle_released(at(602), &mut effects);
    find(&mut group, &[("nginx", true), ("link", false)], at(700));
    assert_eq!((group.state(), group.effective_priority().get()), (State::Backup, 210));
}

#[test]
fn a_member_that_is_adopted_stays_as_it_was_until_a_check_fails() {
    let mut group = Group::new(0, tracking(240, &[track("nginx", 0, false), track("role", 9, false)]), at(0));
    let mut effects = Effects::default();
    let left = left(at(0) - Duration::from_millis(60), Instant::ORIGIN);
    group.adopt(FOOTING, &left, None, at(0), &mut effects);
    group.handle_held(at(1), &mut effects);
    find(&mut group, &[], at(2));
    assert_eq!((group.state(), group.effective_priority().get()), (State::Active, 249));
    assert!(effects.advertisements.is_empty() && group.take_transitions().is_empty());
    assert_eq!(group.describe_checks(), None, "it waits for nothing");
    let effects = find(&mut group, &[("nginx", false)], at(20));
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::Resigns))]);
}

#[test]
fn a_check_that_is_tracked_from_now_on_moves_nobody_before_it_has_found_something() {
    let mut group = active();
    let mut effects = Effects::default();
    group.change(tracking(240, &[track("nginx", 0, false)]), Ok(FOOTING), at(400), &mut effects);
    assert!(effects.advertisements.is_empty() && group.state() == State::Active);
    find(&mut group, &[("nginx", false)], at(410));
    group.change(desired(240), Ok(FOOTING), at(420), &mut effects);
    group.handle_timeout(at(620), &mut effects);
    group.handle_released(at(621), &mut effects);
    assert_eq!(group.state(), State::Backup, "what is tracked no longer keeps nobody back");
}

#[test]
fn a_fault_of_the_interface_and_one_of_a_check_end_each_for_itself() {
    let mut group = told(tracking(240, &[track("nginx", 0, false)]));
    find(&mut group, &[("nginx", false)], at(10));
    let mut effects = Effects::default();
    group.set_footing(Err(Fault::InterfaceDown), at(20), &mut effects);
    group.set_footing(Ok(FOOTING), at(30), &mut effects);
    assert_eq!(reasons(&mut group), [(State::Fault, TransitionReason::CheckFailed)], "it never left it");
    group.set_footing(Err(Fault::InterfaceDown), at(40), &mut effects);
    find(&mut group, &[("nginx", true)], at(50));
    assert_eq!(group.state(), State::Fault, "the interface is still down");
    group.set_footing(Ok(FOOTING), at(60), &mut effects);
    assert_eq!(group.state(), State::Backup);
}

#[test]
fn a_member_that_leaves_or_is_drained_does_so_whatever_its_checks_find() {
    let mut group = active_tracking(tracking(240, &[track("nginx", 0, false)]));
    let mut effects = Effects::default();
    group.leave(Departure::Removed, at(400), &mut effects);
    find(&mut group, &[("nginx", false)], at(410));
    group.handle_timeout(at(610), &mut effects);
    group.handle_released(at(611), &mut effects);
    assert_eq!(reasons(&mut group), [(State::Initialize, TransitionReason::Removed)]);
    assert!(group.is_gone());

    let mut group = active_tracking(tracking(240, &[track("nginx", 0, false)]));
    let drained = DesiredGroup { drained: true, ..tracking(240, &[track("nginx", 0, false)]) };
    group.change(drained.clone(), Ok(FOOTING), at(400), &mut effects);
    group.handle_timeout(at(610), &mut effects);
    group.handle_released(at(611), &mut effects);
    assert_eq!(reasons(&mut group), [(State::Initialize, TransitionReason::Drained)]);
    find(&mut group, &[("nginx", false)], at(620));
    find(&mut group, &[("nginx", true)], at(630));
    assert_eq!(
        reasons(&mut group),
        [(State::Fault, TransitionReason::CheckFailed), (State::Initialize, TransitionReason::FaultCleared)]
    );
}

#[test]
fn members_whose_checks_change_priorities_are_ranked_by_what_everybody_was_told() {
    let peer = DesiredPeer {
        name: "lb2".parse().unwrap(),
        address: Some("192.0.2.9".parse().unwrap()),
        priority: vrrp::Priority::new(250).unwrap(),
        external: false,
    };
    let third = DesiredPeer {
        name: "lb3".parse().unwrap(),
        address: Some("192.0.2.8".parse().unwrap()),
        priority: vrrp::Priority::new(230).unwrap(),
        external: false,
    };
    let taken_over_after = |tracks: &[Track]| {
        let desired = DesiredGroup { peers: vec![peer.clone(), third.clone()], ..tracking(240, tracks) };
        let mut group = told(desired);
        find(&mut group, &[("link", true)], at(0));
        let mut effects = Effects::default();
        group.handle_advertisement(&advertisement(250), None, at(10), &mut effects).unwrap();
        group.handle_advertisement(&advertisement(0), None, at(20), &mut effects).unwrap();
        group.poll_timeout().expect("it is to succeed").saturating_duration_since(at(20))
    };
    assert_eq!(taken_over_after(&[track("link", 0, false)]), Duration::ZERO);
    let skew = Duration::from_micros(6_250);
    assert_eq!(taken_over_after(&[track("link", -30, false)]), skew, "lb3 may be the better one by now");
}
