//! What the agent answers on its own host: the status socket and the metrics.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as BlockingListener;

use api_types::agent_status::LocalStatus;
use baton_agent::config::Config;
use baton_agent::messages::Report;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{Duration, sleep};

use crate::agent::{Agent, config, enrolled, revision, state};
use crate::authority::Authority;
use crate::eventually::within;
use crate::server::Server;

/// What the agent answers on its socket; `None` while nobody answers.
pub(crate) async fn status_of(config: &Config) -> Option<LocalStatus> {
    let mut stream = UnixStream::connect(&config.socket).await.ok()?;
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.ok()?;
    Some(serde_json::from_str(&answer).unwrap())
}

/// Waits for a status that `holds`.
pub(crate) async fn status_that(
    config: &Config,
    what: &str,
    holds: impl Fn(&LocalStatus) -> bool,
) -> LocalStatus {
    let give_up = tokio::time::Instant::now() + crate::eventually::BOUND;
    loop {
        let seen = status_of(config).await;
        if let Some(status) = seen.as_ref().filter(|status| holds(status)) {
            return status.clone();
        }
        assert!(tokio::time::Instant::now() < give_up, "{what}; last seen: {seen:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the agent says why it has no session, and returns that.
pub(crate) async fn error_shown(config: &Config) -> String {
    let status = status_that(config, "an error", |status| status.server.last_error.is_some()).await;
    status.server.last_error.unwrap()
}

/// Waits until the agent has dialled a server that does not listen.
pub(crate) async fn dialled_in_vain(config: &Config) {
    let refused = |status: &LocalStatus| {
        status.server.last_error.as_ref().is_some_and(|error| error.contains("Connection refused"))
    };
    status_that(config, "a refused connection", refused).await;
}

#[tokio::test]
async fn the_status_is_answered_with_and_without_a_server() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    session.desire(state(1, 3)).await;
    agent.apply().await;

    let status = status_that(&config, "connected", |status| status.server.connected).await;
    assert_eq!((status.node.as_deref(), status.boot_id), (Some("lb1"), agent.boot_id));
    status_that(&config, "applied", |status| status.applied_revision == Some(revision(1, 3))).await;
    let mode = std::fs::metadata(&config.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    drop((session, server));
    agent.transitions(2).await;
    let status = status_that(&config, "not connected", |status| {
        !status.server.connected && status.journal.unacknowledged == 2
    })
    .await;
    assert!(status.server.last_error.is_some());
    assert_eq!(status.applied_revision, Some(revision(1, 3)), "what runs, runs on");
    agent.stop().await;
    assert!(!config.socket.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_the_socket_of_another_agent_is_not() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    drop(BlockingListener::bind(&config.socket).unwrap());
    assert!(config.socket.exists() && status_of(&config).await.is_none(), "the socket is stale");

    let first = Agent::start(&config).await;
    let status = status_that(&config, "answered", |_| true).await;
    assert_eq!(status.boot_id, first.boot_id);

    let mut other_config = config.clone();
    other_config.state_dir = directory.path().join("other");
    let second = Agent::start(&other_config).await;
    second.stop().await;
    let status = status_that(&config, "answered", |_| true).await;
    assert_eq!(status.boot_id, first.boot_id, "the second left the first one's socket alone");
    first.stop().await;
}

#[tokio::test]
async fn a_file_in_the_place_of_the_socket_is_left_alone_and_the_agent_works() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    std::fs::write(&config.socket, "precious").unwrap();
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    session.desire(state(1, 1)).await;
    agent.apply().await;
    agent.stop().await;
    assert_eq!(std::fs::read_to_string(&config.socket).unwrap(), "precious");
}

async fn http(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream
        .write_all(format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .ok()?;
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.ok()?;
    Some(answer)
}

#[tokio::test]
async fn metrics_are_served_where_the_configuration_says() {
    let directory = tempdir().unwrap();
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().port()
    };
    let more = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n");
    let config = config(directory.path(), "https://localhost:1", &more);
    let agent = Agent::start(&config).await;
    agent.report(Report::Transition(crate::agent::transition())).await;

    let counted = "baton_vrrp_transitions_total{group=\"web\",vrid=\"1\",interface=\"eth0\",family=\"ipv4\",\
                   to=\"active\",reason=\"no_response\"} 1";
    let scraped = within("a scrape with the transition", async {
        loop {
            match http(port, "GET /metrics").await {
                Some(answer) if answer.contains(counted) => break answer,
                Some(_) | None => sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    assert!(scraped.starts_with("HTTP/1.1 200 OK\r\n"), "{scraped}");
    assert!(scraped.contains("baton_agent_connected 0"), "{scraped}");
    assert!(http(port, "GET /").await.unwrap().starts_with("HTTP/1.1 404"));
    assert!(http(port, "POST /metrics").await.unwrap().contains("allow: GET, HEAD"));
    agent.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the listener is gone with the agent");
}
