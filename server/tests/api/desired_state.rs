//! What an agent is told to run, and what becomes of its answer.

use std::time::{Duration, Instant};

use api_types::channel::{AgentMessage, Revision, ServerMessage};
use api_types::node::RejectionReason;
use serde_json::{Value, json};

use crate::agent::{Agent, eth0};
use crate::listening::{Server, conditions, eventually_shows, make_group};
use crate::pair::two_agents;

#[tokio::test]
async fn an_agent_is_welcomed_and_told_what_to_run() {
    let server = Server::start().await;
    let (one, two) = two_agents(&server).await;
    let group = make_group(&server, "web", 51, &["lb1", "lb2"]).await;
    let web = server.get("/api/v1/groups/web").await;
    assert_eq!(conditions(&web), ["interface_unverified"]);

    let mut channel = one.connect(&server, "192.0.2.1").await;
    let welcome = channel.welcome.clone().unwrap();
    assert_eq!((welcome.node.as_str(), welcome.server_time), ("lb1", server.now()));
    assert_eq!(welcome.acknowledged, []);
    let state = channel.desired().await;
    assert!(state.is_intact());
    assert_eq!(state.groups.len(), 1);
    let desired = &state.groups[0];
    assert_eq!((desired.id, desired.name.as_str(), desired.interface.as_str()), (group, "web", "eth0"));
    assert_eq!((desired.vrid.get(), desired.priority.get()), (51, 240));
    assert_eq!((desired.peers[0].name.as_str(), desired.peers[0].address), ("lb2", None));

    let node = server.get("/api/v1/nodes/lb1").await;
    let status = &node["status"];
    assert_eq!((&status["connected"], &status["agent_version"]), (&json!(true), &json!("0.1.0-test")));
    assert_eq!(status["boot_id"], json!(one.boot));
    assert_eq!(status["interfaces"], json!([eth0("192.0.2.1")]));
    assert_eq!(status["last_seen_at"], json!(server.now()));
    assert_eq!(status["desired_revision"], json!(state.revision));

    channel.applied(state.revision, &state.digest).await;
    let applied = |node: &Value| node["status"]["applied_revision"] == json!(state.revision);
    eventually_shows(&server, "/api/v1/nodes/lb1", applied).await;

    // Once the peer says where it is, this agent is told, and the other knows from the start.
    let mut other = two.connect(&server, "192.0.2.2").await;
    let told = channel.desired().await;
    assert_eq!(told.groups[0].peers[0].address, Some("192.0.2.2".parse().unwrap()));
    assert!(told.revision > state.revision);
    assert_eq!(other.desired().await.groups[0].peers[0].address, Some("192.0.2.1".parse().unwrap()));
    let web = server.get("/api/v1/groups/web").await;
    assert_eq!(conditions(&web), Vec::<&str>::new(), "every interface is known");
}

#[tokio::test]
async fn a_report_that_changes_no_address_moves_no_revision() {
    let server = Server::start().await;
    let (one, two) = two_agents(&server).await;
    make_group(&server, "web", 51, &["lb1", "lb2"]).await;
    let _first = one.connect(&server, "192.0.2.1").await;
    let mut second = two.connect(&server, "192.0.2.2").await;
    let revisions = async || {
        let revision = async |name: &str| {
            server.get(&format!("/api/v1/nodes/{name}")).await["status"]["desired_revision"].clone()
        };
        (revision("lb1").await, revision("lb2").await)
    };
    let before = revisions().await;
    let mut hello = two.hello("192.0.2.2");
    hello.interfaces[0].carrier = false;
    hello.interfaces.push(eth0("198.51.100.1"));
    hello.interfaces[1].name = "eth1".into();
    let mut again = two.open(&server).await;
    again.say(AgentMessage::Hello(hello)).await;
    assert!(matches!(again.hear().await, ServerMessage::Welcome(_)));
    assert_eq!(u16::from(second.closed().await.code), 4000);
    assert_eq!(revisions().await, before);
}

#[tokio::test]
async fn a_change_through_rest_reaches_the_agent_by_push() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    assert_eq!(channel.desired().await.groups, []);
    // The listener needs a moment after the start of the server; from the second change on the push is measured.
    make_group(&server, "first", 50, &["lb1"]).await;
    let mut last = channel.desired_where(|state| state.groups.len() == 1).await.revision;
    for vrid in 51..56 {
        make_group(&server, &format!("g{vrid}"), vrid, &["lb1"]).await;
        let changed = Instant::now();
        let state =
            channel.desired_where(|state| state.groups.iter().any(|group| group.vrid.get() == vrid)).await;
        assert!(changed.elapsed() < Duration::from_secs(1), "{vrid}: {:?}", changed.elapsed());
        assert!(state.is_intact());
        assert!(state.revision > last);
        last = state.revision;
    }
    server.delete("/api/v1/groups/first").await;
    let state = channel.desired_where(|state| state.groups.len() == 5).await;
    let names: Vec<_> = state.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["g51", "g52", "g53", "g54", "g55"]);
}

#[tokio::test]
async fn an_agent_hears_nothing_of_what_is_not_bound_to_it() {
    let server = Server::start().await;
    let (one, _two) = two_agents(&server).await;
    let mut channel = one.connect(&server, "192.0.2.1").await;
    let before = channel.desired().await;
    make_group(&server, "theirs", 51, &["lb2"]).await;
    make_group(&server, "ours", 52, &["lb1"]).await;
    let state = channel.desired().await;
    assert_eq!(state.groups.len(), 1);
    assert_eq!(state.groups[0].name.as_str(), "ours");
    assert_eq!(state.revision.counter, before.revision.counter + 1);
}

#[tokio::test]
async fn a_refused_state_shows_in_the_node_until_a_newer_one_runs() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    make_group(&server, "web", 51, &["lb1"]).await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let state = channel.desired().await;
    let reasons = vec![RejectionReason { group: Some("web".into()), detail: "no interface eth0".into() }];
    channel.say(AgentMessage::Rejected { revision: state.revision, reasons: reasons.clone() }).await;
    let node =
        eventually_shows(&server, "/api/v1/nodes/lb1", |node| !node["status"]["rejection"].is_null()).await;
    assert_eq!(node["status"]["rejection"], json!({"revision": state.revision, "reasons": reasons}));
    assert_eq!(conditions(&node), ["config_rejected"]);

    let older = Revision { counter: state.revision.counter - 1, ..state.revision };
    channel.applied(older, "of an older state").await;
    let node = eventually_shows(&server, "/api/v1/nodes/lb1", |node| {
        node["status"]["applied_revision"] == json!(older)
    })
    .await;
    assert_eq!(conditions(&node), ["config_rejected"], "running the older state is what a refusal means");

    make_group(&server, "other", 52, &["lb1"]).await;
    let state = channel.desired().await;
    channel.applied(state.revision, &state.digest).await;
    let node =
        eventually_shows(&server, "/api/v1/nodes/lb1", |node| node["status"]["rejection"].is_null()).await;
    assert_eq!(conditions(&node), Vec::<&str>::new());
    let events: Vec<(String, String)> =
        sqlx::query_as("SELECT kind, phase FROM events WHERE kind = 'config_rejected' ORDER BY id")
            .fetch_all(server.db())
            .await
            .unwrap();
    let event = |phase: &str| ("config_rejected".to_owned(), phase.to_owned());
    assert_eq!(events, [event("began"), event("ended")]);
}

#[tokio::test]
async fn a_lost_listener_costs_time_and_no_change() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    make_group(&server, "web", 51, &["lb1"]).await;
    channel.desired_where(|state| state.groups.len() == 1).await;
    let killed: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND query ILIKE 'LISTEN%'",
    )
    .fetch_one(&mut server.owner().await)
    .await
    .unwrap();
    assert_eq!(killed, 1);
    make_group(&server, "other", 52, &["lb1"]).await;
    channel.desired_where(|state| state.groups.len() == 2).await;
}
