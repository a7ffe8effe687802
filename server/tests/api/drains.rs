//! Drains: a node takes no part in its groups until an operator says so.

use api_types::channel::{AgentMessage, ServerMessage};
use api_types::transition::State;
use serde_json::{Value, json};

use crate::listening::{Server, conditions, eventually_shows, make_group};
use crate::pair::{Pair, two_agents};

const DRAIN: &str = "/api/v1/nodes/lb1/drain";

#[tokio::test]
async fn a_drained_node_is_told_to_take_no_part_until_that_is_over() {
    let mut pair = Pair::start().await;
    let drain = json!({"reason": "new power supply"});
    let answer = pair.server.request("PUT", DRAIN).json(&drain).send().await;
    assert_eq!((answer.status, &answer.body["reason"]), (201, &drain["reason"]), "{}", answer.text);
    let told = drained(&mut pair, true).await;
    assert!(told.is_intact());
    let node = pair.server.get("/api/v1/nodes/lb1").await;
    assert_eq!((&node["status"]["drain"], conditions(&node)), (&answer.body, vec!["drained"]));
    let web = pair.server.get("/api/v1/groups/web").await;
    assert_eq!(conditions(&web), ["drained"]);
    assert_eq!(web["status"]["members"][0]["not_ready_because"], "lb1 is drained");
    assert_eq!(web["status"]["active"], json!(["lb1"]), "it holds until it says otherwise");

    let again = pair.server.request("PUT", DRAIN).json(&json!({"reason": "and a fan"})).send().await;
    assert_eq!((again.status, &again.body["since"]), (200, &answer.body["since"]), "{}", again.text);
    assert_eq!(pair.server.get(DRAIN).await["reason"], "and a fan");

    // Neither a new session nor a new boot of the agent, nor another server, forgets it.
    let another = pair.server.beside().await;
    let restarted = pair.one.restarted();
    let mut channel = restarted.connect_knowing_all(&another, "192.0.2.1").await;
    assert!(channel.desired().await.groups[0].drained);
    for _ in 0..2 {
        another.delete(DRAIN).await;
    }
    let told = loop {
        if let ServerMessage::DesiredState(state) = channel.hear().await {
            break state;
        }
    };
    assert!(!told.groups[0].drained);
    assert_eq!(conditions(&another.get("/api/v1/nodes/lb1").await), Vec::<&str>::new());
    another.request("GET", DRAIN).send().await.problem(404, "not_found");
    let log = another.audit().await;
    let actions: Vec<_> = log.iter().map(|event| event["action"].as_str().unwrap()).collect();
    let of = |action: &str| actions.iter().filter(|one| **one == action).count();
    assert_eq!((of("node.drain"), of("node.undrain")), (2, 1), "{actions:?}");
}

/// The next desired state of lb1 that says so of its only group.
async fn drained(pair: &mut Pair, wanted: bool) -> api_types::channel::DesiredState {
    loop {
        if let ServerMessage::DesiredState(state) = pair.first.hear().await
            && state.groups[0].drained == wanted
        {
            return state;
        }
    }
}

#[tokio::test]
async fn a_node_is_drained_where_nobody_else_is_ready_only_by_force() {
    let mut pair = Pair::start().await;
    make_group(&pair.server, "alone", 52, &["lb1"]).await;
    pair.second_says(State::Fault, None).await;
    let faulty = |group: &Value| group["status"]["members"][1]["state"] == "fault";
    eventually_shows(&pair.server, "/api/v1/groups/web", faulty).await;
    let answer = pair.server.request("PUT", DRAIN).json(&json!({})).send().await;
    let problem = answer.problem(409, "no_ready_member");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("group alone: it has no other member; group web: lb2 is in fault"), "{detail}");
    pair.server.request("GET", DRAIN).send().await.problem(404, "not_found");

    let forced = pair.server.request("PUT", &format!("{DRAIN}?force=true")).json(&json!({})).send().await;
    assert_eq!(forced.status, 201, "{}", forced.text);
    let entry = pair.server.audit().await.into_iter().find(|event| event["outcome"] == "done").unwrap();
    assert_eq!((&entry["action"], &entry["after"]["forced"]), (&json!("node.drain"), &json!(true)));
}

#[tokio::test]
async fn a_drain_ends_the_switchovers_to_the_node() {
    let mut pair = Pair::start().await;
    let path = "/api/v1/groups/web/switchovers";
    let asked = pair.server.request("POST", path).json(&json!({"to": "lb2"})).send().await;
    pair.second_says(State::Active, None).await;
    pair.first_says(State::Backup, Some("192.0.2.2")).await;
    let held = |group: &Value| {
        group["status"]["active"] == json!(["lb2"]) && group["status"]["members"][0]["ready"] == true
    };
    eventually_shows(&pair.server, "/api/v1/groups/web", held).await;
    pair.server.put("/api/v1/nodes/lb2/drain", json!({})).await;
    let path = format!("{path}/{}", asked.body["id"].as_str().unwrap());
    let record = pair.server.get(&path).await;
    assert_eq!((&record["state"], &record["reason"]), (&json!("ended"), &json!("lb2 was drained")));
}

#[tokio::test]
async fn an_agent_that_knows_no_drains_is_told_of_none() {
    let server = Server::start().await;
    let (one, two) = two_agents(&server).await;
    make_group(&server, "web", 51, &["lb1", "lb2"]).await;
    let _other = two.connect_knowing_all(&server, "192.0.2.2").await;
    let mut channel = one.connect(&server, "192.0.2.1").await;
    let before = channel.desired_where(|state| state.groups[0].peers[0].address.is_some()).await;
    let refused = server.request("PUT", DRAIN).json(&json!({})).send().await;
    let problem = refused.problem(409, "not_ready");
    assert!(problem["detail"].as_str().unwrap().contains("knows nothing of drains: update it"), "{problem}");
    let forced = server.request("PUT", &format!("{DRAIN}?force=true")).json(&json!({})).send().await;
    assert_eq!(forced.status, 201, "{}", forced.text);
    let after = channel.desired_where(|state| state.revision > before.revision).await;
    assert!(after.is_intact() && !after.groups[0].drained);

    let mut hello = one.hello("192.0.2.1");
    hello.capabilities = vec!["drain".to_owned()];
    let mut updated = one.open(&server).await;
    updated.say(AgentMessage::Hello(hello)).await;
    assert!(matches!(updated.hear().await, ServerMessage::Welcome(_)));
    assert!(updated.desired().await.groups[0].drained, "once it is updated it is drained");
}

#[tokio::test]
async fn operators_move_addresses_and_viewers_do_not() {
    let pair = Pair::start().await;
    for (role, allowed) in [("viewer", false), ("auditor", false), ("operator", true), ("editor", true)] {
        let token = pair.server.request("POST", "/api/v1/tokens").json(&json!({"name": role, "role": role}));
        let secret = token.send().await.body["secret"].as_str().unwrap().to_owned();
        let drain = pair.server.request("PUT", DRAIN).bearer(&secret).json(&json!({})).send().await;
        let path = "/api/v1/groups/web/switchovers";
        let switch =
            pair.server.request("POST", path).bearer(&secret).json(&json!({"to": "lb3"})).send().await;
        if allowed {
            assert!(matches!(drain.status, 200 | 201), "{role}: {}", drain.text);
            assert_eq!(switch.status, 422, "{role}: {}", switch.text);
        } else {
            drain.problem(403, "forbidden");
            switch.problem(403, "forbidden");
        }
    }
}
