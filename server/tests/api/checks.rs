//! Checks, every status code, and what groups track.

use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::intent::{check, group, node_member, tracked, with, written};

const CHECK: &str = "/api/v1/checks/nginx";
const WEB: &str = "/api/v1/groups/web";

#[tokio::test]
async fn a_check_is_created_shown_replaced_and_deleted() {
    let api = TestApp::start().await;
    let spec = check("nginx");
    let created = api.post("/api/v1/checks", &spec).await.is(201);
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!((created.location(), created.etag()), (format!("/api/v1/checks/{id}").as_str(), "\"1\""));
    assert_eq!(written(&created.body), spec, "as it was written");
    assert_eq!(created.body["status"], json!({"groups": []}));
    for path in [format!("/api/v1/checks/{id}"), CHECK.to_owned()] {
        let shown = api.get(&path).await.is(200);
        assert_eq!((&shown.body, shown.etag()), (&created.body, "\"1\""));
    }
    assert_eq!(api.put(CHECK, &spec).await.is(200).etag(), "\"1\"", "nothing changed");

    let process = json!({"kind": "process", "process": "nginx"});
    let changed = with(spec, "probe", process.clone());
    let replaced = api.put(CHECK, &changed).await.is(200);
    assert_eq!((replaced.etag(), written(&replaced.body)), ("\"2\"", changed));
    let least = json!({"name": "nginx", "probe": process});
    let usual = json!({"name": "nginx", "description": "", "probe": process, "interval_ms": 1000, "timeout_ms": 1000,
                       "rise": 2, "fall": 2});
    assert_eq!(
        written(&api.put(CHECK, &least).await.is(200).body),
        usual,
        "what is left out is what is usual"
    );

    let log = api.get("/api/v1/audit-events?limit=1").await.is(200).body;
    let event = &log["items"][0];
    assert_eq!((&event["action"], &event["before"]), (&json!("check.update"), &replaced.body));
    assert_eq!((&event["target_kind"], &event["after"]["generation"]), (&json!("check"), &json!(3)));
    api.delete(CHECK).await.is(204);
    api.get(CHECK).await.refused_as(404, "not_found");
    let audited = api.audited().await;
    let actions: Vec<_> =
        audited.iter().map(|(action, ..)| action.as_str()).filter(|word| word.starts_with("check")).collect();
    assert_eq!(actions, ["check.create", "check.update", "check.update", "check.delete"]);
}

#[tokio::test]
async fn bad_checks_are_refused_field_by_field_with_what_is_allowed() {
    let api = TestApp::start().await;
    let http = |field: &str, value: Value| {
        with(check("x"), "probe", with(check("x")["probe"].clone(), field, value))
    };
    let probe = |probe: Value| with(check("x"), "probe", probe);
    let field = |field: &str, value: Value| with(check("x"), field, value);
    let cases = [
        (field("name", json!("No Name")), "/name", "a-z"),
        (field("description", json!("x\u{0}")), "/description", "U+0000"),
        (field("interval_ms", json!(9)), "/interval_ms", "10 to 3600000"),
        (field("timeout_ms", json!(60_001)), "/timeout_ms", "10 to 60000"),
        (field("rise", json!(0)), "/rise", "1 to 100"),
        (field("fall", json!("2")), "/fall", "whole number"),
        (field("command", json!("reboot")), "/command", "not known here"),
        (field("status", json!({"groups": []})), "/status", "not known here"),
        (field("probe", json!(null)), "/probe", "must be an object"),
        (json!({"name": "x"}), "/probe", "is required"),
        (probe(json!({"kind": "exec"})), "/probe/kind", "script"),
        (probe(json!({"kind": "script", "script": "/bin/sh"})), "/probe/script", "is not a name"),
        (probe(json!({"kind": "file", "path": "/run/../etc/shadow"})), "/probe/path", "absolute"),
        (probe(json!({"kind": "file", "path": "/run/\u{0}"})), "/probe/path", "absolute"),
        (probe(json!({"kind": "process", "process": "/bin/sh"})), "/probe/process", "'/'"),
        (probe(json!({"kind": "interface", "interface": "eth0:1"})), "/probe/interface", "printable ASCII"),
        (probe(json!({"kind": "tcp", "address": "::", "port": 1})), "/probe/address", "host"),
        (probe(json!({"kind": "tcp", "port": 65_536})), "/probe/port", "1 to 65535"),
        (http("url", json!("http://localhost/")), "/probe/url", "IP address"),
        (http("url", json!("http://0.0.0.0/")), "/probe/url", "not the address of a host"),
        (http("host", json!("a\r\nX: y")), "/probe/host", "DNS"),
        (http("expected_status", json!([])), "/probe/expected_status", "1 to 16"),
        (http("expected_status", json!(vec!["200"; 17])), "/probe/expected_status", "1 to 16"),
        (http("expected_status", json!(["200", "2xx"])), "/probe/expected_status/1", "100 to 599"),
        (http("body_match", json!("(")), "/probe/body_match", "unclosed group"),
        (http("body_match", json!("x".repeat(501))), "/probe/body_match", "1 to 500"),
        (http("body_match", json!("(?:\\w{1000}){500}")), "/probe/body_match", "once compiled"),
        (http("verify_certificate", json!("no")), "/probe/verify_certificate", "true or false"),
    ];
    let before = api.everything().await;
    for (body, pointer, said) in cases {
        let refused = api.post("/api/v1/checks", &body).await.refused_as(422, "invalid");
        assert_eq!(refused.pointers(), [pointer], "{body}");
        assert!(refused.said().contains(said), "{said:?} is not in: {}", refused.said());
    }
    let many =
        json!({"name": "X", "probe": {"kind": "tcp", "port": 0, "args": []}, "interval_ms": 1, "colour": 1});
    let refused = api.post("/api/v1/checks", &many).await.refused_as(422, "invalid");
    assert_eq!(refused.pointers(), ["/name", "/probe/port", "/probe/args", "/interval_ms", "/colour"]);
    assert_eq!(api.everything().await, before, "nothing changed");
    api.post("/api/v1/checks", &check("nginx")).await.is(201);
    let again = api.post("/api/v1/checks", &check("nginx")).await;
    assert_eq!(again.refused_as(409, "name_taken").pointers(), ["/name"]);
}

#[tokio::test]
async fn a_group_tracks_checks_in_the_order_in_which_they_were_written() {
    let api = TestApp::with_one_of_each().await;
    api.post("/api/v1/checks", &check("app")).await.is(201);
    let track = json!([tracked("nginx", -30), {"check": "app", "weight": 0, "reverse": true}]);
    let tracking = with(group("web"), "track", track.clone());
    let changed = api.put(WEB, &tracking).await.is(200);
    assert_eq!((changed.etag(), written(&changed.body)), ("\"2\"", tracking.clone()));
    assert_eq!(api.get("/api/v1/groups").await.body["items"][0]["track"], track);
    assert_eq!(api.put(WEB, &tracking).await.is(200).etag(), "\"2\"", "nothing changed");
    assert_eq!(api.get(CHECK).await.body["status"], json!({"groups": ["web"]}));

    let deleted = api.delete(CHECK).await.refused_as(409, "in_use");
    assert!(deleted.said().contains("check nginx is used by group web"), "{}", deleted.said());
    let short = with(group("web"), "track", json!([{"check": "app"}]));
    let changed = api.put(WEB, &short).await.is(200);
    assert_eq!(changed.body["track"], json!([tracked("app", 0)]), "what is left out is what is usual");
    api.delete(CHECK).await.is(204);

    api.put("/api/v1/checks/app", &check("renamed")).await.is(200);
    let renamed = api.get(WEB).await;
    assert_eq!((&renamed.body["track"][0]["check"], renamed.etag()), (&json!("renamed"), "\"3\""));
    api.delete(WEB).await.is(204);
    api.delete("/api/v1/checks/renamed").await.is(204);
}

#[tokio::test]
async fn a_bad_track_names_its_place_and_changes_nothing() {
    let api = TestApp::with_one_of_each().await;
    let before = api.everything().await;
    let many: Vec<_> = (0..33).map(|number| tracked(&format!("c{number}"), 0)).collect();
    let cases = [
        (json!([tracked("apache", 0)]), "/track/0/check", "there is no check apache"),
        (json!([tracked("nginx", 0), tracked("nginx", 1)]), "/track/1/check", "each check once"),
        (json!([tracked("nginx", 254)]), "/track/0/weight", "-253 to 253"),
        (json!([{"check": "nginx", "reverse": 1}]), "/track/0/reverse", "true or false"),
        (json!([{"weight": 0}]), "/track/0/check", "is required"),
        (json!([{"check": "nginx", "priority": 3}]), "/track/0/priority", "not known here"),
        (json!("nginx"), "/track", "must be a list"),
        (json!(many), "/track", "0 to 32"),
    ];
    for (track, pointer, said) in cases {
        let refused = api.put(WEB, &with(group("web"), "track", track)).await.refused_as(422, "invalid");
        assert_eq!(refused.pointers(), [pointer], "{}", refused.said());
        assert!(refused.said().contains(said), "{said:?} is not in: {}", refused.said());
    }
    let owner = with(group("web"), "members", json!([node_member("lb1", "eth0", 255)]));
    let refused = api.put(WEB, &with(owner, "track", json!([tracked("nginx", -10)]))).await;
    let refused = refused.refused_as(422, "invalid");
    assert_eq!(refused.pointers(), ["/track"]);
    assert!(refused.said().contains("/members/0 owns the addresses"), "{}", refused.said());
    assert_eq!(api.everything().await, before, "nothing changed");
}

#[tokio::test]
async fn a_changed_check_is_news_to_the_nodes_that_run_it_and_to_nobody_else() {
    let api = TestApp::with_one_of_each().await;
    let other = with(with(group("other"), "vrid", json!(52)), "virtual_addresses", json!(["192.0.2.20/24"]));
    let other = with(other, "members", json!([node_member("lb2", "eth0", 240)]));
    api.post("/api/v1/groups", &with(other, "track", json!([tracked("nginx", 0)]))).await.is(201);
    let before = api.revisions().await;
    let counters = |all: &[(String, i64)]| all.iter().map(|(_, counter)| *counter).collect::<Vec<_>>();
    let faster = with(check("nginx"), "interval_ms", json!(100));
    api.put(CHECK, &faster).await.is(200);
    let after = api.revisions().await;
    assert_eq!(counters(&after), [counters(&before)[0], counters(&before)[1] + 1], "lb1 runs no check");
    api.put(CHECK, &faster).await.is(200);
    api.post("/api/v1/checks", &check("idle")).await.is(201);
    api.delete("/api/v1/checks/idle").await.is(204);
    assert_eq!(api.revisions().await, after, "nothing that anybody runs changed");
}
