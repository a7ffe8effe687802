//! Who may do what.

use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn the_first_start_gives_the_admin_a_token_and_says_so_in_the_log() {
    let app = TestApp::start().await;
    let me = app.get("/api/v1/auth/self").await;
    assert_eq!(me.status, 200);
    assert_eq!(me.body["role"], "admin");
    let entry = app.audit().await.pop().unwrap();
    assert_eq!(entry["action"], "token.create");
    assert_eq!(entry["actor"]["kind"], "server");
    assert_eq!(entry["target_id"], me.body["actor"]["id"]);
}

#[tokio::test]
async fn a_role_does_what_it_may_and_nothing_else() {
    let app = TestApp::start().await;
    for (role, tokens, audit) in [
        ("viewer", 403, 403),
        ("operator", 403, 403),
        ("editor", 403, 403),
        ("auditor", 403, 200),
        ("admin", 200, 200),
    ] {
        let token = app.token(&format!("a-{role}"), role).await;
        let get = |path: &'static str| app.request("GET", path).bearer(&token).send();
        assert_eq!(get("/api/v1/auth/self").await.body["role"], role);
        assert_eq!(get("/api/v1/tokens").await.status, tokens, "{role}");
        assert_eq!(get("/api/v1/join-tokens").await.status, tokens, "{role}");
        assert_eq!(get("/api/v1/audit-events").await.status, audit, "{role}");
        assert_eq!(get("/metrics").await.status, 200, "{role}");
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_is_recorded_with_who_and_where() {
    let app = TestApp::start().await;
    let viewer = app.token("looker", "viewer").await;
    let request = app.request("POST", "/api/v1/tokens").bearer(&viewer).header("x-request-id", "req-7");
    let answer = request.json(&json!({"name": "more", "role": "admin"})).send().await;
    let problem = answer.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("tokens.manage"));

    let entry = &app.audit().await[0];
    assert_eq!(entry["outcome"], "refused");
    assert_eq!(entry["action"], "authorise");
    assert_eq!(entry["actor"]["name"], "looker");
    assert_eq!(entry["target_name"], "POST /api/v1/tokens");
    assert_eq!(entry["request_id"], "req-7");
    assert_eq!(
        app.get("/api/v1/tokens").await.body["items"].as_array().unwrap().len(),
        2,
        "nothing was made"
    );
}

#[tokio::test]
async fn a_wrong_credential_is_refused_with_the_servers_time_and_recorded() {
    let app = TestApp::start().await;
    let forged = format!("{}x", &app.admin[..app.admin.len() - 1]);
    for authorization in [format!("Bearer {forged}"), "Bearer nonsense".to_owned(), "Basic YTpi".to_owned()] {
        let before = app.audit().await.len();
        let request = app.request("GET", "/api/v1/tokens").anonymous();
        let answer = request.header("authorization", &authorization).send().await;
        let problem = answer.problem(401, "unauthenticated");
        assert_eq!(problem["server_time"], "2026-03-01T12:00:00.123456Z");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let entries = app.audit().await;
        assert_eq!(entries.len(), before + 1, "{authorization}");
        assert_eq!(entries[0]["action"], "authenticate");
        assert_eq!(entries[0]["actor"]["kind"], "anonymous");
        assert!(!entries[0].to_string().contains(&forged), "the credential itself is not recorded");
    }
}

#[tokio::test]
async fn a_failed_exchange_is_refused_and_recorded() {
    let app = TestApp::start().await;
    for token in ["baton_pat_", "nonsense", &app.admin[..40]] {
        let request = app.request("POST", "/api/v1/auth/token").anonymous();
        request.json(&json!({"token": token})).send().await.problem(401, "unauthenticated");
    }
    let refused = app.audit().await.into_iter().filter(|entry| entry["outcome"] == "refused").count();
    assert_eq!(refused, 3);
}

#[tokio::test]
async fn a_flood_of_refusals_does_not_fill_the_log() {
    let app = TestApp::start().await;
    for _ in 0..200 {
        let request = app.request("GET", "/api/v1/tokens").bearer("nonsense");
        assert_eq!(request.send().await.status, 401);
    }
    let refused = app.audit().await.into_iter().filter(|entry| entry["outcome"] == "refused").count();
    assert_eq!(refused, 120);
    app.clock.advance(chrono::TimeDelta::minutes(1));
    app.request("GET", "/api/v1/tokens").bearer("nonsense").send().await;
    assert_eq!(app.audit().await[0]["after"]["left_out_before"], 80);
}
