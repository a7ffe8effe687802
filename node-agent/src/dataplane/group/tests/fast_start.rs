//! Fast starts: which members may begin at once.

use api_types::channel::DesiredPeer;
use vrrp::Priority;

use super::*;

fn peer(last: u8, priority: u8) -> DesiredPeer {
    DesiredPeer {
        name: format!("lb{last}").parse().unwrap(),
        address: Some(IpAddr::from([192, 0, 2, last])),
        priority: Priority::new(priority).unwrap(),
        external: false,
    }
}

/// Waits since `at(0)`, beside two members of lower priority.
fn new(desired: DesiredGroup) -> Group {
    let mut group = Group::new(0, desired, at(0));
    group.set_footing(Ok(FOOTING), at(0), &mut Effects::default());
    group
}

fn first() -> DesiredGroup {
    DesiredGroup { peers: vec![peer(9, 239), peer(8, 100)], ..desired(240) }
}

#[test]
fn the_first_of_all_members_begins_at_once_and_says_why() {
    let (mut group, generation) = (new(first()), first().generation);
    assert!(group.may_begin(generation, at(10)));
    let mut effects = Effects::default();
    group.begin_at_once(at(10), &mut effects);
    assert!(matches!(effects.wishes[..], [(0, Want::Hold(_))]), "{:?}", effects.wishes);
    assert!(effects.advertisements.is_empty(), "nothing is said before the addresses are held");
    group.handle_held(at(11), &mut effects);
    group.handle_announced(Some(at(11)));
    assert_eq!(reasons(&mut group).last(), Some(&(State::Active, TransitionReason::FastStart)));
    assert!(!group.may_begin(generation, at(12)), "it holds already");
}

#[test]
fn another_generation_a_better_or_unknown_equal_member_and_one_without_an_agent_keep_it_waiting() {
    let generation = first().generation;
    assert!(!new(first()).may_begin(generation + 1, at(10)));
    assert!(!new(first()).may_begin(generation - 1, at(10)));
    let unknown = DesiredPeer { address: None, ..peer(7, 240) };
    let external = DesiredPeer { external: true, ..peer(7, 100) };
    for other in [peer(7, 241), unknown, external] {
        let peers = [first().peers, vec![other.clone()]].concat();
        assert!(!new(DesiredGroup { peers, ..first() }).may_begin(generation, at(10)), "{other:?}");
    }
    assert!(!new(DesiredGroup { drained: true, ..first() }).may_begin(generation, at(10)));
}

#[test]
fn whoever_has_heard_a_router_or_leaves_or_has_no_footing_or_could_not_bind_keeps_waiting() {
    let generation = first().generation;
    let mut effects = Effects::default();
    for rival in [250, 100] {
        let mut group = new(first());
        group.handle_advertisement(&advertisement(rival), None, at(5), &mut effects).unwrap();
        assert!(!group.may_begin(generation, at(10)), "{rival}");
        group.begin_at_once(at(10), &mut effects);
        assert!(effects.wishes.is_empty());
    }
    let mut leaves = new(first());
    leaves.leave(Departure::Removed, at(5), &mut effects);
    assert!(!leaves.may_begin(generation, at(10)));
    let mut refused = new(first());
    refused.begin_at_once(at(10), &mut effects);
    refused.handle_hold_failed(&HoldError::Address(AddressError::NoInterface), at(11), &mut effects);
    assert!(!refused.may_begin(generation, at(12)), "the kernel did not take the addresses");
    let lame = Group::new(0, first(), at(0));
    assert!(!lame.may_begin(generation, at(10)) && lame.question().is_none());
}
