//! The database goes away and comes back, writers queue up, and servers share one database.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use api_types::channel::Acknowledged;
use api_types::transition::State;
use baton_server::embedded_postgres::{EmbeddedPostgres, Settings};
use baton_server::store::intent::IntentTurn;
use futures_util::future::join_all;
use serde_json::json;

use crate::agent::{Agent, Key};
use crate::failovers::report;
use crate::harness::{TestApp, eventually};
use crate::listening::{Server, make_group};

async fn postgres(dir: &Path) -> EmbeddedPostgres {
    let settings = Settings { dir: dir.join("postgres"), bin_dir: None, durable: true };
    EmbeddedPostgres::start(settings).await.unwrap()
}

#[tokio::test]
async fn without_its_database_the_server_says_so_and_goes_on_once_it_is_back() {
    let dir = tempfile::Builder::new()
        .prefix("baton-pg-")
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir_in("/tmp")
        .unwrap();
    let first = postgres(dir.path()).await;
    let server = Server::of(TestApp::on(first.owner(), first.app()).await).await;
    let agent = Agent::enrol(&server, "lb1").await;
    let group = make_group(&server, "web", 51, &["lb1"]).await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let told = channel.desired_where(|state| state.groups.len() == 1).await;
    let started = report(&agent, &server, group, 1, (State::Initialize, State::Backup));
    let took_over = report(&agent, &server, group, 2, (State::Backup, State::Active));
    channel.report(std::slice::from_ref(&started)).await;

    tokio::task::spawn_blocking(move || first.stop()).await.unwrap();
    let enrolment = json!({"join_token": server_like_token(), "public_key": Key::generate().public_text(),
                           "agent_version": "1"});
    let requests = [
        server.request("GET", "/api/v1/groups"),
        server.request("GET", "/api/v1/groups/web"),
        server.request("PUT", "/api/v1/groups/web").json(&json!({"name": "web"})),
        server.request("DELETE", "/api/v1/groups/web"),
        server.request("POST", "/api/v1/nodes").json(&json!({"name": "lb2"})),
        server.request("GET", "/api/v1/audit-events"),
        server.anonymous("POST", "/api/v1/enrolment").json(&enrolment),
        server.anonymous("GET", "/readyz"),
    ];
    for answer in join_all(requests.map(crate::harness::Request::send)).await {
        answer.problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(server.anonymous("GET", "/livez").send().await.status, 200);
    channel.say_transitions(std::slice::from_ref(&took_over)).await;
    assert_eq!(u16::from(channel.closed().await.code), 1013, "try again later");

    let _second = postgres(dir.path()).await;
    eventually("the server is ready again", async || {
        server.anonymous("GET", "/readyz").send().await.status == 200
    })
    .await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let acknowledged = Acknowledged { boot_id: agent.boot, sequence: 1 };
    assert_eq!(channel.welcome.take().unwrap().acknowledged, [acknowledged]);
    assert_eq!(channel.desired().await.revision, told.revision, "nothing moved because of the server");
    assert_eq!(channel.report(&[started, took_over]).await.sequence, 2);
    let stored = server.get("/api/v1/transitions?group=web").await;
    assert_eq!(stored["items"].as_array().unwrap().len(), 2, "each once");
    make_group(&server, "other", 52, &["lb1"]).await;
    channel.desired_where(|state| state.groups.len() == 2).await;
}

/// A join token in the right form.
fn server_like_token() -> String {
    format!("baton_join_{}_{}_{}", "0".repeat(32), "A".repeat(43), "A".repeat(43))
}

#[tokio::test]
async fn a_change_at_one_server_reaches_an_agent_of_another_by_push() {
    let one = Server::start().await;
    let two = one.beside().await;
    let agent = Agent::enrol(&one, "lb1").await;
    let mut channel = agent.connect(&two, "192.0.2.1").await;
    // The listener needs a moment after the start of the server; from the second change on the push is measured.
    make_group(&one, "first", 50, &["lb1"]).await;
    channel.desired_where(|state| state.groups.len() == 1).await;
    for (count, vrid) in (2..).zip(51..54) {
        make_group(&one, &format!("g{vrid}"), vrid, &["lb1"]).await;
        let changed = Instant::now();
        channel.desired_where(|state| state.groups.len() == count).await;
        assert!(changed.elapsed() < Duration::from_secs(1), "{vrid}: {:?}", changed.elapsed());
    }
    assert_eq!(one.get("/api/v1/nodes/lb1").await["status"]["connected"], true, "both see the session");

    let moved = agent.connect(&one, "192.0.2.1").await;
    assert_eq!(u16::from(channel.closed().await.code), 4001, "the newest session wins, wherever it is");
    assert!(moved.welcome.is_some());
}

#[tokio::test]
async fn writers_that_wait_for_each_other_leave_the_agents_their_connections() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let group = make_group(&server, "web", 51, &["lb1"]).await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    channel.desired().await;
    // A server elsewhere is in the middle of a change.
    let elsewhere = server.beside().await;
    let change = IntentTurn::default().begin(elsewhere.db()).await.unwrap();
    // Three times as many writers as the pool has connections.
    let writers = (0..18).map(|number| {
        let name = format!("n{number}");
        server.request("PUT", &format!("/api/v1/nodes/{name}")).json(&json!({"name": name})).send()
    });
    let writers = tokio::spawn(join_all(writers));
    for sequence in 1..=20 {
        let states = if sequence % 2 == 1 {
            (State::Initialize, State::Backup)
        } else {
            (State::Backup, State::Initialize)
        };
        let record = report(&agent, &server, group, sequence, states);
        assert_eq!(channel.report(&[record]).await.sequence, sequence);
        assert_eq!(server.get("/api/v1/nodes/lb1").await["name"], "lb1", "readers wait for nobody");
    }
    assert!(!writers.is_finished(), "the writers were waiting all the time");
    drop(change);
    for answer in writers.await.unwrap() {
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}
