//! Switchovers, drains, and letting go without a word on the LAN.

use api_types::assist::{LetGo, LetGoReason};
use api_types::boost::Boost;
use api_types::channel::DesiredPeer;
use vrrp::{BoostedPriority, Priority};

use super::*;
use crate::shared_memory::{Fenced, Slot, SlotBoost};

fn boost(sequence: u64) -> Boost {
    Boost {
        group_id: desired(240).id,
        switchover_id: Uuid::from_u128(7),
        sequence,
        boot_id: Uuid::nil(),
        priority: BoostedPriority::new(254).unwrap(),
    }
}

/// What was sent by now, each with its running number.
fn sent(group: &mut Group, claim: Claim, now: Instant) -> u16 {
    let (_, octets) = group.frame(claim.into()).expect("a frame");
    group.handle_sent(claim, now);
    u16::from_be_bytes([octets[18], octets[19]])
}

#[test]
fn a_switchover_takes_over_at_once_and_is_reported_with_its_reason_and_priority() {
    let mut group = backup();
    let mut effects = Effects::default();
    group.handle_advertisement(&advertisement(245), None, at(10), &mut effects).unwrap();
    group.set_boost(Some(boost(1)), at(20), &mut effects);
    assert!(matches!(effects.wishes[..], [(0, Want::Hold(_))]), "{:?}", effects.wishes);
    group.handle_held(at(21), &mut effects);
    group.handle_announced(Some(at(22)));
    let transition = group.take_transitions().pop().unwrap();
    assert_eq!((transition.to, transition.reason), (State::Active, TransitionReason::Switchover));
    assert_eq!(transition.priority.get(), 254);
    assert_eq!(group.boost(), Some(Uuid::from_u128(7)));

    group.set_boost(None, at(500), &mut effects);
    let said: Vec<_> = effects.advertisements.iter().map(|(_, saying)| saying.claim.octet()).collect();
    assert_eq!(said, [254, 240], "and the end of it is said at once");
    assert_eq!((group.boost(), group.effective_priority().get()), (None, 240));
}

#[test]
fn what_is_refused_says_why_and_is_tried_again_once_the_other_target_has_heard_of_its_end() {
    let mut group = backup();
    let mut effects = Effects::default();
    group.handle_advertisement(&advertisement(254), None, at(10), &mut effects).unwrap();
    group.set_boost(Some(boost(2)), at(20), &mut effects);
    assert!(effects.wishes.is_empty());
    assert_eq!(effects.notices.len(), 1);
    let refused = group.boost_refused().unwrap().to_string();
    assert!(refused.starts_with("254 is advertised by another router"), "{refused}");
    group.handle_advertisement(&advertisement(254), None, at(110), &mut effects).unwrap();
    assert_eq!(effects.notices.len(), 1, "said once");
    group.handle_advertisement(&advertisement(200), None, at(111), &mut effects).unwrap();
    assert_eq!((effects.wishes.len(), group.boost_refused()), (1, None));
}

#[test]
fn a_boost_that_a_fault_ended_does_not_come_back_with_the_interface() {
    let mut group = backup();
    let mut effects = Effects::default();
    group.set_boost(Some(boost(1)), at(20), &mut effects);
    group.handle_held(at(21), &mut effects);
    group.set_footing(Err(Fault::InterfaceDown), at(30), &mut effects);
    group.set_footing(Ok(FOOTING), at(40), &mut effects);
    group.set_boost(Some(boost(1)), at(50), &mut effects);
    assert_eq!((group.boost(), group.state()), (None, State::Backup));
}

#[test]
fn a_drained_active_member_hands_over_like_one_that_leaves_and_stays() {
    let mut group = active();
    let mut effects = Effects::default();
    let drained = DesiredGroup { drained: true, ..desired(240) };
    group.change(drained.clone(), Ok(FOOTING), at(400), &mut effects);
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::Resigns))]);
    assert!(effects.wishes.is_empty(), "it holds until a successor is heard");
    group.handle_advertisement(&advertisement(100), None, at(430), &mut effects).unwrap();
    group.handle_timeout(at(450), &mut effects);
    assert_eq!(effects.wishes, [(0, Want::Nothing)]);
    group.handle_released(at(451), &mut effects);
    assert_eq!(reasons(&mut group), [(State::Initialize, TransitionReason::Drained)]);
    assert!(!group.is_gone());
    group.change(DesiredGroup { generation: 9, ..drained }, Ok(FOOTING), at(500), &mut effects);
    assert_eq!((group.state(), group.poll_timeout()), (State::Initialize, None), "an edit changes nothing");

    group.change(desired(240), Ok(FOOTING), at(600), &mut effects);
    assert_eq!(reasons(&mut group), [(State::Backup, TransitionReason::Started)]);
}

#[test]
fn a_drained_member_without_a_successor_releases_after_two_intervals() {
    let mut group = active();
    let mut effects = Effects::default();
    group.change(DesiredGroup { drained: true, ..desired(240) }, Ok(FOOTING), at(400), &mut effects);
    group.handle_timeout(at(500), &mut effects);
    assert!(effects.wishes.is_empty());
    group.handle_timeout(at(600), &mut effects);
    assert_eq!(effects.wishes, [(0, Want::Nothing)]);
}

#[test]
fn who_is_asked_back_while_it_hands_over_is_backup_once_it_has() {
    let mut group = active();
    let mut effects = Effects::default();
    group.change(DesiredGroup { drained: true, ..desired(240) }, Ok(FOOTING), at(400), &mut effects);
    group.change(desired(240), Ok(FOOTING), at(410), &mut effects);
    group.handle_advertisement(&advertisement(100), None, at(430), &mut effects).unwrap();
    group.handle_timeout(at(450), &mut effects);
    group.handle_released(at(451), &mut effects);
    assert_eq!(
        reasons(&mut group),
        [(State::Initialize, TransitionReason::Drained), (State::Backup, TransitionReason::Started)]
    );
}

#[test]
fn a_member_that_begins_drained_takes_no_part_and_neither_does_one_whose_fault_ends() {
    let mut group = Group::new(0, DesiredGroup { drained: true, ..desired(240) }, at(0));
    let mut effects = Effects::default();
    group.set_footing(Ok(FOOTING), at(0), &mut effects);
    assert_eq!((group.state(), group.poll_timeout()), (State::Initialize, None));
    group.set_boost(Some(boost(1)), at(1), &mut effects);
    assert!(group.boost().is_none() && group.boost_refused().is_some());
    group.set_footing(Err(Fault::InterfaceDown), at(10), &mut effects);
    group.set_footing(Ok(FOOTING), at(20), &mut effects);
    let [down, back] = [
        (State::Fault, TransitionReason::InterfaceDown),
        (State::Initialize, TransitionReason::FaultCleared),
    ];
    assert_eq!(reasons(&mut group), [down, back]);
    assert_eq!(group.poll_timeout(), None);
    assert!(effects.wishes.is_empty() && effects.advertisements.is_empty());
}

#[test]
fn an_adopted_member_that_is_drained_by_now_hands_over() {
    let mut group = Group::new(0, DesiredGroup { drained: true, ..desired(240) }, at(0));
    let mut effects = Effects::default();
    let left = left(at(0) - Duration::from_millis(60), Instant::ORIGIN);
    group.adopt(FOOTING, &left, None, at(0), &mut effects);
    assert_eq!(effects.advertisements, [(0, Saying::from(Claim::Resigns))]);
    assert_eq!(group.state(), State::Active);
}

#[test]
fn an_adopted_member_that_was_boosted_goes_on_so_and_with_the_next_number() {
    let mut group = Group::new(0, desired(100), at(0));
    let mut effects = Effects::default();
    let Boost { priority, sequence, switchover_id, .. } = boost(1);
    let left = Slot {
        boost: Some(SlotBoost { priority, sequence, switchover_id }),
        ..left(at(0) - Duration::from_millis(110), Instant::ORIGIN)
    };
    group.adopt(FOOTING, &left, Some(boost(1)), at(0), &mut effects);
    group.handle_held(at(0), &mut effects);
    let claim = Claim::Holds(priority.get());
    assert_eq!(effects.advertisements, [(0, claim.into())], "it is late, and said once");
    assert_eq!((group.boost(), group.boost_in_effect()), (Some(switchover_id), left.boost));
    assert_eq!(sent(&mut group, claim, at(1)), 0, "after 65535");
    // Said again by the server.
    effects.advertisements.clear();
    group.set_boost(Some(boost(1)), at(2), &mut effects);
    assert_eq!(effects.advertisements, []);
    group.set_boost(None, at(3), &mut effects);
    assert_eq!(effects.advertisements, [(0, Claim::from_octet(100).into())]);
}

#[test]
fn what_the_guard_took_away_is_told_to_the_others_once_it_is_gone() {
    let fenced =
        |released| Slot { fenced: Some(Fenced { at: at(1), released }), ..left(at(0), Instant::ORIGIN) };
    for (slot, told) in [(fenced(None), 0), (fenced(Some(at(2))), 1)] {
        let mut group = Group::new(0, desired(240), at(3));
        let mut effects = Effects::default();
        group.follow_fence(&slot, &mut effects);
        group.set_footing(Ok(FOOTING), at(3), &mut effects);
        let (group_id, source) = (desired(240).id, slot.source);
        let let_go = LetGo { group_id, source, sequence: 0xffff, reason: LetGoReason::Guard };
        assert_eq!(effects.let_go, vec![let_go; told]);
    }
}

#[test]
fn what_an_earlier_worker_held_on_an_interface_that_has_failed_is_told_too() {
    let mut group = Group::new(0, desired(240), at(3));
    let mut effects = Effects::default();
    let slot = left(at(0), Instant::ORIGIN);
    group.follow_loss(&slot, &Fault::CarrierLost, &mut effects);
    group.set_footing(Err(Fault::CarrierLost), at(3), &mut effects);
    let (group_id, source) = (desired(240).id, slot.source);
    let let_go = LetGo { group_id, source, sequence: 0xffff, reason: LetGoReason::CarrierLost };
    assert_eq!(effects.let_go, [let_go]);
    assert_eq!(reasons(&mut group), [(State::Fault, TransitionReason::InterfaceDown)]);
}

#[test]
fn a_group_that_loses_its_interface_says_so_at_once_since_nobody_reaches_its_addresses() {
    for (fault, reason) in
        [(Fault::InterfaceDown, LetGoReason::LinkDown), (Fault::CarrierLost, LetGoReason::CarrierLost)]
    {
        let mut group = active();
        let mut effects = Effects::default();
        let first = sent(&mut group, Claim::from_octet(240), at(310));
        let last = sent(&mut group, Claim::from_octet(240), at(390));
        assert_eq!(last, first.wrapping_add(1));
        group.set_footing(Err(fault), at(400), &mut effects);
        let group_id = desired(240).id;
        assert_eq!(effects.let_go, [LetGo { group_id, source: FOOTING.source, sequence: last, reason }]);
        group.handle_released(at(401), &mut effects);
        assert_eq!(effects.let_go.len(), 1, "once");
    }
}

#[test]
fn who_holds_nothing_or_has_said_nothing_yet_lets_go_of_nothing() {
    let mut effects = Effects::default();
    let mut idle = backup();
    idle.set_footing(Err(Fault::InterfaceDown), at(10), &mut effects);
    idle.handle_released(at(11), &mut effects);
    let mut silent = active();
    silent.set_footing(Err(Fault::InterfaceDown), at(400), &mut effects);
    silent.handle_released(at(401), &mut effects);
    assert_eq!(effects.let_go, []);
}

#[test]
fn a_group_that_was_kept_from_running_says_that_too() {
    let mut group = active();
    let mut effects = Effects::default();
    sent(&mut group, Claim::from_octet(240), at(310));
    group.lapse(TransitionReason::SelfCheck, at(9_000), &mut effects);
    assert_eq!(effects.let_go, [], "it answers until they are gone");
    group.handle_released(at(9_001), &mut effects);
    assert_eq!(effects.let_go.len(), 1);
    assert_eq!(effects.let_go[0].reason, LetGoReason::SelfCheck);
}

fn peer(last: u8, priority: u8, external: bool) -> DesiredPeer {
    DesiredPeer {
        name: format!("lb{last}").parse().unwrap(),
        address: Some(IpAddr::from([192, 0, 2, last])),
        priority: Priority::new(priority).unwrap(),
        external,
    }
}

#[test]
fn who_resigns_is_succeeded_by_rank_if_it_is_known_and_every_better_member_has_an_agent() {
    let by_its_skew = at(20) + Duration::from_micros(6_250);
    let [best, second, external] = [vec![], vec![peer(8, 249, false)], vec![peer(7, 100, true)]];
    let better_external = vec![peer(7, 248, true)];
    for (others, resigns_as, due) in [
        (best.clone(), Some(9), at(20)),
        (external, Some(9), at(20)),
        (second, Some(9), by_its_skew.min(at(30))),
        (better_external, Some(9), by_its_skew),
        (best, None, by_its_skew),
    ] {
        let peers = others.into_iter().chain(resigns_as.map(|last| peer(last, 250, false))).collect();
        let mut group = Group::new(0, DesiredGroup { peers, ..desired(240) }, at(0));
        let mut effects = Effects::default();
        group.set_footing(Ok(FOOTING), at(0), &mut effects);
        group.handle_advertisement(&advertisement(250), None, at(10), &mut effects).unwrap();
        group.handle_advertisement(&advertisement(0), None, at(20), &mut effects).unwrap();
        assert_eq!(group.poll_timeout(), Some(due));
        group.handle_timeout(due, &mut effects);
        group.handle_held(due, &mut effects);
        group.handle_announced(Some(due));
        assert_eq!(reasons(&mut group).last(), Some(&(State::Active, TransitionReason::PriorityZero)));
    }
}

#[test]
fn an_assist_is_obeyed_in_the_order_of_the_members_that_are_left_and_have_agents() {
    let peers = vec![peer(9, 250, false), peer(8, 249, false), peer(7, 248, true), peer(6, 100, false)];
    let mut group = Group::new(0, DesiredGroup { peers, ..desired(240) }, at(0));
    let mut effects = Effects::default();
    group.set_footing(Ok(FOOTING), at(0), &mut effects);
    group.handle_advertisement(&advertisement(250), Some(41), at(10), &mut effects).unwrap();
    let said = |sequence| {
        let (group_id, source) = (desired(240).id, advertisement(250).source);
        LetGo { group_id, source, sequence, reason: LetGoReason::LinkDown }
    };
    assert!(!group.handle_assist(&said(40), at(20), &mut effects), "it has been heard since");
    assert!(group.handle_assist(&said(42), at(20), &mut effects));
    assert_eq!(group.poll_timeout(), Some(at(30)), "one goes before");
    group.handle_timeout(at(30), &mut effects);
    group.handle_held(at(31), &mut effects);
    group.handle_announced(Some(at(31)));
    assert_eq!(reasons(&mut group).last(), Some(&(State::Active, TransitionReason::Assist)));
}

#[test]
fn after_its_interface_is_back_a_group_lets_others_keep_what_they_took_over_and_longer_each_time() {
    let mut group = active();
    let mut effects = Effects::default();
    let down = Duration::from_micros(306_250);
    let mut now = at(400);
    for waits in [down * 3, down * 6, down * 12] {
        group.set_footing(Err(Fault::CarrierLost), now, &mut effects);
        group.set_footing(Ok(FOOTING), now, &mut effects);
        let begun = now;
        while group.state() != State::Fault && now < begun + waits {
            group.handle_advertisement(&advertisement(100), None, now, &mut effects).unwrap();
            group.handle_timeout(now, &mut effects);
            assert!(!group.wants_addresses(), "after {:?}", now.saturating_duration_since(begun));
            now += Duration::from_millis(100);
        }
        group.handle_advertisement(&advertisement(100), None, now, &mut effects).unwrap();
        group.handle_timeout(now + down, &mut effects);
        assert!(group.wants_addresses(), "it preempts in the end");
        group.handle_held(now + down, &mut effects);
        now += down;
    }
}
