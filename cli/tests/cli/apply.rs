//! Applying manifests.

use serde_json::{Value, json};

use crate::peer::{Answer, Peer, ok, problem, said, with_etag};

const LAN: &str = "/api/v1/segments/lan";
const MANIFEST: &str = "\
kind: group
name: web
segment: lan
vrid: 51
virtual_addresses: [10.77.0.100/24]
members:
  - {kind: node, node: lb1, interface: eth0, priority: 240}
---
kind: node
name: lb1
---
kind: segment
name: lan
prefixes: [10.77.0.0/24]
";

fn owned(mut spec: Value, status: Value) -> Value {
    let server = json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000001", "generation": 7, "status": status,
        "created_at": "2026-11-22T20:00:00.000000Z", "updated_at": "2026-11-22T20:00:00.000000Z",
    });
    spec.as_object_mut().unwrap().extend(server.as_object().unwrap().clone());
    spec
}

fn lan(description: &str) -> Answer {
    let spec = json!({"name": "lan", "description": description, "prefixes": ["10.77.0.0/24"]});
    with_etag("\"7\"", owned(spec, json!({"groups": 0})))
}

fn web(priority: u8) -> Answer {
    let spec = json!({
        "name": "web", "description": "", "segment": "lan", "family": "ipv4", "vrid": 51, "version": 3,
        "advertisement_interval_ms": 100, "preempt_mode": true, "preempt_delay_ms": 0, "accept_mode": true,
        "mac_mode": "interface", "transport": "multicast", "max_hops": 0, "require_link_local": true,
        "authentication": null, "checksum": "auto", "virtual_addresses": ["10.77.0.100/24"], "virtual_routes": [],
        "virtual_rules": [],
        "members": [{"kind": "node", "node": "lb1", "interface": "eth0", "priority": priority}],
    });
    with_etag("\"7\"", observed(spec))
}

fn observed(group: Value) -> Value {
    owned(group, json!({"active": [], "members": [], "unadvertised_addresses": [], "conditions": []}))
}

fn apply(peer: &Peer, manifest: &str) -> crate::peer::Said {
    let path = peer.file("m.yaml", manifest);
    peer.baton(&["apply", "-f", path.to_str().unwrap()])
}

#[test]
fn what_is_missing_is_created_in_an_order_that_works_and_only_if_still_missing() {
    let peer = Peer::start();
    for put in ["PUT /api/v1/segments/lan", "PUT /api/v1/nodes/lb1", "PUT /api/v1/groups/web"] {
        peer.answers(put, ok(json!({})));
    }
    let applied = apply(&peer, MANIFEST);
    assert_eq!(applied.code, 0, "{}", applied.err);
    assert_eq!(applied.out, "segment/lan  created\nnode/lb1     created\ngroup/web    created\n");

    let puts: Vec<_> = peer.asked().into_iter().filter(|asked| asked.line.starts_with("PUT")).collect();
    assert_eq!(
        puts.iter().map(|put| put.line.rsplit('/').next().unwrap()).collect::<Vec<_>>(),
        ["lan", "lb1", "web"]
    );
    assert!(puts.iter().all(|put| put.if_none_match.as_deref() == Some("*") && put.if_match.is_none()));
    assert_eq!(puts[1].body, json!({"name": "lb1", "description": ""}), "`kind` is not sent");
}

#[test]
fn what_differs_is_written_under_the_etag_it_was_read_with_and_what_does_not_is_left_alone() {
    let peer = Peer::start();
    peer.answers(&format!("GET {LAN}"), lan("old"));
    peer.answers(&format!("PUT {LAN}"), ok(json!({})));
    peer.answers("GET /api/v1/groups/web", web(230));
    peer.answers("PUT /api/v1/groups/web", ok(json!({})));
    let node = owned(
        json!({"name": "lb1", "description": ""}),
        json!({
            "enrolled": false, "connected": false, "last_seen_at": null, "agent_version": null,
            "boot_id": null, "interfaces": null, "desired_revision": {"epoch": 1, "counter": 0},
            "applied_revision": null, "rejection": null, "conditions": [],
        }),
    );
    peer.answers("GET /api/v1/nodes/lb1", with_etag("\"1\"", node));

    let applied = apply(&peer, MANIFEST);
    assert_eq!(applied.code, 0, "{}", applied.err);
    assert_eq!(
        applied.out,
        "\
segment/lan  updated
    description: \"old\" -> \"\"
node/lb1     unchanged
group/web    updated
    members[lb1].priority: 230 -> 240
"
    );
    let puts: Vec<_> = peer.asked().into_iter().filter(|asked| asked.line.starts_with("PUT")).collect();
    assert_eq!(puts.len(), 2);
    assert!(puts.iter().all(|put| put.if_match.as_deref() == Some("\"7\"") && put.if_none_match.is_none()));
}

#[test]
fn every_option_of_a_group_comes_back_from_yaml_as_it_was() {
    let peer = Peer::start();
    let spec = json!({
        "name": "web", "description": "", "segment": "lan", "family": "ipv4", "vrid": 51, "version": 2,
        "advertisement_interval_ms": 1_000, "preempt_mode": false, "preempt_delay_ms": 30_000, "accept_mode": false,
        "mac_mode": "virtual", "transport": "unicast", "max_hops": 3, "require_link_local": false,
        "authentication": {"type": "simple_text", "text": "s3cret"}, "checksum": "rfc9568",
        "virtual_addresses": ["10.77.0.100/24"],
        "virtual_routes": [{"destination": "10.78.0.0/16", "gateway": "10.77.0.1", "metric": 5, "table": 7}],
        "virtual_rules": [{"from": "10.77.0.100/32", "table": 7, "preference": 100}],
        "track": [{"check": "nginx", "weight": -30, "reverse": true}],
        "pre_active": {"hook": "commit", "timeout_ms": 1500},
        "hooks": [{"on": "backup", "hook": "resync", "timeout_ms": 30000}],
        "members": [{"kind": "node", "node": "lb1", "interface": "eth0", "priority": 240},
                    {"kind": "external", "name": "old", "address": "10.77.0.9", "priority": 100}],
    });
    peer.answers("GET /api/v1/groups/web", with_etag("\"7\"", observed(spec.clone())));
    let shown = peer.baton(&["get", "group", "web", "-o", "yaml"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    peer.answers("GET /api/v1/groups/web", with_etag("\"7\"", observed(spec.clone())));
    let same = apply(&peer, &shown.out);
    assert_eq!((same.code, same.out.as_str()), (0, "group/web  unchanged\n"), "{}", same.err);

    peer.answers("PUT /api/v1/groups/web", ok(json!({})));
    let created = apply(&peer, &shown.out);
    assert_eq!(created.code, 0, "{}", created.err);
    assert_eq!(peer.asked().last().unwrap().body, spec, "what is sent is what was shown");

    let slower = shown.out.replace("advertisement_interval_ms: 1000\n", "");
    peer.answers("GET /api/v1/groups/web", with_etag("\"7\"", observed(spec)));
    let same = apply(&peer, &slower);
    assert_eq!(same.out, "group/web  unchanged\n", "1 s is what version 2 has by default: {}", same.err);
}

#[test]
fn the_first_refusal_ends_the_run_and_says_what_was_and_what_was_not_applied() {
    let peer = Peer::start();
    peer.answers("PUT /api/v1/segments/lan", ok(json!({})));
    let refusal =
        problem(422, "invalid", "the node is not as it may be", &[("/name", "is taken by a ghost")]);
    peer.answers("PUT /api/v1/nodes/lb1", refusal);
    let applied = apply(&peer, MANIFEST);
    assert_eq!(applied.code, 3);
    assert_eq!(applied.out, "segment/lan  created\n");
    assert!(applied.err.contains("1 of 3 applied; not applied: node/lb1, group/web"), "{}", applied.err);
    assert!(applied.err.contains("m.yaml:10 (document 2): /name: is taken by a ghost"), "{}", applied.err);
    assert!(applied.err.contains("request req-1"), "{}", applied.err);
    assert!(!peer.lines().iter().any(|line| line.contains("groups")));
}

#[test]
fn each_field_of_a_problem_is_shown_with_the_line_it_stands_on() {
    let peer = Peer::start();
    peer.answers("PUT /api/v1/segments/lan", ok(json!({}))).answers("PUT /api/v1/nodes/lb1", ok(json!({})));
    let fields = [("/vrid", "51 is taken by group db"), ("/members/0/interface", "lb1 has no eth0")];
    peer.answers("PUT /api/v1/groups/web", problem(422, "invalid", "the group cannot be so", &fields));
    let applied = apply(&peer, MANIFEST);
    assert_eq!(applied.code, 3);
    assert!(applied.err.contains("m.yaml:4 (document 1): /vrid: 51 is taken"), "{}", applied.err);
    assert!(applied.err.contains("m.yaml:7 (document 1): /members/0/interface: lb1 has"), "{}", applied.err);
}

#[test]
fn a_change_by_somebody_else_in_between_is_not_overwritten() {
    let peer = Peer::start();
    peer.answers(&format!("GET {LAN}"), lan("old"));
    peer.answers(&format!("PUT {LAN}"), problem(412, "precondition_failed", "the object has changed", &[]));
    let applied = apply(&peer, MANIFEST);
    assert_eq!(applied.code, 3);
    assert!(applied.err.contains("run the command again"), "{}", applied.err);
}

#[test]
fn a_wrong_document_anywhere_means_that_nothing_is_sent() {
    let peer = Peer::start();
    let applied = apply(&peer, &format!("{MANIFEST}---\nkind: node\nname: lb2\ncolour: red\n"));
    assert_eq!(applied.code, 2);
    assert!(applied.err.contains("m.yaml:18 (document 4): unknown field `colour`"), "{}", applied.err);
    assert_eq!(peer.lines(), Vec::<String>::new());
}

#[test]
fn standard_input_is_a_file_too() {
    let peer = Peer::start();
    let mut command = peer.bare(&["apply", "-f", "-"]);
    let applied = said(&mut command, "kind: node\nname: LB1\n");
    assert_eq!(applied.code, 2);
    assert!(
        applied.err.contains("standard input:2 (document 1): name: \"LB1\" is not a name"),
        "{}",
        applied.err
    );
}
