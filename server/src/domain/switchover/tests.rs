use serde_json::json;

use super::*;
use crate::domain::holder::tests::{external, node, obeying};
use crate::domain::peers::tests::peer;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn member(node: &str, priority: u8) -> Member {
    serde_json::from_value(json!({"kind": "node", "node": node, "interface": "eth0", "priority": priority}))
        .unwrap()
}

fn keepalived(priority: u8) -> Member {
    let member =
        json!({"kind": "external", "name": "keepalived", "address": "192.0.2.9", "priority": priority});
    serde_json::from_value(member).unwrap()
}

fn active(number: u8) -> Observed {
    Observed::Node(node(number, true, Some(State::Active)))
}

/// n2, ready to take over from n1.
fn ready() -> ObservedNode {
    ObservedNode { capabilities: vec![boost::CAPABILITY.to_owned()], ..obeying(2, [192, 0, 2, 1]) }
}

fn hearing(heard: Vec<Peer>) -> ObservedNode {
    ObservedNode { details: Some(Box::new(MemberDetails { heard, ..MemberDetails::default() })), ..ready() }
}

fn in_effect(number: u8, state: SwitchoverState) -> InEffect {
    InEffect {
        id: Uuid::from_u128(77),
        group_id: Uuid::from_u128(51),
        target: Uuid::from_u128(number.into()),
        to: format!("n{number}"),
        boot_id: Uuid::from_u128(u128::from(number) + 1_000),
        priority: BoostedPriority::LOWEST,
        state,
        requested_at: chrono::DateTime::UNIX_EPOCH.into(),
    }
}

fn planned(
    members: &[Member],
    observed: &[Observed],
    in_effect: Option<&InEffect>,
    to: &str,
) -> Result<Plan, Refusal> {
    plan(&Scene { group: &name("web"), members, observed, in_effect }, &name(to))
}

fn refusal(members: &[Member], observed: &[Observed], in_effect: Option<&InEffect>, to: &str) -> String {
    match planned(members, observed, in_effect, to) {
        Err(Refusal::Field(fault)) => fault.detail,
        Err(Refusal::Conflict(conflict)) => conflict.to_string(),
        Ok(plan) => panic!("{plan:?}"),
    }
}

#[test]
fn a_node_that_is_ready_takes_over_with_a_priority_above_all_others() {
    let members = [member("n1", 240), member("n2", 200), keepalived(249)];
    let plan = planned(&members, &[active(1), Observed::Node(ready()), external()], None, "n2").unwrap();
    assert_eq!((plan.from.as_str(), plan.to.as_str(), plan.priority.get().get()), ("n1", "n2", 251));
    assert_eq!(Some(plan.boot_id), ready().boot_id);
}

#[test]
fn whoever_cannot_take_over_is_refused_with_the_reason() {
    let pair = [member("n1", 240), member("n2", 200)];
    let with = |two: ObservedNode| [active(1), Observed::Node(two), external()];
    let drained = ObservedNode { drained: true, ..ready() };
    let older = obeying(2, [192, 0, 2, 1]);
    let rival = hearing(vec![peer([192, 0, 2, 1], 240), peer([192, 0, 2, 77], 250)]);
    let silent = Observed::Node(ready());
    let cases = [
        (&pair[..], with(ready()), "n3", "n3 is no member of group web: allowed are its nodes (n1, n2)"),
        (&pair, with(drained), "n2", "n2 cannot take over group web now: it is drained"),
        (&pair, with(older), "n2", "it has an agent that knows nothing of switchovers: update it"),
        (&pair, with(ready()), "n1", "n1 holds the addresses of group web already"),
        (&pair, with(rival), "n2", "a router at 192.0.2.77 advertises priority 250"),
        (&pair, [active(1), active(3), silent], "n2", "it hears n1 and n3 at once"),
        (
            &[member("n1", 255), member("n2", 200)],
            with(ready()),
            "n2",
            "n1 owns the addresses (priority 255)",
        ),
        (
            &[member("n1", 250), member("n2", 200)],
            with(ready()),
            "n2",
            "n1 has priority 250, and only up to 249",
        ),
        (&[member("n2", 9), keepalived(250)], with(ready()), "n2", "keepalived has priority 250"),
        (
            &[member("n1", 9), keepalived(8)],
            with(ready()),
            "keepalived",
            "keepalived is a router without an agent",
        ),
    ];
    for (members, observed, to, wanted) in cases {
        let refused = refusal(members, &observed, None, to);
        assert!(refused.contains(wanted), "{refused} instead of {wanted}");
    }
}

#[test]
fn the_next_switchover_of_a_group_outbids_the_one_before() {
    let members = [member("n1", 240), member("n2", 200)];
    let earlier = in_effect(1, SwitchoverState::Active);
    let boosted = Observed::Node(hearing(vec![peer([192, 0, 2, 1], 251)]));
    let plan = planned(&members, &[active(1), boosted], Some(&earlier), "n2").unwrap();
    assert_eq!(plan.priority.get().get(), 252, "what the earlier one advertises is no rival");
    let largest = InEffect { priority: BoostedPriority::new(254).unwrap(), ..earlier };
    let plan = planned(&members, &[active(1), Observed::Node(ready())], Some(&largest), "n2").unwrap();
    assert_eq!(plan.priority, BoostedPriority::LOWEST);
    let on_their_way = in_effect(2, SwitchoverState::Requested);
    let refused = refusal(&members, &[active(1), Observed::Node(ready())], Some(&on_their_way), "n2");
    assert_eq!(refused, "the addresses of group web are on their way to n2 already");
}

#[test]
fn so_does_it_outbid_one_that_was_taken_back_and_is_still_heard() {
    let members = [member("n1", 240), member("n2", 200)];
    let holder =
        ObservedNode { addresses: vec![[192, 0, 2, 1].into()], ..node(1, true, Some(State::Active)) };
    let hears = Observed::Node(hearing(vec![peer([192, 0, 2, 1], 251)]));
    let plan = planned(&members, &[Observed::Node(holder), hears], None, "n2").unwrap();
    assert_eq!(plan.priority.get().get(), 252);
}

#[test]
fn a_switchover_lasts_until_its_node_fails() {
    use SwitchoverState::{Active, Requested};
    let goes_on = Verdict::GoesOn;
    let ended = |reason: &str| Verdict::Ended(reason.to_owned());
    let restarted = ObservedNode { boot_id: Some(Uuid::nil()), ..node(2, true, Some(State::Active)) };
    let drained = ObservedNode { drained: true, ..node(2, true, Some(State::Active)) };
    let backup = || Observed::Node(obeying(1, [192, 0, 2, 2]));
    let two = |connected, state| Observed::Node(node(2, connected, Some(state)));
    let cases = [
        (Requested, vec![active(1), Observed::Node(ready())], goes_on.clone()),
        (Requested, vec![backup(), active(2)], Verdict::TakenOver),
        (Requested, vec![active(1), active(2)], goes_on.clone()),
        (Requested, vec![Observed::Node(node(1, false, Some(State::Active))), active(2)], Verdict::TakenOver),
        (Active, vec![backup(), active(2)], goes_on.clone()),
        (Active, vec![active(1), two(true, State::Backup)], ended("n2 lost the addresses and is backup")),
        (Active, vec![backup(), two(true, State::Fault)], ended("n2 lost the addresses and is fault")),
        (Active, vec![backup(), two(false, State::Active)], goes_on.clone()),
        (
            Active,
            vec![active(1), two(false, State::Active)],
            ended("n2 has no session with a server, and n1 took over"),
        ),
        (Requested, vec![active(1), two(false, State::Backup)], goes_on),
        (Active, vec![backup(), Observed::Node(restarted)], ended("the agent of n2 was started anew")),
        (Active, vec![backup(), Observed::Node(drained)], ended("n2 was drained")),
        (Active, vec![active(1)], ended("n2 is no member any more")),
    ];
    for (state, observed, wanted) in cases {
        assert_eq!(review(&in_effect(2, state), &observed), wanted, "{state:?} {observed:?}");
    }
}
