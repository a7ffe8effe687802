//! The audit log as the database keeps it.

use serde_json::json;
use sqlx::Executor;

use crate::harness::TestApp;
use crate::intent::{group, with};

#[tokio::test]
async fn the_application_role_appends_and_reads_and_can_do_nothing_else() {
    let app = TestApp::start().await;
    for statement in [
        "UPDATE audit_events SET action = 'forged'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DROP TABLE audit_events",
    ] {
        let error = app.app.db.execute(statement).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.to_string()));
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: insufficient privilege, not {error}");
    }
    assert_eq!(app.audit().await.len(), 1, "the entry of the first start is untouched");
}

#[tokio::test]
async fn not_even_the_owner_changes_an_entry_by_a_plain_statement() {
    let app = TestApp::start().await;
    let mut owner = app.owner().await;
    for statement in
        ["UPDATE audit_events SET action = 'forged'", "DELETE FROM audit_events", "TRUNCATE audit_events"]
    {
        let error = owner.execute(statement).await.expect_err(statement);
        assert!(error.to_string().contains("audit_events is append-only"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn a_change_is_recorded_with_its_caller_and_the_object() {
    let app = TestApp::start().await;
    app.token("ci", "viewer").await;
    let entries = app.audit().await;
    assert_eq!(entries[0]["action"], "token.create");
    assert_eq!(entries[0]["outcome"], "done");
    assert_eq!(entries[0]["actor"]["kind"], "token");
    assert_eq!(entries[0]["target_name"], "ci");
    assert_eq!(entries[0]["after"]["role"], "viewer");
    assert_eq!(entries[0]["recorded_at"], "2026-03-01T12:00:00.123456Z");
    assert!(entries[0]["request_id"].is_string());
}

#[tokio::test]
async fn a_refusal_is_recorded_whatever_the_caller_sent() {
    let app = TestApp::start().await;
    let long = format!("/api/v1/nodes/{}", "x".repeat(8000));
    for path in ["/api/v1/groups/a%00b", "/api/v1/segments/%1b%5b2J", &long] {
        app.delete(path).await.problem(404, "not_found");
        app.request("DELETE", path).bearer("baton_pat_x").send().await.problem(401, "unauthenticated");
    }
    let name = |entry: &serde_json::Value| entry["target_name"].as_str().unwrap().to_owned();
    let entries = app.audit().await;
    let refused: Vec<_> = entries.iter().filter(|entry| entry["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 6, "{entries:?}");
    assert_eq!((name(refused[5]).as_str(), name(refused[3]).as_str()), ("a\\0b", "\\u{1b}[2J"));
    assert!(refused.iter().all(|entry| name(entry).chars().count() <= 500), "{refused:?}");
}

#[tokio::test]
async fn a_refused_change_of_a_token_is_recorded_as_any_other() {
    let app = TestApp::start().await;
    let nobody = "018f4e6e-7c1a-7000-8000-000000000000";
    for (path, body) in [
        ("tokens", json!({"name": "ci", "role": "king"})),
        ("join-tokens", json!({"node": "lb1", "ttl_ms": 1})),
    ] {
        app.post(&format!("/api/v1/{path}"), &body).await.problem(422, "invalid");
        app.delete(&format!("/api/v1/{path}/{nobody}")).await.problem(404, "not_found");
    }
    app.token("ci", "viewer").await;
    app.post("/api/v1/tokens", json!({"name": "ci", "role": "viewer"})).await.problem(409, "name_taken");

    let entries = app.audit().await;
    let refused = entries.iter().rev().filter(|entry| entry["outcome"] == "refused");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let told: Vec<_> = refused
        .map(|entry| (text(&entry["action"]), text(&entry["target_name"]), text(&entry["after"]["reason"])))
        .collect();
    let wanted = [
        ("token.create", "", "/role"),
        ("token.delete", nobody, "not_found"),
        ("join_token.create", "", "/ttl_ms"),
        ("join_token.delete", nobody, "not_found"),
        ("token.create", "ci", "name_taken"),
    ];
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    for ((action, name, reason), told) in wanted.into_iter().zip(told) {
        assert_eq!((told.0.as_str(), told.1.as_str()), (action, name));
        assert!(told.2.contains(reason), "{told:?}");
    }
}

#[tokio::test]
async fn the_log_tells_the_story_of_a_group() {
    let app = TestApp::with_a_group().await;
    let changed = with(group("web"), "description", json!("for the shop"));
    let answer = app.request("PUT", "/api/v1/groups/web").header("x-request-id", "change-7").json(&changed);
    let id = answer.send().await.is(200).body["id"].clone();
    app.put("/api/v1/groups/web", with(group("web"), "vrid", json!(0))).await.is(422);
    let viewer = app.token("watcher", "viewer").await;
    app.request("DELETE", "/api/v1/groups/web").bearer(&viewer).send().await.is(403);
    app.delete("/api/v1/groups/web").await.is(204);

    let story = app.get("/api/v1/audit-events?group=web").await.is(200).body;
    let entries: Vec<_> = story["items"].as_array().unwrap().iter().rev().collect();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["outcome"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("group.create", "done"),
        ("group.update", "done"),
        ("group.update", "refused"),
        ("group.delete", "done"),
    ];
    assert_eq!(told, wanted);
    assert_eq!((&entries[0]["before"], &entries[0]["after"]["name"]), (&json!(null), &json!("web")));
    assert_eq!(entries[1]["before"]["description"], "the public web site");
    assert_eq!(
        (&entries[1]["after"]["description"], &entries[1]["target_id"]),
        (&json!("for the shop"), &id)
    );
    assert_eq!(entries[1]["request_id"], "change-7");
    assert_eq!(entries[1]["actor"]["kind"], "token");
    assert!(entries[2]["after"]["reason"].as_str().unwrap().contains("/vrid"), "{}", entries[2]);
    assert_eq!((&entries[3]["before"]["name"], &entries[3]["after"]), (&json!("web"), &json!(null)));

    let all = app.audit().await;
    let forbidden = all.iter().find(|entry| entry["action"] == "authorise").unwrap();
    assert_eq!((&forbidden["outcome"], &forbidden["actor"]["name"]), (&json!("refused"), &json!("watcher")));
    assert_eq!(forbidden["target_name"], "DELETE /api/v1/groups/web");
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains("baton_pat_") && !text.contains(&viewer), "no secret is in the log");
}
