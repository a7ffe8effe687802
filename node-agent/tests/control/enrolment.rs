//! How an agent becomes known, and to whom it never says its token.

use std::path::Path;
use std::sync::{Arc, Mutex};

use api_types::agent_status::LocalStatus;
use api_types::enrolment::{Enrolment, EnrolmentRequest};
use baton_agent::config::Config;
use baton_agent::control::enrolment::{EnrolmentError, enrol_once};
use baton_agent::control::identity::Identity;
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::handshake::server::ErrorResponse;
use tokio_tungstenite::tungstenite::http::StatusCode;
use uuid::Uuid;

use crate::agent::{Agent, config, enrolled};
use crate::authority::Authority;
use crate::eventually::{eventually, within};
use crate::local::{dialled_in_vain, error_shown, status_that};
use crate::server::{Server, Session};

fn config_with_token(directory: &Path, url: &str, token: &str) -> Config {
    let file = directory.join("join-token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    config(directory, url, &format!("join_token_file = {file:?}\n"))
}

impl Server {
    /// Reads one enrolment and answers it.
    async fn enrol(&self, status: u16, answer: &Value) -> EnrolmentRequest {
        let mut stream = self.accept_tls().await;
        let mut octets = Vec::new();
        let body = loop {
            let mut buffer = [0; 4_096];
            let read = within("the request", stream.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "the request is cut short: {:?}", String::from_utf8_lossy(&octets));
            octets.extend(&buffer[..read]);
            let text = String::from_utf8(octets.clone()).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                assert!(head.starts_with("POST /api/v1/enrolment HTTP/1.1\r\n"), "{head}");
                if let Ok(request) = serde_json::from_str(body) {
                    break request;
                }
            }
        };
        let answer = answer.to_string();
        let response = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
            answer.len()
        );
        stream.write_all(response.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        body
    }
}

fn enrolment(authority: &Authority) -> Value {
    let enrolment = Enrolment { node_id: Uuid::new_v4(), node: "lb1".to_owned(), ca_pem: authority.pem() };
    serde_json::to_value(enrolment).unwrap()
}

async fn try_to_enrol(config: &Config, token: &str) -> Result<Identity, EnrolmentError> {
    enrol_once(&config.server.url, &token.parse().unwrap(), &config.state_dir).await
}

/// The error with its causes.
fn explained(error: EnrolmentError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

#[tokio::test]
async fn an_agent_with_a_join_token_enrols_at_its_first_start_and_connects() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let token = authority.join_token(1);
    let config = config_with_token(directory.path(), &server.url(), &token);
    let agent = Agent::start(&config).await;

    let request = server.enrol(201, &enrolment(&authority)).await;
    assert_eq!(request.join_token, token);
    assert_eq!(request.public_key.len(), 43);
    let (_session, hello) = server.welcome(&[]).await;
    assert_eq!(hello.boot_id, agent.boot_id);
    agent.stop().await;

    assert_eq!(Identity::load(&config.state_dir).unwrap().unwrap().node, "lb1");
    // The token is spent, and is not needed any more.
    std::fs::remove_file(directory.path().join("join-token")).unwrap();
    let agent = Agent::start(&config).await;
    server.welcome(&[]).await;
    agent.stop().await;
}

#[tokio::test]
async fn no_octet_of_the_token_reaches_a_server_under_another_authority() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let impostor = Server::new(&Authority::new()).await;
    let token = authority.join_token(0x55);
    let config = config_with_token(directory.path(), &impostor.url(), &token);

    let attempt = try_to_enrol(&config, &token);
    let listen = async {
        let (stream, _) = impostor.listener.accept().await.unwrap();
        match impostor.acceptor.accept(stream).await {
            Err(_) => Vec::new(),
            Ok(mut stream) => {
                let mut heard = Vec::new();
                let _ = stream.read_to_end(&mut heard).await;
                heard
            }
        }
    };
    let (attempt, heard) = within("the attempt", async { tokio::join!(attempt, listen) }).await;
    assert_eq!(heard, b"", "nothing at all is said to an impostor");
    let error = attempt.expect_err("an impostor");
    assert!(error.is_transient(), "the right server may come back");
    let why = explained(error);
    assert!(why.contains("no CA certificate with the key that the join token names"), "{why}");
    assert_eq!(Identity::load(&config.state_dir).unwrap(), None);
}

#[tokio::test]
async fn the_token_is_not_on_the_wire_in_the_clear_either() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let token = authority.join_token(0x55);
    let config = config_with_token(directory.path(), &url, &token);
    let wire = Arc::new(Mutex::new(Vec::new()));
    let tapped = Arc::clone(&wire);
    let no_tls = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).await.unwrap();
        tapped.lock().unwrap().extend_from_slice(&buffer[..read]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    });
    let attempt = try_to_enrol(&config, &token);
    within("the attempt", attempt).await.expect_err("that was no TLS");
    no_tls.await.unwrap();
    let heard = wire.lock().unwrap().clone();
    assert!(!heard.is_empty());
    let secret = &token.as_bytes()[44..87];
    assert!(!heard.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test]
async fn a_certificate_for_another_host_name_is_refused_even_under_the_right_authority() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let mut server = Server::new(&authority).await;
    server.acceptor = authority.acceptor("other.example");
    let token = authority.join_token(1);
    let config = config_with_token(directory.path(), &server.url(), &token);
    let attempt = try_to_enrol(&config, &token);
    let listen = async {
        let (stream, _) = server.listener.accept().await.unwrap();
        assert!(server.acceptor.accept(stream).await.is_err());
    };
    let (attempt, ()) = within("the attempt", async { tokio::join!(attempt, listen) }).await;
    assert!(explained(attempt.expect_err("another name")).contains("not valid for name"));
}

#[tokio::test]
async fn a_refusal_shows_the_servers_reason_and_only_another_token_is_tried() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let used = authority.join_token(1);
    let config = config_with_token(directory.path(), &server.url(), &used);
    let agent = Agent::start(&config).await;
    let problem = json!({
        "type": "/problems/unauthenticated", "title": "t", "status": 401, "code": "unauthenticated",
        "detail": "the join token was used on 2026-11-22",
    });
    server.enrol(401, &problem).await;
    let shown = error_shown(&config).await;
    assert!(shown.contains("the join token was used on 2026-11-22"), "{shown}");
    assert!(!shown.contains("baton_join_"), "{shown}");

    let other = authority.join_token(2);
    std::fs::write(directory.path().join("join-token"), &other).unwrap();
    let request = server.enrol(201, &enrolment(&authority)).await;
    assert_eq!(request.join_token, other, "the used one was not sent again");
    server.welcome(&[]).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_or_overloaded_is_tried_again() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let (url, port) = (server.url(), server.port());
    drop(server);
    let config = config_with_token(directory.path(), &url, &authority.join_token(1));
    let agent = Agent::start(&config).await;
    dialled_in_vain(&config).await;
    let server = Server::on_port(&authority, port).await;
    server.enrol(503, &json!({})).await;
    server.enrol(201, &enrolment(&authority)).await;
    server.welcome(&[]).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_answer_with_another_authority_than_the_token_names_is_not_stored() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let token = authority.join_token(1);
    let config = config_with_token(directory.path(), &server.url(), &token);
    let attempt = try_to_enrol(&config, &token);
    let answer = enrolment(&Authority::new());
    let (attempt, _) =
        within("the attempt", async { tokio::join!(attempt, server.enrol(201, &answer)) }).await;
    assert!(matches!(attempt, Err(EnrolmentError::Answer { .. })), "{attempt:?}");
    assert_eq!(Identity::load(&config.state_dir).unwrap(), None);
}

#[tokio::test]
async fn a_running_agent_notices_that_it_was_enrolled_by_hand() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    let agent = Agent::start(&config).await;
    eventually("the socket is there", || config.socket.exists(), |there| *there).await;
    let by_hand = authority.join_token(1);
    let enrolled = try_to_enrol(&config, &by_hand);
    let answer = enrolment(&authority);
    let (enrolled, _) = within("by hand", async { tokio::join!(enrolled, server.enrol(201, &answer)) }).await;
    enrolled.unwrap();
    server.welcome(&[]).await;
    agent.stop().await;
}

fn unauthenticated() -> ErrorResponse {
    let mut refusal = ErrorResponse::new(Some("{}".to_owned()));
    *refusal.status_mut() = StatusCode::UNAUTHORIZED;
    refusal
}

/// Whose node the bearer says to be.
fn node_of(session: &Session) -> String {
    jsonwebtoken::decode_header(&session.token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn a_running_agent_whose_node_is_gone_takes_up_the_identity_that_replaces_it() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    assert!(server.accept_unless(|_| Some(unauthenticated())).await.is_none());

    let new = Identity::store(&config.state_dir, replacement(&authority)).unwrap();
    let refusing_the_old = async {
        loop {
            let session = server.accept_unless(|token| {
                let kid = jsonwebtoken::decode_header(token).unwrap().kid;
                (kid != Some(new.node_id.to_string())).then(unauthenticated)
            });
            if let Some(session) = session.await {
                return session;
            }
        }
    };
    let session = within("a session of the new node", refusing_the_old).await;
    assert_eq!(node_of(&session), new.node_id.to_string());
    let named = |status: &LocalStatus| status.node.as_deref() == Some("lb1-anew");
    status_that(&config, "the name of the new node", named).await;
    agent.crash().await;
}

#[tokio::test]
async fn a_session_ends_when_the_identity_it_was_opened_with_is_replaced() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    let (mut old, _) = server.welcome(&[]).await;
    let new = Identity::store(&config.state_dir, replacement(&authority)).unwrap();
    let (session, _) = server.welcome(&[]).await;
    assert_eq!(node_of(&session), new.node_id.to_string());
    while old.try_next().await.is_some() {}
    agent.crash().await;
}

fn replacement(authority: &Authority) -> Enrolment {
    Enrolment { node_id: Uuid::new_v4(), node: "lb1-anew".to_owned(), ca_pem: authority.pem() }
}
