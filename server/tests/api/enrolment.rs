//! Enrolment: one join token, one node, one identity.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::agent::{Agent, Channel, Key, enrol};
use crate::listening::Server;
use api_types::channel::SUBPROTOCOL;

/// What the audit log says about enrolments, the newest first.
async fn enrolments(server: &Server) -> Vec<(String, String, Value)> {
    let log = server.audit().await;
    let events = log.iter();
    events
        .filter(|event| event["action"] == "node.enrol")
        .map(|event| {
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            (text("outcome"), text("target_name"), event["after"].clone())
        })
        .collect()
}

#[tokio::test]
async fn an_agent_enrols_as_the_node_that_its_token_names() {
    let server = Server::start().await;
    let token = server.join_token("lb1", 600_000).await;
    let key = Key::generate();
    let (status, body) = enrol(&server, &token, &key.public_text()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["node"], "lb1");
    assert!(body["ca_pem"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));

    let node = server.get("/api/v1/nodes/lb1").await;
    assert_eq!(node["id"], body["node_id"]);
    assert_eq!(node["status"]["enrolled"], true);
    let stored: Vec<u8> = sqlx::query_scalar("SELECT public_key FROM nodes WHERE name = 'lb1'")
        .fetch_one(server.db())
        .await
        .unwrap();
    assert_eq!(stored, key.public());
    let log = enrolments(&server).await;
    assert_eq!((log.len(), log[0].0.as_str(), log[0].1.as_str()), (1, "done", "lb1"));
    assert_eq!(log[0].2["node_created"], true);
    let tokens = server.get("/api/v1/join-tokens").await;
    assert_ne!(tokens["items"][0]["used_at"], Value::Null);
}

#[tokio::test]
async fn a_node_that_is_there_keeps_its_id() {
    let server = Server::start().await;
    let node = server.put("/api/v1/nodes/lb1", json!({"name": "lb1", "description": "rack 3"})).await;
    let agent = Agent::enrol(&server, "lb1").await;
    assert_eq!(node["id"], agent.node.to_string());
    assert_eq!(server.get("/api/v1/nodes/lb1").await["description"], "rack 3");
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_and_recorded() {
    let server = Server::start().await;
    let foreign = Server::start().await.join_token("lb1", 600_000).await;
    let used = server.join_token("lb1", 600_000).await;
    let key = Key::generate();
    assert_eq!(enrol(&server, &used, &key.public_text()).await.0, 200);
    let expired = server.join_token("lb2", 1_000).await;
    let good = server.join_token("lb3", 600_000).await;
    server.advance(TimeDelta::milliseconds(1_000));

    // The id of one token with the secret of another.
    let crossed = format!("{}{}", &good[..43], &foreign[43..]);
    let long = format!("{good}x");
    let cases = [
        ("used", used.as_str(), "used already", "lb1"),
        ("expired", &expired, "expired", "lb2"),
        ("of another server", &foreign, "not known", ""),
        ("with the secret of another", &crossed, "not known", ""),
        ("cut short", &good[..80], "not of the form", ""),
        ("with something behind it", &long, "not of the form", ""),
        ("an API token", "baton_pat_00000000000000000000000000000000_x", "not of the form", ""),
        ("nothing", "", "not of the form", ""),
    ];
    for (number, (case, token, reason, node)) in cases.into_iter().enumerate() {
        let (status, body) = enrol(&server, token, &Key::generate().public_text()).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("unauthenticated")), "{case}: {body}");
        assert!(body["detail"].as_str().unwrap().contains(reason), "{case}: {body}");
        assert!(!body.to_string().contains(&good), "{case}: the answer repeats no token");
        let log = enrolments(&server).await;
        assert_eq!(log.len(), number + 2, "{case}: one record more");
        assert_eq!(log[0].0, "refused", "{case}");
        assert!(log[0].2["reason"].as_str().unwrap().contains(reason), "{case}: {:?}", log[0]);
        if !node.is_empty() {
            assert_eq!(log[0].1, node, "{case}");
        }
    }
    let nodes = server.get("/api/v1/nodes").await;
    assert_eq!(nodes["items"].as_array().unwrap().len(), 1, "no refusal made a node");
    assert_eq!(
        enrol(&server, &good, &Key::generate().public_text()).await.0,
        200,
        "nor used the good token up"
    );
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_does_not_use_the_token_up() {
    let server = Server::start().await;
    let token = server.join_token("lb1", 600_000).await;
    for key in ["", "AAAA", &"A".repeat(44), &"*".repeat(43)] {
        let (status, body) = enrol(&server, &token, key).await;
        assert_eq!(
            (status, body["errors"][0]["pointer"].as_str()),
            (422, Some("/public_key")),
            "{key}: {body}"
        );
    }
    let body = json!({"join_token": token, "public_key": Key::generate().public_text(), "agent_version": "1",
                      "node": "lb2"});
    let answer = server.anonymous("POST", "/api/v1/enrolment").json(&body).send().await;
    answer.problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/node"]);
    assert_eq!(enrol(&server, &token, &Key::generate().public_text()).await.0, 200);
}

#[tokio::test]
async fn the_key_of_one_node_is_not_taken_for_another() {
    let server = Server::start().await;
    let first = Agent::enrol(&server, "lb1").await;
    let token = server.join_token("lb2", 600_000).await;
    let (status, body) = enrol(&server, &token, &first.key.public_text()).await;
    assert_eq!((status, body["errors"][0]["pointer"].as_str()), (422, Some("/public_key")), "{body}");
    assert_eq!(
        enrol(&server, &token, &Key::generate().public_text()).await.0,
        200,
        "the token is still good"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_hosts_with_one_token_become_one_identity() {
    let server = Server::start().await;
    let token = server.join_token("lb1", 600_000).await;
    let attempts = (0..100).map(|_| async {
        let key = Key::generate();
        let (status, body) = enrol(&server, &token, &key.public_text()).await;
        (status, body, key)
    });
    let answers = futures_util::future::join_all(attempts).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, ..)| *status == 200);
    assert_eq!((won.len(), lost.len()), (1, 99));
    for (status, body, _) in &lost {
        assert_eq!(*status, 401, "{body}");
    }
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT public_key FROM nodes").fetch_all(server.db()).await.unwrap();
    assert_eq!(stored, [won[0].2.public()]);
    let done = enrolments(&server).await.into_iter().filter(|(outcome, ..)| outcome == "done").count();
    assert_eq!(done, 1);
}

#[tokio::test]
async fn a_fresh_token_replaces_the_key_and_ends_the_session_of_the_old_one() {
    let server = Server::start().await;
    let old = Agent::enrol(&server, "lb1").await;
    let mut channel = old.connect(&server, "192.0.2.1").await;
    let new = Agent::enrol(&server, "lb1").await;
    assert_eq!(old.node, new.node);
    assert_eq!(u16::from(channel.closed().await.code), 4001);

    let refused = Channel::open(&server, Some(&old.jwt(&server)), Some(SUBPROTOCOL)).await;
    assert_eq!(refused.err().expect("the old key is not accepted").status(), 401);
    new.connect(&server, "192.0.2.1").await;
}

#[tokio::test]
async fn an_agent_that_did_not_get_the_answer_asks_again_and_gets_the_same_identity() {
    let server = Server::start().await;
    let token = server.join_token("lb1", 600_000).await;
    let (key, other) = (Key::generate(), Key::generate());
    let first = enrol(&server, &token, &key.public_text()).await;
    assert_eq!(first.0, 200, "{}", first.1);
    let before = server.get("/api/v1/nodes/lb1").await;
    for _ in 0..3 {
        assert_eq!(enrol(&server, &token, &key.public_text()).await, first);
    }
    assert_eq!(server.get("/api/v1/nodes/lb1").await, before);
    let done = |log: &[(String, String, Value)]| log.iter().filter(|entry| entry.0 == "done").count();
    assert_eq!(done(&enrolments(&server).await), 1, "audited once");

    let (status, body) = enrol(&server, &token, &other.public_text()).await;
    assert_eq!(status, 401, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("used already"), "{body}");
    assert_eq!(enrolments(&server).await[0].0, "refused");

    server.advance(TimeDelta::milliseconds(600_000));
    assert_eq!(enrol(&server, &token, &key.public_text()).await.0, 401, "not beyond the life of the token");
}

#[tokio::test]
async fn a_spent_token_does_not_bring_back_a_key_that_was_replaced() {
    let server = Server::start().await;
    let token = server.join_token("lb1", 600_000).await;
    let key = Key::generate();
    assert_eq!(enrol(&server, &token, &key.public_text()).await.0, 200);
    Agent::enrol(&server, "lb1").await;
    assert_eq!(enrol(&server, &token, &key.public_text()).await.0, 401);
    server.delete("/api/v1/nodes/lb1").await;
    assert_eq!(enrol(&server, &token, &key.public_text()).await.0, 401);
    assert_eq!(server.get("/api/v1/nodes").await["items"], json!([]), "nor a node that was deleted");
}
