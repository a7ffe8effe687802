//! How the session of an agent begins and ends.

use api_types::channel::{MAX_MESSAGE_OCTETS, SUBPROTOCOL};
use chrono::TimeDelta;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::agent::{Agent, Channel};
use crate::listening::{Server, conditions, eventually_shows, make_group};

#[tokio::test]
async fn the_newest_session_of_a_node_wins() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut first = agent.connect(&server, "192.0.2.1").await;
    let mut second = agent.connect(&server, "192.0.2.1").await;
    assert_eq!(u16::from(first.closed().await.code), 4000);
    make_group(&server, "web", 51, &["lb1"]).await;
    second.desired_where(|state| state.groups.len() == 1).await;
    let node = server.get("/api/v1/nodes/lb1").await;
    assert_eq!(node["status"]["connected"], true);
    assert_eq!(conditions(&node), Vec::<&str>::new());
}

#[tokio::test]
async fn an_agent_without_a_session_is_a_condition() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    assert_eq!(conditions(&server.get("/api/v1/nodes/lb1").await), ["agent_disconnected"]);
    let channel = agent.connect(&server, "192.0.2.1").await;
    assert_eq!(conditions(&server.get("/api/v1/nodes/lb1").await), Vec::<&str>::new());
    channel.drop_dead();
    let gone = |node: &Value| node["status"]["connected"] == false;
    let node = eventually_shows(&server, "/api/v1/nodes/lb1", gone).await;
    assert_eq!(conditions(&node), ["agent_disconnected"]);
}

#[tokio::test]
async fn the_session_of_a_server_that_was_killed_ends_when_another_notices() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let doomed = Doomed::beside(&server);
    let channel = agent.connect(&doomed.server, "192.0.2.1").await;
    doomed.die();
    channel.drop_dead();
    assert_eq!(server.get("/api/v1/nodes/lb1").await["status"]["connected"], true, "nobody could say more");

    server.advance(TimeDelta::seconds(21));
    let another = server.beside().await;
    let gone = |node: &Value| node["status"]["connected"] == false;
    let node = eventually_shows(&another, "/api/v1/nodes/lb1", gone).await;
    assert_eq!(conditions(&node), ["agent_disconnected"]);
    let _again = agent.connect(&another, "192.0.2.1").await;
    let back = |node: &Value| node["status"]["connected"] == true;
    let node = eventually_shows(&server, "/api/v1/nodes/lb1", back).await;
    assert_eq!(conditions(&node), Vec::<&str>::new());
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    server.stop();
    assert_eq!(u16::from(channel.closed().await.code), 1012);
    eventually_shows(&server, "/api/v1/nodes/lb1", |node| node["status"]["connected"] == false).await;
}

#[tokio::test]
async fn the_session_of_a_node_that_is_deleted_ends() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    server.delete("/api/v1/nodes/lb1").await;
    assert_eq!(u16::from(channel.closed().await.code), 4001);
    let refused = Channel::open(&server, Some(&agent.jwt(&server)), Some(SUBPROTOCOL)).await;
    assert_eq!(refused.err().expect("the node is gone").status(), 401);
}

#[tokio::test]
async fn what_breaks_the_rules_ends_the_session() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    for text in ["garbage", r#"{"type":"goodbye"}"#, r#"{"type":"transitions","transitions":[]}"#] {
        let mut greeted = agent.connect(&server, "192.0.2.1").await;
        greeted.say_text(text.into()).await;
        assert_eq!(u16::from(greeted.closed().await.code), 1008, "{text}");
        let mut silent = agent.open(&server).await;
        silent.say_text(text.into()).await;
        assert_eq!(u16::from(silent.closed().await.code), 1008, "{text} before hello");
    }
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    channel.say_text("x".repeat(MAX_MESSAGE_OCTETS + 1)).await;
    assert_eq!(u16::from(channel.closed().await.code), 1009);
}

/// A server with a runtime of its own, so that it can end as a killed process does: in the middle of everything.
struct Doomed {
    server: Server,
    runtime: Runtime,
}

impl Doomed {
    fn beside(server: &Server) -> Self {
        let runtime = Runtime::new().unwrap();
        let start = || runtime.block_on(server.beside());
        let server = std::thread::scope(|scope| scope.spawn(start).join().unwrap());
        Self { server, runtime }
    }

    fn die(self) {
        self.runtime.shutdown_background();
    }
}
