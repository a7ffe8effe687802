//! Segments, every status code.

use serde_json::json;

use crate::harness::TestApp;
use crate::intent::{external_member, group, segment, with, written};

#[tokio::test]
async fn a_segment_is_created_shown_replaced_and_deleted() {
    let api = TestApp::start().await;
    let spec = json!({"name": "frontend", "description": "VLAN 12", "prefixes": ["198.51.100.0/24", "192.0.2.0/24"]});

    let created = api.post("/api/v1/segments", &spec).await.is(201);
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!(created.location(), format!("/api/v1/segments/{id}"));
    assert_eq!(created.etag(), "\"1\"");
    assert_eq!(written(&created.body), spec, "as it was written, in the order in which it was written");
    assert_eq!(created.body["status"], json!({"groups": 0}));

    for path in [format!("/api/v1/segments/{id}"), "/api/v1/segments/frontend".to_owned()] {
        let shown = api.get(&path).await.is(200);
        assert_eq!(shown.body, created.body, "what was answered at creation is what is read");
        assert_eq!(shown.etag(), "\"1\"");
    }

    let changed = with(spec, "description", json!("VLAN 13"));
    let replaced = api.put("/api/v1/segments/frontend", &changed).await.is(200);
    assert_eq!((replaced.etag(), &replaced.body["generation"]), ("\"2\"", &json!(2)));
    assert_eq!(written(&replaced.body), changed);
    assert_eq!(replaced.body["created_at"], created.body["created_at"]);

    api.delete("/api/v1/segments/frontend").await.is(204);
    api.get("/api/v1/segments/frontend").await.refused_as(404, "not_found");
    let audited = api.audited().await;
    let of_segments: Vec<_> = audited
        .iter()
        .filter(|(action, ..)| action.starts_with("segment"))
        .map(|(action, ..)| action)
        .collect();
    assert_eq!(of_segments, ["segment.create", "segment.update", "segment.delete"]);
}

#[tokio::test]
async fn the_audit_log_has_a_change_before_and_after() {
    let api = TestApp::start().await;
    let before = api.post("/api/v1/segments", &segment("a", &["10.0.0.0/8"])).await.is(201).body;
    let after = api.put("/api/v1/segments/a", &segment("b", &["10.0.0.0/8"])).await.is(200).body;
    let log = api.get("/api/v1/audit-events?limit=1").await.is(200).body;
    let event = &log["items"][0];
    assert_eq!((&event["action"], &event["outcome"]), (&json!("segment.update"), &json!("done")));
    assert_eq!((&event["before"], &event["after"]), (&before, &after));
    assert_eq!((&event["target_kind"], &event["target_name"]), (&json!("segment"), &json!("a")));
    assert_eq!(event["target_id"], before["id"]);
    assert_eq!(event["actor"]["kind"], "token");

    let id = &event["id"];
    assert_eq!(&api.get(&format!("/api/v1/audit-events/{id}")).await.is(200).body, event);
}

#[tokio::test]
async fn bad_segments_are_refused_field_by_field() {
    let api = TestApp::start().await;
    let good = || segment("frontend", &["192.0.2.0/24"]);
    let cases = [
        (with(good(), "name", json!("Front End")), vec!["/name"]),
        (with(good(), "description", json!("x".repeat(501))), vec!["/description"]),
        (with(good(), "prefixes", json!([])), vec!["/prefixes"]),
        (with(good(), "prefixes", json!("192.0.2.0/24")), vec!["/prefixes"]),
        (with(good(), "prefixes", json!(["192.0.2.7/24"])), vec!["/prefixes/0"]),
        (with(good(), "prefixes", json!(["192.0.2.0/24", "2001:DB8::/64"])), vec!["/prefixes/1"]),
        (with(good(), "prefixes", json!(["192.0.2.0/24", "192.0.2.0/24"])), vec!["/prefixes/1"]),
        (with(good(), "vlan", json!(12)), vec!["/vlan"]),
        (with(good(), "status", json!({"groups": 0})), vec!["/status"]),
        (with(good(), "generation", json!(1)), vec!["/generation"]),
        (json!({"nmae": "x", "prefixes": ["ten"]}), vec!["/name", "/prefixes/0", "/nmae"]),
    ];
    let before = api.everything().await;
    for (body, wanted) in cases {
        let refused = api.post("/api/v1/segments", &body).await;
        let refused = refused.refused_as(422, "invalid");
        assert_eq!(refused.pointers(), wanted, "{body}");
    }
    let spelt = api.post("/api/v1/segments", &segment("a", &["010.0.0.0/8"])).await;
    assert!(spelt.said().contains("10.0.0.0/8"), "the wanted spelling: {}", spelt.said());
    assert_eq!(api.everything().await, before, "nothing changed");
}

#[tokio::test]
async fn a_name_belongs_to_one_segment() {
    let api = TestApp::start().await;
    api.post("/api/v1/segments", &segment("a", &["10.0.0.0/8"])).await.is(201);
    api.post("/api/v1/segments", &segment("b", &["10.0.0.0/8"])).await.is(201);
    let again = api.post("/api/v1/segments", &segment("a", &["10.0.0.0/8"])).await;
    assert_eq!(again.refused_as(409, "name_taken").pointers(), ["/name"]);
    let renamed = api.put("/api/v1/segments/b", &segment("a", &["10.0.0.0/8"])).await;
    renamed.refused_as(409, "name_taken");
}

#[tokio::test]
async fn what_a_group_needs_of_its_segment_cannot_go() {
    let api = TestApp::with_a_group().await;
    let before = api.everything().await;

    let deleted = api.delete("/api/v1/segments/frontend").await.refused_as(409, "in_use");
    assert!(deleted.said().contains("group web"), "{}", deleted.said());

    let narrowed = api.put("/api/v1/segments/frontend", &segment("frontend", &["198.51.100.0/24"])).await;
    let narrowed = narrowed.refused_as(409, "in_use");
    assert_eq!(narrowed.pointers(), ["/prefixes"]);
    assert!(narrowed.said().contains("192.0.2.10 of group web"), "{}", narrowed.said());
    assert_eq!(api.everything().await, before, "nothing changed");

    let widened = segment("frontend", &["198.51.100.0/24", "192.0.2.0/25"]);
    api.put("/api/v1/segments/frontend", &widened).await.is(200);

    let members = json!([external_member("old-keepalived", "198.51.100.4", 100)]);
    api.put("/api/v1/groups/web", &with(group("web"), "members", members)).await.is(200);
    let narrowed = api.put("/api/v1/segments/frontend", &segment("frontend", &["192.0.2.0/25"])).await;
    let said = narrowed.refused_as(409, "in_use").said();
    assert!(said.contains("198.51.100.4 of group web"), "an external member lives on it, too: {said}");
}

#[tokio::test]
async fn a_segment_counts_its_groups_and_can_be_renamed_under_them() {
    let api = TestApp::with_a_group().await;
    let second = with(with(group("mail"), "vrid", json!(52)), "virtual_addresses", json!(["192.0.2.20/24"]));
    api.post("/api/v1/groups", &second).await.is(201);
    let revisions = api.revisions().await;

    let renamed = api.put("/api/v1/segments/frontend", &segment("dmz", &["192.0.2.0/24"])).await.is(200);
    assert_eq!(renamed.body["status"], json!({"groups": 2}));
    assert_eq!(api.get("/api/v1/groups/web").await.body["segment"], "dmz");
    assert_eq!(api.revisions().await, revisions, "agents know nothing of segments");
}
