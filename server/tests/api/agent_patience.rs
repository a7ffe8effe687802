//! How long a server waits for an agent that says nothing, or takes nothing.

use std::time::{Duration, Instant};

use baton_server::agents::Limits;
use serde_json::{Value, json};

use crate::agent::{Agent, PATIENCE};
use crate::harness::TestApp;
use crate::listening::{Server, conditions, eventually_shows, make_group};
use crate::pair::two_agents;

async fn server_with(limits: Limits) -> Server {
    Server::limited(TestApp::start().await, limits).await
}

fn is_connected(node: &Value) -> bool {
    node["status"]["connected"] == true
}

#[tokio::test]
async fn a_connection_that_does_not_say_hello_is_closed() {
    let server = server_with(Limits { hello: Duration::from_millis(200), ..Limits::default() }).await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut greeted = agent.connect(&server, "192.0.2.1").await;
    let mut silent = agent.open(&server).await;
    silent.over().await;
    greeted.ping().await;
    assert!(is_connected(&server.get("/api/v1/nodes/lb1").await), "its session is another one's");
    greeted.desired().await;
}

#[tokio::test]
async fn an_agent_that_is_not_heard_any_more_is_disconnected() {
    let limits =
        Limits { ping: Duration::from_millis(200), idle: Duration::from_secs(2), ..Limits::default() };
    let server = server_with(limits).await;
    let (quiet, alive) = two_agents(&server).await;
    // Its kernel takes what the server sends; nobody reads it, so no ping is answered.
    let mut never_read = quiet.connect(&server, "192.0.2.1").await;
    let mut read = alive.connect(&server, "192.0.2.2").await;
    tokio::spawn(async move { read.over().await });
    let node = eventually_shows(&server, "/api/v1/nodes/lb1", |node| !is_connected(node)).await;
    assert_eq!(conditions(&node), ["agent_disconnected"]);
    assert!(is_connected(&server.get("/api/v1/nodes/lb2").await), "to answer a ping is to be heard");
    never_read.over().await;
}

#[tokio::test]
async fn an_agent_that_takes_no_message_is_let_go() {
    let server = server_with(Limits { send: Duration::from_millis(300), ..Limits::default() }).await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut slow = agent.connect(&server, "192.0.2.1").await;
    for vrid in 1..=20 {
        make_group(&server, &format!("g{vrid}"), vrid, &["lb1"]).await;
    }
    let began = Instant::now();
    let mut description = 0;
    // Each change sends the whole state again, until neither kernel has room for more.
    while is_connected(&server.get("/api/v1/nodes/lb1").await) {
        assert!(began.elapsed() < PATIENCE, "{description} states that nobody read were sent");
        description += 1;
        let mut group = server.get("/api/v1/groups/g1").await;
        for owned in ["id", "generation", "created_at", "updated_at", "status"] {
            group.as_object_mut().unwrap().remove(owned);
        }
        group["description"] = json!(description.to_string());
        server.put("/api/v1/groups/g1", group).await;
    }
    let node = server.get("/api/v1/nodes/lb1").await;
    assert_eq!(conditions(&node), ["agent_disconnected"]);
    slow.over().await;
    let mut again = agent.connect(&server, "192.0.2.1").await;
    assert_eq!(again.desired().await.groups.len(), 20, "it gets the whole state again");
}
