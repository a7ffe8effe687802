//! Join tokens: handing them out. Using them is enrolment.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn a_join_token_names_its_node_and_pins_the_authority() {
    let app = TestApp::start().await;
    let created = app.post("/api/v1/join-tokens", json!({"node": "lb1"})).await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.body["expires_at"], "2026-03-01T12:10:00.123456Z", "ten minutes by default");
    assert_eq!(created.body["used_at"], json!(null));
    let secret = created.body["secret"].as_str().unwrap();
    assert!(secret.starts_with("baton_join_"));
    let pin = &secret[secret.len() - 43..];
    assert_eq!(pin, URL_SAFE_NO_PAD.encode(app.app.authority.spki_sha256));

    let path = created.header("location").unwrap();
    let shown = app.get(path).await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.body.get("secret"), None);
    assert_eq!(app.get("/api/v1/join-tokens").await.body["items"], json!([shown.body]));
    assert_eq!(app.delete(path).await.status, 204);
    app.get(path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_join_token_lives_between_a_second_and_a_day() {
    let app = TestApp::start().await;
    for (ttl_ms, status) in [(999, 422), (1_000, 201), (86_400_000, 201), (86_400_001, 422)] {
        let answer = app.post("/api/v1/join-tokens", json!({"node": "lb1", "ttl_ms": ttl_ms})).await;
        assert_eq!(answer.status, status, "{ttl_ms}: {}", answer.text);
    }
    let answer = app.post("/api/v1/join-tokens", json!({"node": "LB 1", "ttl_ms": 5, "y": 0})).await;
    answer.problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/node", "/ttl_ms", "/y"]);
}
