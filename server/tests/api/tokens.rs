//! API tokens.

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use crate::harness::TestApp;

#[tokio::test]
async fn a_token_is_created_shown_listed_and_deleted() {
    let app = TestApp::start().await;
    let created = app.post("/api/v1/tokens", json!({"name": "ci", "role": "editor", "ttl_ms": 60_000})).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.body["id"].as_str().unwrap();
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(created.header("location"), Some(path.as_str()));
    assert_eq!(created.body["created_at"], "2026-03-01T12:00:00.123456Z");
    assert_eq!(created.body["expires_at"], "2026-03-01T12:01:00.123456Z");
    assert!(created.body["secret"].as_str().unwrap().starts_with("baton_pat_"));

    let shown = app.get(&path).await;
    assert_eq!(shown.status, 200);
    let mut expected = created.body.clone();
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!(shown.body, expected, "what is created is what is read, but for the secret");

    let listed = app.get("/api/v1/tokens").await;
    assert_eq!(listed.body["items"][1], expected);
    assert_eq!(listed.body["next_cursor"], json!(null));

    assert_eq!(app.delete(&path).await.status, 204);
    app.get(&path).await.problem(404, "not_found");
    app.delete(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_token_is_named_at_once() {
    let app = TestApp::start().await;
    let answer = app
        .post("/api/v1/tokens", json!({"name": "Not Good", "role": "king", "ttl_ms": 59_999, "x": 1}))
        .await;
    answer.problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/name", "/role", "/ttl_ms", "/x"]);
    let detail = answer.body["errors"][1]["detail"].as_str().unwrap();
    assert!(detail.contains("viewer") && detail.contains("admin"), "the allowed roles are named: {detail}");

    let answer = app.post("/api/v1/tokens", json!({})).await;
    answer.problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/name", "/role"]);
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let app = TestApp::start().await;
    app.token("ci", "viewer").await;
    let answer = app.post("/api/v1/tokens", json!({"name": "ci", "role": "viewer"})).await;
    answer.problem(409, "name_taken");
    assert_eq!(answer.pointers(), ["/name"]);
    assert!(answer.body["detail"].as_str().unwrap().contains("\"ci\""));
}

#[tokio::test]
async fn a_list_is_read_page_by_page_without_gap_or_repetition() {
    let app = TestApp::start().await;
    for name in ["a", "b", "c", "d"] {
        app.token(name, "viewer").await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/tokens?limit=2".to_owned();
    let mut pages = 0;
    loop {
        let page = app.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        pages += 1;
        let items = page.body["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("/api/v1/tokens?limit=2&cursor={cursor}");
    }
    assert_eq!(pages, 3);
    assert_eq!(names[1..], ["a", "b", "c", "d"], "after the admin's own");
}

#[tokio::test]
async fn unknown_repeated_and_senseless_parameters_are_refused() {
    let app = TestApp::start().await;
    for (query, pointers) in [
        ("limit=0", vec!["?limit"]),
        ("limit=501", vec!["?limit"]),
        ("limit=many&cursor=nothing", vec!["?limit", "?cursor"]),
        ("limit=1&limit=2", vec!["?limit"]),
        ("colour=red", vec!["?colour"]),
    ] {
        let answer = app.get(&format!("/api/v1/tokens?{query}")).await;
        answer.problem(400, "invalid_query");
        assert_eq!(answer.pointers(), pointers, "{query}");
    }
    let id = Uuid::nil();
    app.get(&format!("/api/v1/tokens/{id}?x=1")).await.problem(400, "invalid_query");
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let app = TestApp::start().await;
    let answer = app.post("/api/v1/tokens", json!({"name": "ci", "role": "viewer", "ttl_ms": 60_000})).await;
    let secret = answer.body["secret"].as_str().unwrap();
    let as_ci = || app.request("GET", "/api/v1/auth/self").bearer(secret);
    app.clock.advance(TimeDelta::milliseconds(59_999));
    assert_eq!(as_ci().send().await.status, 200);
    app.clock.advance(TimeDelta::milliseconds(1));
    as_ci().send().await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_deleted_token_takes_its_jwts_with_it_at_once() {
    let app = TestApp::start().await;
    let created = app.post("/api/v1/tokens", json!({"name": "ci", "role": "viewer"})).await;
    let secret = created.body["secret"].as_str().unwrap();
    let jwt = app.exchange(secret).await;
    let with = |credential: &str| app.request("GET", "/api/v1/auth/self").bearer(credential);
    assert_eq!(with(&jwt).send().await.status, 200);
    assert_eq!(app.delete(created.header("location").unwrap()).await.status, 204);
    with(&jwt).send().await.problem(401, "unauthenticated");
    with(secret).send().await.problem(401, "unauthenticated");
    let exchange = app.request("POST", "/api/v1/auth/token").json(&json!({"token": secret}));
    exchange.send().await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_secret_is_nowhere_but_in_the_answer_to_its_creation() {
    let app = TestApp::start().await;
    let secret = app.token("ci", "viewer").await;
    let (_, random) = secret.split_at(secret.len() - 43);
    let everything = [
        app.get("/api/v1/tokens").await.text,
        app.get("/api/v1/audit-events").await.text,
        sqlx::query_scalar::<_, String>("SELECT string_agg(t::text, ' ') FROM tokens t")
            .fetch_one(&mut app.owner().await)
            .await
            .unwrap(),
    ];
    for text in everything {
        assert!(text.contains("ci"), "it is about the token: {text}");
        assert!(!text.contains(random), "{text}");
    }
}
