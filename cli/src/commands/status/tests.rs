use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-22T21:00:00.000000Z";

fn group(name: &str, active: &[&str], conditions: Value) -> Group {
    let member = |node: &str| {
        let state = if active.contains(&node) { "active" } else { "backup" };
        json!({"name": node, "state": state, "since": "2026-11-22T20:55:00.000000Z", "connected": true})
    };
    serde_json::from_value(json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000001", "name": name, "description": "", "segment": "lan",
        "family": "ipv4", "vrid": 51, "version": 3, "advertisement_interval_ms": 100, "preempt_mode": true,
        "checksum": "auto", "virtual_addresses": ["10.77.0.100/24", "10.77.0.101/24"],
        "members": [
            {"kind": "node", "node": "lb1", "interface": "eth0", "priority": 240},
            {"kind": "node", "node": "lb2", "interface": "eth0", "priority": 220},
        ],
        "generation": 1, "created_at": NOW, "updated_at": NOW,
        "status": {"active": active, "members": [member("lb1"), member("lb2")], "conditions": conditions},
    }))
    .unwrap()
}

fn node(name: &str, enrolled: bool, connected: bool) -> Node {
    serde_json::from_value(json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000002", "name": name, "description": "",
        "generation": 1, "created_at": NOW, "updated_at": NOW,
        "status": {
            "enrolled": enrolled, "connected": connected,
            "last_seen_at": if enrolled { json!("2026-11-22T20:59:57.000000Z") } else { Value::Null },
            "agent_version": null, "boot_id": null, "interfaces": null,
            "desired_revision": {"epoch": 1, "counter": 1}, "applied_revision": null, "rejection": null,
            "conditions": [],
        },
    }))
    .unwrap()
}

fn shown(health: &Health) -> String {
    let now = serde_json::from_value(json!(NOW)).unwrap();
    text(health, &Table { wide: false, now, terminal: Terminal::PLAIN })
}

#[test]
fn a_healthy_fleet_is_shown_by_name() {
    let health = Health::of(
        vec![group("web", &["lb1"], json!([])), group("db", &["lb2"], json!([]))],
        vec![node("lb2", true, true), node("lb1", true, true)],
    );
    assert!(health.healthy);
    assert_eq!(
        shown(&health),
        "\
2 groups, all healthy; 2 nodes, all healthy

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
fn what_fails_comes_first_with_the_sentence_of_the_server() {
    let condition = json!([{
        "kind": "two_holders", "detail": "lb1 and lb2 are both active.", "since": "2026-11-22T20:59:00.000000Z",
    }]);
    let health = Health::of(
        vec![
            group("api", &["lb1"], json!([])),
            group("web", &["lb1", "lb2"], condition),
            group("zoo", &[], json!([])),
        ],
        vec![node("lb1", true, true), node("lb2", true, false), node("lb3", false, false)],
    );
    assert!(!health.healthy);
    assert_eq!(
        shown(&health),
        "\
3 groups, 2 FAILING; 3 nodes, 2 FAILING

group/web: two_holders for 60s
    lb1 and lb2 are both active.
group/zoo: no_holder
    no member is active
node/lb2: agent_disconnected
    its agent has no session with a server
node/lb3: not_joined
    no agent has joined under this name: `baton join-token create lb3`

GROUP  STATE    ACTIVE   FOR  BACKUP   ADDRESSES
web    FAILING  lb1 lb2  -    -        10.77.0.100/24 +1
zoo    FAILING  -        -    lb1 lb2  10.77.0.100/24 +1
api    ok       lb1      5m   lb2      10.77.0.100/24 +1

NODE  STATE    AGENT         SEEN  ACTIVE IN
lb2   FAILING  disconnected  3s    web
lb3   FAILING  not joined    -     -
lb1   ok       connected     3s    api web
"
    );
}

#[test]
fn no_line_for_short_names_is_wider_than_80_columns() {
    let health = Health::of(
        vec![group("haproxy-web", &["frontend-lb1"], json!([]))],
        vec![node("frontend-lb1", true, true)],
    );
    for line in shown(&health).lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_backup_whose_agent_is_gone_is_not_counted_on() {
    let mut web = group("web", &["lb1"], json!([]));
    web.status.members[1].connected = Some(false);
    let health = Health::of(vec![web], vec![]);
    assert_eq!(health.groups[0].backup, Vec::<String>::new());
}

#[test]
fn without_a_group_the_next_step_is_shown() {
    let health = Health::of(vec![], vec![]);
    assert!(shown(&health).contains("baton apply -f FILE"));
}
