//! Checks from the state of a server to the dataplane, and a server that asks for more than the host allows.

use api_types::agent_status::GroupCounters;
use api_types::channel::{AgentMessage, DesiredState};
use api_types::check::CheckSpec;
use api_types::group::Checksum;
use api_types::transition::State;
use baton_agent::messages::{Command, GroupSnapshot, Report, Snapshot};
use baton_agent::policy::Policy;
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::net::TcpListener;

use crate::agent::{Agent, config, enrolled, revision};
use crate::authority::Authority;
use crate::desired_state::group;
use crate::eventually::within;
use crate::local::status_that;
use crate::server::Server;

/// A state in which one group tracks this check.
fn state(counter: i64, probe: Value) -> DesiredState {
    let check: CheckSpec = serde_json::from_value(
        json!({"name": "web", "probe": probe, "interval_ms": 20, "timeout_ms": 1_000}),
    )
    .unwrap();
    let mut group = group(1);
    group.track = vec![serde_json::from_value(json!({"check": "web", "weight": 0})).unwrap()];
    DesiredState::new(revision(1, counter), vec![group], vec![check]).unwrap()
}

/// The group as its dataplane reports it.
pub(crate) fn snapshot(state: &DesiredState) -> GroupSnapshot {
    let desired = state.groups[0].clone();
    GroupSnapshot {
        state: State::Fault,
        since_boottime_ns: 1,
        effective_priority: desired.priority,
        addresses_present: Vec::new(),
        active_source: None,
        last_heard_boottime_ns: None,
        active_down_interval: None,
        boost: None,
        boost_refused: None,
        fault: None,
        counters: GroupCounters::default(),
        heard: Vec::new(),
        entrance: None,
        waits_for: None,
        checksum: Checksum::Auto,
        desired,
    }
}

/// What the dataplane is told next that the check has found.
async fn told_finding(agent: &mut Agent) -> (bool, String) {
    loop {
        match within("a command", agent.commands.recv()).await {
            Some(Command::Checks(found)) if found.contains_key("web") => {
                return (found["web"].passes, found["web"].detail.clone());
            }
            Some(Command::Checks(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_a_check_finds_reaches_the_dataplane_the_server_and_the_host() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, hello) = server.welcome(&[]).await;
    assert!(hello.capabilities.iter().any(|word| word == "checks"), "{:?}", hello.capabilities);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let state = state(1, json!({"kind": "tcp", "port": target.port()}));
    session.desire(state.clone()).await;
    assert_eq!(agent.apply().await, revision(1, 1));
    session.applied().await;
    assert_eq!(told_finding(&mut agent).await, (true, format!("connected to {target}")));
    drop(listener);
    let refused = format!("connection refused at {target}");
    assert_eq!(told_finding(&mut agent).await, (false, refused.clone()));

    let snapshot = snapshot(&state);
    agent.report(Report::Snapshot(Snapshot { groups: vec![snapshot], ..Snapshot::default() })).await;
    let told = session.next_that("how the check stands", |message| {
        let AgentMessage::Status(status) = message else { return None };
        status.groups.first()?.details.clone()?.checks.first().cloned()
    });
    let told = told.await;
    assert_eq!(
        (told.check.as_str(), told.passing, told.detail.as_str()),
        ("web", Some(false), refused.as_str())
    );
    let status = status_that(&config, "the host is told too", |status| !status.groups.is_empty()).await;
    assert_eq!(status.groups[0].checks[0].passing, Some(false));
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_asks_for_more_than_the_host_allows_gets_reasons_and_nothing_runs() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let policy: Policy = toml::from_str("check_files = [\"/run/app/\"]\n").unwrap();
    let mut agent = Agent::start_under(&config, policy).await;
    let (mut session, _) = server.welcome(&[]).await;
    // Whoever connects is seen.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mapped = format!("::ffff:{}", listener.local_addr().unwrap().ip());
    let port = listener.local_addr().unwrap().port();
    let greedy = [
        (json!({"kind": "script", "script": "reboot"}), "declares no script reboot: it declares none"),
        (
            json!({"kind": "file", "path": "/etc/shadow"}),
            "does not allow \"/etc/shadow\": allowed is /run/app/",
        ),
        (json!({"kind": "file", "path": "/run/app/../../etc/shadow"}), "does not allow"),
        (json!({"kind": "tcp", "address": mapped, "port": port}), "does not allow checks to connect to"),
        (json!({"kind": "http", "url": "http://169.254.169.254/"}), "does not allow checks to connect to"),
        (
            json!({"kind": "http", "url": format!("http://127.0.0.1:{port}/"), "body_match": "("}),
            "body_match: \"(\" is no regular expression",
        ),
        (json!({"kind": "process", "process": "../x"}), "is no name of a program"),
    ];
    for (counter, (probe, why)) in (1..).zip(greedy) {
        session.desire(state(counter, probe)).await;
        let (refused, detail) = session.rejected().await;
        assert_eq!(refused, revision(1, counter));
        assert!(detail.starts_with("check web: ") && detail.contains(why), "{detail}");
    }
    let command_line = r#"{"type":"desired_state","revision":{"epoch":1,"counter":20},"digest":"","groups":[],
        "checks":[{"name":"x","probe":{"kind":"script","script":"../../bin/sh -c reboot"}}]}"#;
    session.send_text(command_line.to_owned()).await;
    assert_eq!(session.rejected().await.0, revision(1, 20));

    assert!(agent.was_told_nothing(), "nothing of it reaches the dataplane");
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
    assert!(nobody.is_err(), "nobody connects");
    session.desire(state(21, json!({"kind": "file", "path": "/run/app/up"}))).await;
    assert_eq!(agent.apply().await, revision(1, 21), "what is allowed runs");
    agent.stop().await;
}

#[tokio::test]
async fn an_address_that_the_host_gets_later_makes_a_refused_state_run() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    session.desire(state(1, json!({"kind": "tcp", "address": "192.0.2.7", "port": 1}))).await;
    assert!(session.rejected().await.1.contains("the host's own addresses"));
    let interface = serde_json::from_value(json!({"name": "eth0", "mac": null, "up": true, "carrier": true,
        "addresses": ["192.0.2.7/24"]}))
    .unwrap();
    agent.report(Report::Snapshot(Snapshot { interfaces: vec![interface], ..Snapshot::default() })).await;
    assert_eq!(agent.apply().await, revision(1, 1));
    session.applied().await;
    agent.stop().await;
}
