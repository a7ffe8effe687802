//! `If-Match` and `If-None-Match`, PUT by name, and writers that meet.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::intent::{check, group, with};

/// One object of each kind that exists, with a changed body.
fn changes() -> [(&'static str, Value); 4] {
    [
        (
            "/api/v1/segments/frontend",
            json!({"name": "frontend", "description": "new", "prefixes": ["192.0.2.0/24"]}),
        ),
        ("/api/v1/nodes/lb1", json!({"name": "lb1", "description": "new"})),
        ("/api/v1/groups/web", with(group("web"), "description", json!("new"))),
        ("/api/v1/checks/nginx", with(check("nginx"), "description", json!("new"))),
    ]
}

#[tokio::test]
async fn a_change_of_another_version_is_refused_and_leaves_everything() {
    let api = TestApp::with_one_of_each().await;
    let before = api.everything().await;
    for (path, body) in changes() {
        api.put_if_match(path, "\"7\"", &body).await.refused_as(412, "precondition_failed");
        api.call("DELETE", path, &[("if-match", "\"7\"")], None).await.refused_as(412, "precondition_failed");
        api.call("PUT", path, &[("if-none-match", "*")], Some(&body))
            .await
            .refused_as(412, "precondition_failed");
    }
    assert_eq!(api.everything().await, before, "nothing changed");
    for (path, body) in changes() {
        let replaced = api.put_if_match(path, "\"1\"", &body).await.is(200);
        assert_eq!(replaced.etag(), "\"2\"");
        api.put_if_match(path, "*", &body).await.is(200);
    }
}

#[tokio::test]
async fn put_by_name_creates_unless_the_caller_expects_it_to_be_there() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let path = "/api/v1/groups/web";
    api.put_if_match(path, "\"1\"", &group("web")).await.refused_as(412, "precondition_failed");
    let created = api.call("PUT", path, &[("if-none-match", "*")], Some(&group("web"))).await.is(201);
    assert!(created.location().starts_with("/api/v1/groups/"));
    assert_eq!(created.etag(), "\"1\"");
}

#[tokio::test]
async fn put_creates_only_under_the_name_of_the_body() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let before = api.everything().await;
    let bodies = [
        ("segments", json!({"name": "a", "prefixes": ["10.0.0.0/8"]})),
        ("nodes", json!({"name": "a"})),
        ("groups", group("a")),
        ("checks", check("a")),
    ];
    for (kind, body) in bodies {
        let other = api.put(&format!("/api/v1/{kind}/b"), &body).await;
        assert_eq!(other.refused_as(422, "invalid").pointers(), ["/name"]);
        let id = format!("/api/v1/{kind}/018f4e6e-7c1a-7000-8000-000000000000");
        api.put(&id, &body).await.refused_as(404, "not_found");
        for no_name in ["Not%20A%20Name", "a%00b", "%F0%9F%8E%BC"] {
            let path = format!("/api/v1/{kind}/{no_name}");
            api.put(&path, &body).await.refused_as(404, "not_found");
            api.get(&path).await.refused_as(404, "not_found");
            api.delete(&path).await.refused_as(404, "not_found");
        }
    }
    assert_eq!(api.everything().await, before, "nothing changed");
}

#[tokio::test]
async fn of_two_writers_with_the_same_version_one_is_refused() {
    let api = TestApp::with_a_group().await;
    for round in 1..=5 {
        let etag = format!("\"{round}\"");
        let body = |who: &str| with(group("web"), "description", json!(format!("{who} in round {round}")));
        let (one, other) = (body("one"), body("other"));
        let (one, other) = tokio::join!(
            api.put_if_match("/api/v1/groups/web", &etag, &one),
            api.put_if_match("/api/v1/groups/web", &etag, &other),
        );
        let mut statuses = [one.status, other.status];
        statuses.sort();
        assert_eq!(statuses, [200, 412], "round {round}");
    }
    assert_eq!(api.get("/api/v1/groups/web").await.etag(), "\"6\"");
}

#[tokio::test]
async fn of_twenty_writers_of_one_vrid_exactly_one_wins() {
    let api = Arc::new(TestApp::with_a_segment_and_two_nodes().await);
    let writers: Vec<_> = (1..=20)
        .map(|number| {
            let api = Arc::clone(&api);
            let address = json!([format!("192.0.2.{}/24", 100 + number)]);
            let body = with(group(&format!("g{number}")), "virtual_addresses", address);
            tokio::spawn(async move { api.post("/api/v1/groups", &body).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for writer in writers {
        let answer = writer.await.unwrap();
        if answer.status != 201 {
            assert_eq!(answer.body["code"], "vrid_taken", "{:#}", answer.body);
        }
        statuses.push(answer.status);
    }
    let of = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((of(201), of(409)), (1, 19), "{statuses:?}");
    assert_eq!(api.get("/api/v1/groups").await.body["items"].as_array().unwrap().len(), 1);
    assert!(api.revisions().await.iter().all(|(_, counter)| *counter == 1), "the refused pushed nothing");
}

#[tokio::test]
async fn a_segment_cannot_lose_a_prefix_while_a_group_takes_an_address_of_it() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    for round in 0..5 {
        let both = json!({"name": "frontend", "prefixes": ["192.0.2.0/24", "198.51.100.0/24"]});
        api.put("/api/v1/segments/frontend", &both).await.is(200);
        let narrow = json!({"name": "frontend", "prefixes": ["198.51.100.0/24"]});
        let web = group("web");
        let (segment, group) =
            tokio::join!(api.put("/api/v1/segments/frontend", &narrow), api.put("/api/v1/groups/web", &web),);
        let outcome = (segment.status, group.status);
        let group_first = (409, 201);
        let segment_first = (200, 422);
        assert!(outcome == group_first || outcome == segment_first, "round {round}: {outcome:?}");
        if outcome == group_first {
            api.delete("/api/v1/groups/web").await.is(204);
        }
    }
}

#[tokio::test]
async fn a_precondition_that_is_none_is_refused_and_never_taken_for_another() {
    let api = TestApp::with_one_of_each().await;
    let before = api.everything().await;
    for (path, body) in changes() {
        for wrong in ["1", "\"1", "", "W/1", "\"1\" \"2\"", "\"1\", *"] {
            for name in ["if-match", "if-none-match"] {
                let put = api.call("PUT", path, &[(name, wrong)], Some(&body)).await;
                let said = put.refused_as(400, "invalid_header").said();
                assert!(said.contains("quotes included"), "{said}");
                api.call("DELETE", path, &[(name, wrong)], None).await.refused_as(400, "invalid_header");
            }
        }
        api.put_if_match(path, "W/\"1\"", &body).await.refused_as(412, "precondition_failed");
    }
    assert_eq!(api.everything().await, before, "nothing changed");
    for (path, body) in changes() {
        api.put_if_match(path, "\"7\", \"1\"", &body).await.is(200);
    }
}
