use api_types::switchover::{SwitchoverInEffect, SwitchoverState};
use serde_json::json;

use super::*;
use crate::domain::holder::MemberReport;
use crate::domain::holder::tests::{external, node, obeying};

const AT: &str = "2026-11-22T20:41:17.000123Z";

/// The group `web` as the server would answer it with these members.
fn group(observed: &[Observed]) -> Group {
    let members: Vec<_> = observed
        .iter()
        .map(|member| match member {
            Observed::Node(node) => json!({"kind": "node", "node": node.name, "interface": "eth0",
                                           "priority": 250 - 10 * node.id.as_u128()}),
            Observed::External { name, address } => {
                json!({"kind": "external", "name": name, "address": address, "priority": 100})
            }
        })
        .collect();
    let mut group: Group = serde_json::from_value(json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000001", "name": "web", "description": "", "segment": "lan",
        "family": "ipv4", "vrid": 51, "version": 3, "advertisement_interval_ms": 100, "preempt_mode": true,
        "authentication": null, "checksum": "auto", "virtual_addresses": ["192.0.2.100/24"], "members": members,
        "generation": 1, "created_at": AT, "updated_at": AT,
        "status": {"active": crate::domain::holder::active(observed), "members": [], "conditions": []},
    }))
    .unwrap();
    group.status.standby = readiness::standby(observed);
    group
}

fn explained(observed: &[Observed], change: impl FnOnce(&mut Group), last: Option<&Failover>) -> Explanation {
    let mut group = group(observed);
    change(&mut group);
    explain(&Scene { group: &group, observed, last })
}

fn nodes<const COUNT: usize>(nodes: [ObservedNode; COUNT]) -> Vec<Observed> {
    nodes.into_iter().map(Observed::Node).collect()
}

fn active(number: u8) -> ObservedNode {
    node(number, true, Some(State::Active))
}

#[test]
fn a_group_in_order_says_who_why_and_who_is_next() {
    let observed = nodes([active(1), obeying(2, [192, 0, 2, 1]), obeying(3, [192, 0, 2, 1])]);
    let said = explained(&observed, |_| {}, None);
    assert_eq!((said.holder.as_deref(), said.next.as_deref()), (Some("n1"), Some("n2")));
    assert_eq!(
        said.sentences,
        [
            "n1 holds the addresses of group web since 1970-01-01T00:00:01.000000Z.",
            "Its priority of 240 is the highest of the members, so everybody else yields to it.",
            "n2 is backup with priority 230 and could take over now.",
            "n3 is backup with priority 220 and could take over now.",
            "If n1 fails, n2 (priority 230) takes over, n3 after it: at once where n1 can still say so, else within \
             four intervals of 100 ms.",
        ]
    );
}

/// What is said of why n2 holds them though n1 has the higher priority.
fn why(first: ObservedNode, change: impl FnOnce(&mut Group)) -> String {
    explained(&nodes([first, active(2)]), change, None).sentences.remove(1)
}

#[test]
fn a_higher_priority_that_does_not_hold_is_explained() {
    let waits = || obeying(1, [192, 0, 2, 2]);
    assert_eq!(
        why(waits(), |group| group.preempt_mode = false),
        "n1 has a higher priority (240, n2 has 230), but preempt_mode is off: who holds the addresses keeps them until \
         it fails or is drained."
    );
    assert_eq!(
        why(waits(), |group| group.preempt_delay_ms = 5_000_i64.try_into().unwrap()),
        "n1 has a higher priority (240, n2 has 230), and takes over once it has heard n2 for 5000 ms \
         (preempt_delay_ms)."
    );
    assert_eq!(
        why(ObservedNode { drained: true, ..waits() }, |_| {}),
        "n1 has a higher priority (240, n2 has 230), but is drained."
    );
    let switchover = SwitchoverInEffect {
        id: uuid::Uuid::nil(),
        to: "n2".into(),
        state: SwitchoverState::Active,
        requested_at: serde_json::from_value(json!(AT)).unwrap(),
    };
    assert_eq!(
        why(waits(), |group| group.status.switchover = Some(switchover)),
        "An operator moved them there (requested at 2026-11-22T20:41:17.000123Z): they stay, whatever the priorities \
         say, until `baton switchover undo web` or until n2 fails."
    );
}

#[test]
fn when_nobody_could_take_over_the_reasons_are_named() {
    let gone = ObservedNode { connected: false, ..obeying(2, [192, 0, 2, 1]) };
    let mut observed = nodes([active(1), gone]);
    let said = explained(&observed, |_| {}, None);
    assert_eq!(said.next, None);
    assert_eq!(said.sentences[2], "n2 could not take over: it has no session with a server.");
    assert_eq!(
        said.sentences[3],
        "If n1 fails, nobody is known to take over: n2 has no session with a server."
    );
    observed.push(external());
    let said = explained(&observed, |_| {}, None);
    assert!(said.sentences[3].starts_with("keepalived at 192.0.2.9 is a router without an agent"));
    assert!(
        said.sentences[4].ends_with(" keepalived may take over by its own rules."),
        "{:?}",
        said.sentences
    );
    let alone = explained(&nodes([active(1)]), |_| {}, None);
    assert_eq!(alone.sentences[1], "It is the only member; its priority is 240.");
    assert_eq!(alone.sentences[2], "If n1 fails, nobody is known to take over: it is the only member.");
}

#[test]
fn where_nobody_holds_that_is_said_and_where_two_do_too() {
    let none = explained(&nodes([node(1, true, Some(State::Fault))]), |_| {}, None);
    assert_eq!(none.holder, None);
    assert_eq!(
        none.sentences,
        ["Nobody is known to hold the addresses of group web.", "n1 could not take over: it is in fault."]
    );
    let last = explained(&nodes([node(1, false, Some(State::Active))]), |_| {}, None);
    assert!(last.sentences[0].ends_with("the last to say so was n1."), "{:?}", last.sentences);
    let two = explained(&nodes([active(1), active(2)]), |_| {}, None);
    assert_eq!(
        two.sentences[0],
        "n1 and n2 hold the addresses at the same time; n1 is the one that the others should yield to."
    );
}

#[test]
fn a_failing_check_is_named_with_what_it_costs() {
    let mut low = obeying(1, [192, 0, 2, 2]);
    low.report =
        low.report.map(|report| MemberReport { effective_priority: Priority::new(200).unwrap(), ..report });
    let checks =
        json!([{"check": "nginx", "weight": -40, "passing": false, "detail": "status 503", "since": AT}]);
    let details = json!({"checks": checks});
    low.details = Some(Box::new(serde_json::from_value(details).unwrap()));
    let said = explained(&nodes([low, active(2)]), |_| {}, None);
    assert_eq!(
        said.sentences[1],
        "Its priority of 230 is the highest of the members, so everybody else yields to it."
    );
    assert_eq!(
        said.sentences[3],
        "n1 is configured with priority 240 and stands at 200: failing checks are nginx (status 503)."
    );
}

#[test]
fn the_last_failover_says_when_and_why() {
    let failover = |cause: &str, from: Option<&str>| -> Failover {
        serde_json::from_value(json!({
            "id": "018f4e6e-7c1a-7000-8000-000000000001", "group": "web",
            "group_id": "018f4e6e-7c1a-7000-8000-000000000001", "from": from, "to": "n1", "cause": cause,
            "last_advertisement_at": null, "bound_at": null, "announced_at": AT, "gap_ms": 41.7,
            "gap_method": "unknown", "recorded_at": AT, "transitions": [],
        }))
        .unwrap()
    };
    let observed = nodes([active(1), obeying(2, [192, 0, 2, 1])]);
    let said = |failover: &Failover| explained(&observed, |_| {}, Some(failover)).sentences.remove(2);
    assert_eq!(
        said(&failover("no_response", Some("n2"))),
        "They last moved at 2026-11-22T20:41:17.000123Z, from n2 to n1, since n2 fell silent; nobody answered for 42 ms \
         at most."
    );
    let cases = [
        ("priority_zero", "since n2 resigned: it was stopped, drained or failed;"),
        ("preempting", "since n1 has the higher priority;"),
        ("owner_started", "since n1 owns them and was back;"),
        ("switchover", "since an operator asked for it;"),
    ];
    for (cause, because) in cases {
        let said = said(&failover(cause, Some("n2")));
        assert!(said.contains(because), "{said}");
    }
    assert!(said(&failover("no_response", None)).contains("from nobody to n1, since nobody was heard"));
}
