//! What every request meets: ids, limits, media types, problems.

use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let app = TestApp::start().await;
    app.get("/api/v1/nothing").await.problem(404, "not_found");
    app.get("/api/v1/tokens/not-an-id").await.problem(404, "not_found");
    app.get("/").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_a_problem() {
    let app = TestApp::start().await;
    let post = || app.request("POST", "/api/v1/tokens");
    let json = || post().header("content-type", "application/json; charset=utf-8");
    json().body("{\"name\": ").send().await.problem(400, "malformed_json");
    json().send().await.problem(400, "malformed_json");
    json().body("[]").send().await.problem(422, "invalid");
    post().body("{}").send().await.problem(415, "unsupported_media_type");
    post()
        .header("content-type", "text/plain")
        .body("{}")
        .send()
        .await
        .problem(415, "unsupported_media_type");
    json().body(vec![b' '; 256 * 1024 + 1]).send().await.problem(413, "too_large");
}

#[tokio::test]
async fn a_request_id_is_taken_over_when_it_is_sane_and_made_otherwise() {
    let app = TestApp::start().await;
    let with = |id: &str| app.request("GET", "/livez").header("x-request-id", id);
    assert_eq!(with("a-b.c_9").send().await.header("x-request-id"), Some("a-b.c_9"));
    for odd in ["", "a b", "a\"b", &"x".repeat(65)] {
        let answer = with(odd).send().await;
        let id = answer.header("x-request-id").unwrap();
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{odd:?} became {id}");
    }
}

#[tokio::test]
async fn health_is_open_and_metrics_count_what_was_answered() {
    let app = TestApp::start().await;
    for path in ["/livez", "/readyz"] {
        let answer = app.request("GET", path).anonymous().send().await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"status": "ok"})), "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = app.get(&format!("{path}?verbose=1")).await;
        assert_eq!(answer.problem(400, "invalid_query")["errors"][0]["pointer"], "?verbose", "{path}");
    }
    baton_server::metrics::install();
    app.get("/readyz").await;
    let metrics = app.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let counted = "baton_http_requests_total{method=\"GET\",route=\"/readyz\",status=\"200\"}";
    assert!(metrics.text.contains(counted), "{}", metrics.text);
    app.request("GET", "/metrics").anonymous().send().await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn without_the_database_the_answer_is_503_and_nothing_of_its_inside_shows() {
    let app = TestApp::start().await;
    app.app.db.close().await;
    for path in ["/readyz", "/api/v1/tokens", "/api/v1/auth/self"] {
        let answer = app.get(path).await;
        answer.problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.text.contains("pool"), "{}", answer.text);
    }
    assert_eq!(app.get("/livez").await.status, 200, "the process lives on");
}
