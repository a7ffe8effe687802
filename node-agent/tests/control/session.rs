//! The session itself: who may be the server, clocks, silence, coming back.

use std::time::Duration;

use api_types::channel::{AgentMessage, MAX_MESSAGE_OCTETS};
use api_types::enrolment::{AGENT_AUDIENCE, AgentClaims};
use api_types::node::Interface;
use baton_agent::messages::{DroppedPackets, Report, Snapshot};
use chrono::{TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use tempfile::tempdir;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::handshake::server::ErrorResponse;

use crate::agent::{Agent, config, enrolled, revision, state};
use crate::authority::Authority;
use crate::eventually::within;
use crate::local::dialled_in_vain;
use crate::server::Server;

#[tokio::test]
async fn each_session_is_opened_with_a_fresh_jwt_of_the_agents_own_key() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    let (key, identity) = enrolled(&config, &authority);
    let agent = Agent::start(&config).await;

    let (session, _) = server.welcome(&[]).await;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[AGENT_AUDIENCE]);
    let verifier = DecodingKey::from_ed_components(&key.public_key()).unwrap();
    let claims = jsonwebtoken::decode::<AgentClaims>(&session.token, &verifier, &validation).unwrap().claims;
    assert_eq!(claims.sub, identity.node_id);
    assert!(claims.exp - claims.iat <= 60);
    agent.stop().await;
}

#[tokio::test]
async fn a_host_with_a_wrong_clock_signs_again_with_the_servers_time() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    let (key, _) = enrolled(&config, &authority);
    let agent = Agent::start(&config).await;

    // To the agent it makes no difference whose clock is off by a week.
    let server_time = Utc::now() + TimeDelta::days(7);
    let verifier = DecodingKey::from_ed_components(&key.public_key()).unwrap();
    let issued_at = |token: &str| {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AGENT_AUDIENCE]);
        validation.validate_exp = false;
        jsonwebtoken::decode::<AgentClaims>(token, &verifier, &validation).unwrap().claims.iat
    };
    let refused = server
        .accept_unless(|token| {
            assert!(server_time.timestamp() - issued_at(token) > 6 * 24 * 3_600);
            let date = server_time.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let mut refusal = ErrorResponse::new(Some("{}".to_owned()));
            *refusal.status_mut() = tokio_tungstenite::tungstenite::http::StatusCode::UNAUTHORIZED;
            refusal.headers_mut().insert("date", date.parse().unwrap());
            Some(refusal)
        })
        .await;
    assert!(refused.is_none());
    let session = server.accept().await;
    let off = issued_at(&session.token) - server_time.timestamp();
    assert!((-2..=20).contains(&off), "the second JWT is off by {off} s");
    agent.crash().await;
}

#[tokio::test]
async fn a_server_under_another_authority_gets_no_request() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&Authority::new()).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    for _ in 0..3 {
        let (stream, _) = within("a connection", server.listener.accept()).await.unwrap();
        assert!(server.acceptor.accept(stream).await.is_err(), "the agent breaks off in the handshake");
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_restarted_server_is_found_again_quickly() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let (url, port) = (server.url(), server.port());
    let config = config(directory.path(), &url, "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    let connected = server.welcome(&[]).await;
    drop((connected, server));

    dialled_in_vain(&config).await;
    let back = Instant::now();
    let server = Server::on_port(&authority, port).await;
    server.welcome(&[]).await;
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    agent.stop().await;
}

#[tokio::test]
async fn a_silent_server_is_left_and_dialled_again() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    // It is not read, so it answers no ping either.
    let (_silent, _) = server.welcome(&[]).await;
    let silent_since = Instant::now();
    let (stream, _) = timeout(Duration::from_secs(80), server.listener.accept()).await.unwrap().unwrap();
    let waited = silent_since.elapsed();
    assert!((Duration::from_secs(12)..Duration::from_secs(75)).contains(&waited), "{waited:?}");
    drop(stream);
    agent.stop().await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_session_and_nothing_else() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    session.send_text(format!("{{\"type\":\"{}\"}}", "x".repeat(MAX_MESSAGE_OCTETS))).await;
    while session.try_next().await.is_some() {}

    let (mut session, _) = server.welcome(&[]).await;
    session.desire(state(1, 1)).await;
    assert_eq!(agent.apply().await, revision(1, 1));
    agent.stop().await;
}

#[tokio::test]
async fn nonsense_ends_the_session_and_nothing_else() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    for nonsense in ["", "{", "[]", "{\"type\":\"ack\"}", "null", "{\"type\":\"desired_state\"}"] {
        let (mut session, _) = server.welcome(&[]).await;
        session.send_text(nonsense.to_owned()).await;
        while session.try_next().await.is_some() {}
    }
    assert!(agent.was_told_nothing());
    agent.crash().await;
}

#[tokio::test]
async fn a_change_of_status_is_told_at_once_and_counters_alone_are_not() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    let (mut session, hello) = server.welcome(&[]).await;
    assert!(hello.interfaces.is_empty());
    let first = session.next().await;
    assert!(matches!(first, AgentMessage::Status(_)), "{first:?}");

    agent
        .report(Report::Snapshot(Snapshot {
            dropped_packets: vec![DroppedPackets {
                interface: "eth0".to_owned(),
                cause: vrrp::DropCause::Ttl,
                count: 9,
            }],
            ..Snapshot::default()
        }))
        .await;
    let eth0 =
        Interface { name: "eth0".to_owned(), mac: None, up: true, carrier: true, addresses: Vec::new() };
    let sent = Instant::now();
    agent.report(Report::Snapshot(Snapshot { interfaces: vec![eth0.clone()], ..Snapshot::default() })).await;
    let AgentMessage::Status(status) = session.next().await else { panic!("a status comes") };
    assert_eq!(status.interfaces, [eth0], "the first one after the first says what changed");
    assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_says_nothing_before_it_knows_its_interfaces() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start_mute(&config);
    let early = timeout(Duration::from_secs(1), server.listener.accept()).await;
    assert!(early.is_err(), "it connects although its `hello` could not name its interfaces");
    agent.report(Report::Snapshot(Snapshot::default())).await;
    server.welcome(&[]).await;
    agent.stop().await;
}
