//! How a member that could not hold its addresses gets out of `fault`.

use super::*;

const BEGUN: (State, TransitionReason) = (State::Fault, TransitionReason::BindFailed);
const ENDED: (State, TransitionReason) = (State::Backup, TransitionReason::FaultCleared);

/// A group that failed to hold its addresses at 308 ms, and tries again a second later.
fn failed() -> Group {
    let mut group = backup();
    let mut effects = Effects::default();
    group.handle_timeout(at(307), &mut effects);
    group.handle_hold_failed(&HoldError::Address(AddressError::NoInterface), at(308), &mut effects);
    assert_eq!(reasons(&mut group), [BEGUN]);
    let said = format!("group web: {}", group.fault().expect("a fault").describe("eth0"));
    assert_eq!(effects.notices, [said]);
    group
}

#[test]
fn a_changed_wish_ends_the_fault_of_the_one_that_failed_and_its_backoff() {
    let mut group = failed();
    let mut effects = Effects::default();
    group.change(DesiredGroup { generation: 2, ..desired(240) }, Ok(FOOTING), at(400), &mut effects);
    assert_eq!(group.state(), State::Fault, "the same is wanted");

    let mut mended = desired(240);
    mended.virtual_addresses = vec!["192.0.2.11/24".parse().unwrap()];
    let mut effects = Effects::default();
    group.change(mended, Ok(FOOTING), at(500), &mut effects);
    assert_eq!(reasons(&mut group), [ENDED]);
    assert!(group.fault().is_none() && effects.news);
    let next = group.poll_timeout().expect("it tries again");
    assert!(next <= at(308 + 307), "after an Active_Down_Interval, not after the backoff: {next:?}");
}

#[test]
fn the_fault_of_a_backup_ends_with_its_backoff_while_another_router_is_active() {
    let mut group = failed();
    for (milliseconds, state) in [(1_307, State::Fault), (1_308, State::Backup)] {
        let mut effects = Effects::default();
        group.handle_advertisement(&advertisement(250), None, at(milliseconds), &mut effects).unwrap();
        assert_eq!((group.state(), group.fault().is_some()), (state, state == State::Fault));
    }
    assert_eq!(reasons(&mut group), [ENDED]);
}

#[test]
fn a_member_that_is_to_preempt_stays_in_fault_until_it_holds() {
    let mut group = failed();
    let mut effects = Effects::default();
    for milliseconds in [400, 1_307, 1_308, 1_400] {
        group.handle_advertisement(&advertisement(200), None, at(milliseconds), &mut effects).unwrap();
        assert_eq!(group.state(), State::Fault);
    }
    group.handle_timeout(at(1_400), &mut effects);
    group.handle_hold_failed(&HoldError::Address(AddressError::NoInterface), at(1_401), &mut effects);
    assert!(effects.notices.is_empty(), "said once");
    assert_eq!(reasons(&mut group), [], "no state comes and goes with the attempts");
}
