//! The status: what is asked for it, and how it ends.

use serde_json::{Value, json};

use crate::peer::{Answer, Peer, dated, ok, said};

fn page(items: &[Value]) -> Value {
    json!({"items": items, "next_cursor": null})
}

fn lb1(connected: bool, seen: &str) -> Value {
    json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000002", "name": "lb1", "description": "", "generation": 1,
        "created_at": "2026-01-01T20:00:00.000000Z", "updated_at": "2026-01-01T20:00:00.000000Z",
        "status": {"enrolled": true, "connected": connected, "last_seen_at": seen, "agent_version": null,
            "boot_id": null, "interfaces": null, "desired_revision": {"epoch": 1, "counter": 0},
            "applied_revision": null, "rejection": null, "conditions": []},
    })
}

fn asked(peer: &Peer, nodes: Answer, arguments: &[&str]) -> crate::peer::Said {
    peer.answers("GET /api/v1/groups?limit=500", ok(page(&[]))).answers("GET /api/v1/nodes?limit=500", nodes);
    peer.baton(&[&["status"], arguments].concat())
}

#[test]
fn the_status_is_the_exit_status_too() {
    let peer = Peer::start();
    let nothing = asked(&peer, ok(page(&[])), &[]);
    assert_eq!(nothing.code, 0, "{}", nothing.err);
    assert!(nothing.out.starts_with("no groups; no nodes\n"), "{}", nothing.out);
    let nothing: Value = serde_json::from_str(&asked(&peer, ok(page(&[])), &["-o", "json"]).out).unwrap();
    assert_eq!(nothing, json!({"healthy": true, "groups": [], "nodes": []}));

    let gone = || page(&[lb1(false, "2026-01-01T20:00:00.000000Z")]);
    let gone_as_yaml = asked(&peer, ok(gone()), &["-o", "yaml"]);
    assert_eq!(gone_as_yaml.code, 1, "{}", gone_as_yaml.err);
    let status = asked(&peer, ok(gone()), &["-o", "json"]);
    assert_eq!(status.code, 1, "{}", status.err);
    let health: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!((&health["healthy"], &health["nodes"][0]["agent"]), (&json!(false), &json!("disconnected")));
    assert_eq!(health["nodes"][0]["state"], "failing");
    assert_eq!(health["nodes"][0]["desired_revision"], json!({"epoch": 1, "counter": 0}));
    assert_eq!(
        serde_yaml_ng::from_str::<Value>(&gone_as_yaml.out).unwrap(),
        health,
        "the same in both forms"
    );
    let wide = asked(&peer, ok(gone()), &["-o", "wide"]);
    assert_eq!(wide.code, 1, "{}", wide.err);
    assert!(wide.out.contains("DESIRED  APPLIED"), "{}", wide.out);
}

#[test]
fn how_long_ago_a_node_was_seen_is_told_by_the_clock_of_the_server() {
    let peer = Peer::start();
    let nodes = || page(&[lb1(true, "2026-01-01T20:00:00.000000Z")]);
    let status = asked(&peer, dated("Thu, 01 Jan 2026 20:00:15 GMT", nodes()), &[]);
    assert_eq!(status.code, 0, "{}{}", status.out, status.err);
    assert!(status.out.contains("lb1   ok     connected  15s"), "{}", status.out);

    let status = asked(&peer, dated("Thu, 01 Jan 2026 20:00:16 GMT", nodes()), &[]);
    assert_eq!(status.code, 1, "{}{}", status.out, status.err);
    assert!(status.out.contains("lb1   FAILING  connected  16s"), "{}", status.out);
}

#[test]
fn without_an_answer_there_is_no_status() {
    let peer = Peer::start();
    let status = said(&mut peer.at("https://127.0.0.1:1", &["status"]), "");
    assert_eq!((status.code, status.out.as_str()), (4, ""));
    assert!(status.err.contains("nothing listens there"), "{}", status.err);
}
