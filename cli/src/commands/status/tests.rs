use serde_json::{Value, json};

use api_types::Timestamp;

use super::*;

const NOW: &str = "2026-11-22T21:00:00.000000Z";

fn now() -> Timestamp {
    serde_json::from_value(json!(NOW)).unwrap()
}

fn ago(seconds: i64) -> Value {
    json!(Timestamp::from(now().as_datetime() - chrono::TimeDelta::seconds(seconds)))
}

/// A group of lb1 and lb2, with who is active in it.
fn group(name: &str, active: &[&str], conditions: Value) -> Group {
    let member = |node: &str| {
        let state = if active.contains(&node) { "active" } else { "backup" };
        json!({"name": node, "state": state, "since": ago(300), "connected": true})
    };
    serde_json::from_value(json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000001", "name": name, "description": "", "segment": "lan",
        "family": "ipv4", "vrid": 51, "version": 3, "advertisement_interval_ms": 100, "preempt_mode": true,
        "preempt_delay_ms": 0, "accept_mode": true, "mac_mode": "interface", "transport": "multicast", "max_hops": 0,
        "require_link_local": true, "authentication": null, "checksum": "auto",
        "virtual_addresses": ["10.77.0.100/24", "10.77.0.101/24"], "virtual_routes": [], "virtual_rules": [],
        "members": [
            {"kind": "node", "node": "lb1", "interface": "eth0", "priority": 240},
            {"kind": "node", "node": "lb2", "interface": "eth0", "priority": 220},
        ],
        "generation": 1, "created_at": NOW, "updated_at": NOW,
        "status": {"active": active, "members": [member("lb1"), member("lb2")],
                   "unadvertised_addresses": [], "conditions": conditions},
    }))
    .unwrap()
}

/// The group with a router without an agent in it, `old`.
fn with_external(mut group: Group) -> Group {
    let member = json!({"kind": "external", "name": "old", "address": "10.77.0.9", "priority": 100});
    let status = json!({"name": "old", "state": null, "since": null, "connected": null});
    group.members.push(serde_json::from_value(member).unwrap());
    group.status.members.push(serde_json::from_value(status).unwrap());
    group
}

fn node(name: &str, enrolled: bool, connected: bool, seen: Option<i64>) -> Node {
    serde_json::from_value(json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000002", "name": name, "description": "",
        "generation": 1, "created_at": NOW, "updated_at": NOW,
        "status": {
            "enrolled": enrolled, "connected": connected, "last_seen_at": seen.map(ago),
            "agent_version": null, "boot_id": null, "interfaces": null,
            "desired_revision": {"epoch": 1, "counter": 1}, "applied_revision": null, "rejection": null,
            "conditions": [],
        },
    }))
    .unwrap()
}

fn here(name: &str) -> Node {
    node(name, true, true, Some(3))
}

fn gone(name: &str, seconds: i64) -> Node {
    node(name, true, false, Some(seconds))
}

fn shown(groups: &[Group], nodes: &[Node]) -> String {
    let health = Health::of(groups, nodes, now());
    text(&health, &Table { wide: false, now: now(), terminal: Terminal::PLAIN })
}

fn only(group: Group, nodes: &[Node]) -> GroupHealth {
    Health::of(&[group], nodes, now()).groups.remove(0)
}

#[test]
fn a_healthy_fleet_is_shown_by_name() {
    let groups = [group("web", &["lb1"], json!([])), group("db", &["lb2"], json!([]))];
    let nodes = [here("lb2"), here("lb1")];
    assert!(Health::of(&groups, &nodes, now()).healthy);
    assert_eq!(
        shown(&groups, &nodes),
        "\
2 groups, all ok; 2 nodes, all ok

GROUP  STATE  ACTIVE  FOR  BACKUP  ADDRESSES
db     ok     lb2     5m   lb1     10.77.0.100/24 +1
web    ok     lb1     5m   lb2     10.77.0.100/24 +1

NODE  STATE  AGENT      SEEN  ACTIVE IN
lb1   ok     connected  3s    web
lb2   ok     connected  3s    db
"
    );
}

#[test]
fn the_wide_status_leaves_no_address_out_and_says_what_an_agent_does_not_run_yet() {
    let (mut behind, mut up_to_date) = (here("lb1"), here("lb2"));
    behind.status.agent_version = Some("0.1.0".to_owned());
    up_to_date.status.applied_revision = Some(up_to_date.status.desired_revision);
    let health = Health::of(&[group("web", &["lb1"], json!([]))], &[behind, up_to_date], now());
    assert_eq!(
        text(&health, &Table { wide: true, now: now(), terminal: Terminal::PLAIN }),
        "\
1 group, all ok; 2 nodes, all ok

GROUP  STATE  ACTIVE  FOR  BACKUP  ADDRESSES                      ACTIVE SINCE
web    ok     lb1     5m   lb2     10.77.0.100/24 10.77.0.101/24  2026-11-22 20:55:00.000Z

NODE  STATE  AGENT      SEEN  ACTIVE IN  VERSION  DESIRED  APPLIED
lb1   ok     connected  3s    web        0.1.0    1.1      -
lb2   ok     connected  3s    -          -        1.1      1.1
"
    );
}

#[test]
fn what_fails_comes_first_with_the_sentence_of_the_server() {
    let condition =
        json!([{"kind": "two_holders", "detail": "lb1 and lb2 are both active.", "since": ago(60)}]);
    let groups = [
        group("api", &["lb1"], json!([])),
        group("web", &["lb1", "lb2"], condition),
        group("zoo", &[], json!([])),
    ];
    let nodes = [here("lb1"), here("lb2"), gone("lb3", 20), node("lb4", false, false, None)];
    assert_eq!(
        shown(&groups, &nodes),
        "\
3 groups, 2 FAILING; 4 nodes, 2 FAILING

group/web: two_holders for 60s
    lb1 and lb2 are both active.
group/zoo: no_holder
    no member is active; last known: lb1 backup (seen 3s ago), lb2 backup (seen 3s ago)
node/lb3: agent_disconnected
    its agent has no session with a server
node/lb4: not_joined
    no agent has joined under this name: `baton join-token create lb4`

GROUP  STATE    ACTIVE   FOR  BACKUP   ADDRESSES
web    FAILING  lb1 lb2  -    -        10.77.0.100/24 +1
zoo    FAILING  -        -    lb1 lb2  10.77.0.100/24 +1
api    ok       lb1      5m   lb2      10.77.0.100/24 +1

NODE  STATE    AGENT         SEEN  ACTIVE IN
lb3   FAILING  disconnected  20s   -
lb4   FAILING  not joined    -     -
lb1   ok       connected     3s    api web
lb2   ok       connected     3s    web
"
    );
}

#[test]
fn an_active_member_that_is_not_seen_is_not_ok_whether_its_session_is_over_or_not() {
    for (unseen, session) in [(15, true), (16, true), (3, false), (16, false)] {
        let nodes = [node("lb1", true, session, Some(unseen)), here("lb2")];
        let web = only(group("web", &["lb1"], json!([])), &nodes);
        if unseen == 15 {
            assert_eq!(web.state, Verdict::Ok);
            continue;
        }
        assert_eq!(web.state, Verdict::Failing, "{unseen} s, session: {session}");
        assert_eq!(
            web.problems[0].detail,
            format!(
                "the active member is not seen; last known: lb1 active (seen {unseen}s ago), \
                 lb2 backup (seen 3s ago)"
            )
        );
    }
}

#[test]
fn with_no_agent_heard_who_is_active_is_unknown_and_the_last_known_states_are_told() {
    let groups = [group("web", &["lb1"], json!([])), group("db", &[], json!([]))];
    let nodes = [gone("lb1", 180), node("lb2", true, true, Some(16))];
    assert_eq!(
        shown(&groups, &nodes),
        "\
2 groups, 2 UNKNOWN; 2 nodes, 2 FAILING

group/db: holder_unknown
    no agent is heard, so nobody can say who is active; last known: lb1 backup (seen 3m ago), \
lb2 backup (seen 16s ago)
group/web: holder_unknown
    no agent is heard, so nobody can say who is active; last known: lb1 active (seen 3m ago), \
lb2 backup (seen 16s ago)
node/lb1: agent_disconnected
    its agent has no session with a server
node/lb2: not_seen
    its agent was not seen for 16s, though its session is not over

GROUP  STATE    ACTIVE  FOR  BACKUP  ADDRESSES
db     UNKNOWN  -       -    -       10.77.0.100/24 +1
web    UNKNOWN  lb1?    5m   -       10.77.0.100/24 +1

NODE  STATE    AGENT         SEEN  ACTIVE IN
lb1   FAILING  disconnected  3m    web
lb2   FAILING  connected     16s   -
"
    );
}

#[test]
fn a_member_that_never_reported_is_said_to_have_never_reported() {
    let mut web = group("web", &[], json!([]));
    for member in &mut web.status.members {
        (member.state, member.since, member.connected) = (None, None, Some(false));
    }
    let nodes = [node("lb1", false, false, None), node("lb2", false, false, None)];
    let web = only(web, &nodes);
    assert_eq!(web.state, Verdict::Unknown);
    assert!(web.problems[0].detail.ends_with("last known: lb1 never reported, lb2 never reported"));
}

#[test]
fn an_external_member_is_shown_as_such_wherever_it_stands() {
    let nodes = [here("lb1"), here("lb2")];
    let backup = shown(&[with_external(group("web", &["lb1"], json!([])))], &nodes);
    assert!(backup.contains("ok     lb1     5m   lb2 old(external)  10.77"), "{backup}");
    let active = shown(&[with_external(group("web", &["old"], json!([])))], &nodes);
    assert!(active.contains("ok     old(external)  -    lb1 lb2  10.77"), "{active}");

    // Only agents know of it: when none is heard, nothing is known.
    let unheard = only(with_external(group("web", &["old"], json!([]))), &[gone("lb1", 20)]);
    assert_eq!(unheard.state, Verdict::Unknown);
}

#[test]
fn a_condition_of_the_server_is_not_said_twice() {
    let condition = json!([{"kind": "no_holder", "detail": "nobody holds.", "since": ago(60)}]);
    let web = only(group("web", &[], condition), &[here("lb1"), here("lb2")]);
    let details: Vec<_> = web.problems.iter().map(|problem| problem.detail.as_str()).collect();
    assert_eq!(details, ["nobody holds."]);
}

#[test]
fn no_line_for_short_names_is_wider_than_80_columns() {
    let mut web = group("haproxy-web", &["frontend-lb1"], json!([]));
    web.status.members[0].name = "frontend-lb1".to_owned();
    for line in shown(&[web], &[here("frontend-lb1"), here("lb2")]).lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_backup_whose_agent_is_gone_is_not_counted_on() {
    let web = only(group("web", &["lb1"], json!([])), &[here("lb1"), gone("lb2", 20)]);
    assert_eq!((web.state, web.backup), (Verdict::Ok, vec![]));
}

#[test]
fn without_a_group_the_next_step_is_shown() {
    assert_eq!(
        shown(&[], &[]),
        "no groups; no nodes\nThere is no group yet: `baton apply -f FILE` makes one.\n"
    );
}

#[test]
fn advice_is_shown_and_fails_nothing() {
    for kind in ["authentication_insecure", "priorities_too_close", "priority_reserved"] {
        let advice = json!([{"kind": kind, "detail": "It was chosen so.", "since": ago(60)}]);
        let groups = [group("web", &["lb1"], advice)];
        let nodes = [here("lb1"), here("lb2")];
        assert!(Health::of(&groups, &nodes, now()).healthy);
        let shown = shown(&groups, &nodes);
        let wanted = format!("1 group, all ok; 2 nodes, all ok\n\ngroup/web: {kind} for 60s\n");
        assert!(shown.starts_with(&wanted), "{shown}");
    }
}

#[test]
fn a_fence_that_is_not_armed_makes_its_node_fail_and_no_group() {
    let mut lb1 = here("lb1");
    let detail = "on and not armed: guard (the parent process is gone)";
    let found = json!([{"kind": "fence_not_armed", "detail": detail, "since": ago(60)}]);
    lb1.status.conditions = serde_json::from_value(found).unwrap();
    let (groups, nodes) = ([group("web", &["lb1"], json!([]))], [lb1, here("lb2")]);
    assert!(!Health::of(&groups, &nodes, now()).healthy);
    let shown = shown(&groups, &nodes);
    let wanted =
        format!("1 group, all ok; 2 nodes, 1 FAILING\n\nnode/lb1: fence_not_armed for 60s\n    {detail}\n");
    assert!(shown.starts_with(&wanted), "{shown}");
}

#[test]
fn a_condition_of_a_newer_server_is_shown_by_its_sentence() {
    let news = json!([{"kind": "flapping", "detail": "lb1 and lb2 take turns.", "since": ago(60)}]);
    let shown = shown(&[group("web", &["lb1"], news)], &[here("lb1"), here("lb2")]);
    assert!(shown.contains("group/web: unrecognised for 60s\n    lb1 and lb2 take turns.\n"), "{shown}");
}

#[test]
fn a_group_of_an_older_server_is_usual_in_what_it_does_not_say() {
    let mut old = serde_json::to_value(group("web", &["lb1"], json!([]))).unwrap();
    for unknown in [
        "preempt_delay_ms",
        "accept_mode",
        "mac_mode",
        "transport",
        "max_hops",
        "require_link_local",
        "authentication",
        "virtual_routes",
        "virtual_rules",
    ] {
        old.as_object_mut().unwrap().remove(unknown).expect(unknown);
    }
    old["status"].as_object_mut().unwrap().remove("unadvertised_addresses").unwrap();
    for member in old["status"]["members"].as_array_mut().unwrap() {
        member
            .as_object_mut()
            .unwrap()
            .retain(|field, _| ["name", "state", "since", "connected"].contains(&&**field));
    }
    assert_eq!(serde_json::from_value::<Group>(old).unwrap(), group("web", &["lb1"], json!([])));
}

#[test]
fn a_failing_check_is_named_and_what_comes_of_it_decides() {
    let mut web = group("web", &["lb2"], json!([]));
    let checks = |passing: Option<bool>| json!([{"check": "nginx", "weight": -50, "passing": passing, "detail": "it refuses", "since": null}]);
    let mut member = serde_json::to_value(&web.status.members[0]).unwrap();
    (member["checks"], member["effective_priority"]) = (checks(Some(false)), json!(190));
    web.status.members[0] = serde_json::from_value(member.clone()).unwrap();
    let told = |group: &Group, lb1: Node| Health::of(std::slice::from_ref(group), &[lb1, here("lb2")], now());
    let health = told(&web, here("lb1"));
    let problem = &health.groups[0].problems[0];
    assert_eq!(problem.kind, "check_failing");
    assert_eq!(problem.detail, "on lb1: nginx (it refuses), priority 190 instead of 240");
    assert_eq!(health.groups[0].state, Verdict::Ok, "the addresses are where the checks want them");
    assert_eq!(told(&web, gone("lb1", 60)).groups[0].problems, [], "who is away says nothing");
    for passing in [Some(true), None] {
        member["checks"] = checks(passing);
        web.status.members[0] = serde_json::from_value(member.clone()).unwrap();
        assert_eq!(told(&web, here("lb1")).groups[0].problems, []);
    }
}
