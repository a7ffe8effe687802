//! Groups: written, shown exactly as written, pushed to the agents they concern.

use std::time::Duration;

use serde_json::json;
use sqlx::postgres::PgListener;

use crate::harness::TestApp;
use crate::intent::{external_member, group, node_member, with, written};

#[tokio::test]
async fn a_group_is_created_shown_replaced_and_deleted() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let created = api.post("/api/v1/groups", &group("web")).await.is(201);
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!(created.location(), format!("/api/v1/groups/{id}"));
    assert_eq!(created.etag(), "\"1\"");
    assert_eq!(written(&created.body), group("web"), "as it was written, lists in their order");

    for path in [format!("/api/v1/groups/{id}"), "/api/v1/groups/web".to_owned()] {
        let shown = api.get(&path).await.is(200);
        assert_eq!((&shown.body, shown.etag()), (&created.body, "\"1\""));
    }

    let changed = with(group("web"), "advertisement_interval_ms", json!(1_000));
    let replaced = api.put("/api/v1/groups/web", &changed).await.is(200);
    assert_eq!((written(&replaced.body), replaced.etag()), (changed, "\"2\""));

    api.delete("/api/v1/groups/web").await.is(204);
    api.get("/api/v1/groups/web").await.refused_as(404, "not_found");
    api.delete("/api/v1/groups/web").await.refused_as(404, "not_found");
    let done: Vec<_> = api
        .audited()
        .await
        .into_iter()
        .filter(|(action, outcome, _)| action.starts_with("group") && outcome == "done")
        .map(|(action, _, name)| (action, name))
        .collect();
    let by = |action: &str| (action.to_owned(), "web".to_owned());
    assert_eq!(done, [by("group.create"), by("group.update"), by("group.delete")]);
}

#[tokio::test]
async fn what_is_left_out_is_answered_with_its_default() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let least = json!({
        "name": "web",
        "segment": "frontend",
        "vrid": 51,
        "virtual_addresses": ["192.0.2.10/24"],
        "members": [node_member("lb1", "eth0", 240)],
    });
    let created = api.post("/api/v1/groups", &least).await.is(201).body;
    let expected = [
        ("description", json!("")),
        ("family", json!("ipv4")),
        ("version", json!(3)),
        ("advertisement_interval_ms", json!(100)),
        ("preempt_mode", json!(true)),
        ("preempt_delay_ms", json!(0)),
        ("accept_mode", json!(true)),
        ("mac_mode", json!("interface")),
        ("transport", json!("multicast")),
        ("max_hops", json!(0)),
        ("require_link_local", json!(true)),
        ("authentication", json!(null)),
        ("virtual_routes", json!([])),
        ("virtual_rules", json!([])),
        ("checksum", json!("auto")),
    ];
    for (field, wanted) in expected {
        assert_eq!(created[field], wanted, "{field}");
    }
    let same = api.put("/api/v1/groups/web", &least).await.is(200);
    assert_eq!(same.etag(), "\"1\"", "the defaults are what it already is");
}

#[tokio::test]
async fn a_put_that_changes_nothing_leaves_no_trace() {
    let api = TestApp::with_a_group().await;
    let before = api.everything().await;
    let mut listener = PgListener::connect_with(&api.app.db).await.unwrap();
    listener.listen("baton_desired").await.unwrap();

    let same = api.put("/api/v1/groups/web", &group("web")).await.is(200);
    assert_eq!(same.etag(), "\"1\"");
    assert_eq!(api.everything().await, before);

    // The next notification is that of a real change: the one before sent none.
    api.put("/api/v1/groups/web", &with(group("web"), "vrid", json!(52))).await.is(200);
    let notified = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await;
    assert_eq!(notified.expect("a change is told").unwrap().channel(), "baton_desired");
    assert!(tokio::time::timeout(Duration::from_millis(200), listener.recv()).await.is_err(), "told once");
}

#[tokio::test]
async fn a_change_reaches_old_and_new_members_and_nobody_else() {
    let api = TestApp::with_a_group().await;
    for name in ["lb3", "bystander"] {
        api.post("/api/v1/nodes", &json!({"name": name})).await.is(201);
    }
    let told = |counters: [i64; 4]| -> Vec<(String, i64)> {
        ["bystander", "lb1", "lb2", "lb3"].into_iter().map(str::to_owned).zip(counters).collect()
    };
    assert_eq!(api.revisions().await, told([0, 1, 1, 0]), "created");

    let members = json!([node_member("lb1", "eth0", 240), node_member("lb3", "eth0", 200)]);
    api.put("/api/v1/groups/web", &with(group("web"), "members", members)).await.is(200);
    assert_eq!(api.revisions().await, told([0, 2, 2, 1]), "lb2 left, lb3 came");

    api.delete("/api/v1/groups/web").await.is(204);
    assert_eq!(api.revisions().await, told([0, 3, 2, 2]), "deleted");
}

#[tokio::test]
async fn a_group_may_be_renamed_and_moved_with_everything_in_one_put() {
    let api = TestApp::with_a_group().await;
    api.post("/api/v1/segments", &json!({"name": "backend", "prefixes": ["198.51.100.0/24"]})).await.is(201);
    let moved = json!({
        "name": "site",
        "description": "",
        "segment": "backend",
        "family": "ipv4",
        "vrid": 7,
        "version": 3,
        "advertisement_interval_ms": 40_950,
        "preempt_mode": false,
        "preempt_delay_ms": 0,
        "accept_mode": true,
        "mac_mode": "interface",
        "transport": "multicast",
        "max_hops": 0,
        "require_link_local": true,
        "authentication": null,
        "checksum": "rfc9568",
        "virtual_addresses": ["198.51.100.9/32"],
        "virtual_routes": [],
        "virtual_rules": [],
        "track": [],
        "pre_active": null,
        "hooks": [],
        "members": [external_member("old-keepalived", "198.51.100.4", 250), node_member("lb1", "eth1", 1)],
    });
    let id = api.get("/api/v1/groups/web").await.body["id"].clone();
    let answered = api.put("/api/v1/groups/web", &moved).await.is(200).body;
    assert_eq!((written(&answered), &answered["id"]), (moved, &id));
    api.get("/api/v1/groups/web").await.refused_as(404, "not_found");
    api.get("/api/v1/groups/site").await.is(200);
}

#[tokio::test]
async fn an_address_and_a_vrid_are_free_again_once_their_group_let_go() {
    let api = TestApp::with_a_group().await;
    api.delete("/api/v1/groups/web").await.is(204);
    api.post("/api/v1/groups", &group("other")).await.is(201);
    let swapped = with(group("other"), "virtual_addresses", json!(["192.0.2.10/24", "192.0.2.11/24"]));
    let answered = api.put("/api/v1/groups/other", &swapped).await.is(200);
    assert_eq!(written(&answered.body), swapped, "the order is what the operator wrote, not what it was");
}

#[tokio::test]
async fn a_node_that_has_not_reported_is_accepted_with_a_condition() {
    let api = TestApp::with_a_group().await;
    let status = api.get("/api/v1/groups/web").await.body["status"].clone();
    assert_eq!(status["conditions"][0]["kind"], "interface_unverified");
    let detail = status["conditions"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("lb1") && detail.contains("lb2") && detail.contains("eth0"), "{detail}");
    let member = json!({"name": "lb2", "state": null, "since": null, "effective_priority": null, "connected": false, "ready": false,
                        "not_ready_because": "lb2 has no session with a server", "fault": null, "checksum": null,
                        "counters": null, "dropping": [], "peers": [], "checks": [], "hooks": []});
    assert_eq!(status["members"][0], member, "in the order of the specification");
    assert_eq!(status["active"], json!([]));
}
