//! Nodes, every status code.

use serde_json::json;

use crate::harness::TestApp;
use crate::intent::{external_member, group, node_member, with, written};
use crate::listening::{Server, conditions, eventually_shows, make_group};
use crate::pair::two_agents;

#[tokio::test]
async fn a_node_is_created_shown_replaced_and_deleted() {
    let api = TestApp::start().await;
    let spec = json!({"name": "lb1", "description": "rack 3"});
    let created = api.put("/api/v1/nodes/lb1", &spec).await.is(201);
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!(created.location(), format!("/api/v1/nodes/{id}"));
    assert_eq!(written(&created.body), spec);
    let status = &created.body["status"];
    assert_eq!((&status["enrolled"], &status["connected"]), (&json!(false), &json!(false)));
    assert_eq!((&status["interfaces"], &status["conditions"]), (&json!(null), &json!([])));

    let shown = api.get(&format!("/api/v1/nodes/{id}")).await.is(200);
    assert_eq!((&shown.body, shown.etag()), (&created.body, "\"1\""));

    let changed = json!({"name": "lb1", "description": "rack 4"});
    let replaced = api.put(&format!("/api/v1/nodes/{id}"), &changed).await.is(200);
    assert_eq!((written(&replaced.body), replaced.etag()), (changed, "\"2\""));

    api.delete("/api/v1/nodes/lb1").await.is(204);
    api.get("/api/v1/nodes/lb1").await.refused_as(404, "not_found");
    api.delete("/api/v1/nodes/lb1").await.refused_as(404, "not_found");
}

#[tokio::test]
async fn bad_nodes_are_refused_field_by_field() {
    let api = TestApp::start().await;
    let before = api.everything().await;
    let cases = [
        (json!({"name": "-lb1"}), vec!["/name"]),
        (json!({"name": "018f4e6e-7c1a-7000-8000-000000000000"}), vec!["/name"]),
        (json!({"name": "lb1", "description": "a\u{0}b"}), vec!["/description"]),
        (json!({"description": 7, "role": "master"}), vec!["/name", "/description", "/role"]),
    ];
    for (body, wanted) in cases {
        let refused = api.post("/api/v1/nodes", &body).await;
        let refused = refused.refused_as(422, "invalid");
        assert_eq!(refused.pointers(), wanted, "{body}");
    }
    assert_eq!(api.everything().await, before, "nothing changed");
}

#[tokio::test]
async fn a_member_of_a_group_cannot_be_deleted() {
    let api = TestApp::with_a_group().await;
    let before = api.everything().await;
    let refused = api.delete("/api/v1/nodes/lb1").await.refused_as(409, "in_use");
    assert!(refused.said().contains("group web"), "{}", refused.said());
    assert_eq!(api.everything().await, before, "nothing changed");
    api.delete("/api/v1/groups/web").await.is(204);
    api.delete("/api/v1/nodes/lb1").await.is(204);
}

#[tokio::test]
async fn a_node_whose_agent_may_hold_addresses_is_deleted_only_by_force() {
    let server = Server::start().await;
    let (cut_off, back) = two_agents(&server).await;
    make_group(&server, "web", 51, &["lb1", "lb2"]).await;
    for agent in [&cut_off, &back] {
        let mut channel = agent.connect(&server, "192.0.2.1").await;
        let state = channel.desired().await;
        channel.applied(state.revision, &state.digest).await;
        let path = format!("/api/v1/nodes/{}", agent.node);
        let runs = json!(state.revision);
        eventually_shows(&server, &path, |node| node["status"]["applied_revision"] == runs).await;
        channel.drop_dead();
        eventually_shows(&server, &path, |node| node["status"]["connected"] == false).await;
    }
    server.delete("/api/v1/groups/web").await;

    let path = "/api/v1/nodes/lb1";
    let node = server.get(path).await;
    assert_ne!(node["status"]["applied_revision"], node["status"]["desired_revision"]);
    assert_eq!(conditions(&node), ["agent_disconnected"], "that it has not heard of it is there to be seen");
    for way in ["", "?force=false"] {
        let refused = server.request("DELETE", &format!("{path}{way}")).send().await;
        let refused = refused.refused_as(409, "agent_behind");
        assert!(refused.said().contains("force=true"), "{}", refused.said());
        assert_eq!(server.audit().await[0]["outcome"], "refused");
    }
    let unread = server.request("DELETE", &format!("{path}?force=yes")).send().await;
    assert_eq!(unread.refused_as(400, "invalid_query").pointers(), ["?force"]);
    server.get(path).await;

    server.delete(&format!("{path}?force=true")).await;
    let entry = &server.audit().await[0];
    assert_eq!((&entry["action"], &entry["after"]), (&json!("node.delete"), &json!({"forced": true})));
    assert_eq!(entry["before"]["status"]["applied_revision"], node["status"]["applied_revision"]);

    let mut channel = back.connect(&server, "192.0.2.2").await;
    let state = channel.desired().await;
    assert_eq!(state.groups, []);
    channel.applied(state.revision, &state.digest).await;
    let runs = json!(state.revision);
    let let_go = |node: &serde_json::Value| node["status"]["applied_revision"] == runs;
    eventually_shows(&server, "/api/v1/nodes/lb2", let_go).await;
    server.delete("/api/v1/nodes/lb2").await;
    assert_eq!(server.audit().await[0]["after"], json!(null), "no force was needed");
}

#[tokio::test]
async fn a_renamed_node_reaches_every_agent_that_knows_the_name() {
    let api = TestApp::with_a_group().await;
    api.post("/api/v1/nodes", &json!({"name": "lonely"})).await.is(201);
    api.put("/api/v1/nodes/lb1", &json!({"name": "lb1", "description": "rack 3"})).await.is(200);
    let told = |name: &str, times: i64| (name.to_owned(), times);
    let described = [told("lb1", 1), told("lb2", 1), told("lonely", 0)];
    assert_eq!(api.revisions().await, described, "no agent knows descriptions");

    api.put("/api/v1/nodes/lb1", &json!({"name": "alpha"})).await.is(200);
    assert_eq!(api.revisions().await, [told("alpha", 2), told("lb2", 2), told("lonely", 0)]);
    let members = api.get("/api/v1/groups/web").await.body["members"].clone();
    assert_eq!(members, json!([node_member("lb2", "eth0", 200), node_member("alpha", "eth0", 240)]));
}

#[tokio::test]
async fn a_name_belongs_to_one_node_and_to_no_external_member() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    api.post("/api/v1/nodes", &json!({"name": "lb1"})).await.refused_as(409, "name_taken");
    api.put("/api/v1/nodes/lb2", &json!({"name": "lb1"})).await.refused_as(409, "name_taken");

    let members = json!([node_member("lb1", "eth0", 240), external_member("old", "192.0.2.4", 100)]);
    api.post("/api/v1/groups", &with(group("web"), "members", members)).await.is(201);
    let refused = api.post("/api/v1/nodes", &json!({"name": "old"})).await;
    let refused = refused.refused_as(409, "name_taken");
    assert!(refused.said().contains("group web"), "{}", refused.said());
}
