//! The server's end of the wire, one message at a time.

use std::sync::{Arc, Mutex};

use api_types::Timestamp;
use api_types::channel::{
    Acknowledged, AgentMessage, DesiredState, Hello, Revision, SUBPROTOCOL, ServerMessage, Welcome,
};
use api_types::transition::TransitionRecord;
use chrono::Utc;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::authority::Authority;
use crate::eventually::within;

pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: TlsAcceptor,
    port: u16,
}

/// One session of an agent.
pub(crate) struct Session {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    /// The JWT it was opened with.
    pub(crate) token: String,
}

impl Server {
    pub(crate) async fn new(authority: &Authority) -> Self {
        Self::on_port(authority, 0).await
    }

    /// A server that takes the place of one that went away.
    pub(crate) async fn on_port(authority: &Authority, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, acceptor: authority.acceptor("localhost"), port }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next connection, after the TLS handshake.
    pub(crate) async fn accept_tls(&self) -> TlsStream<TcpStream> {
        let accepted = async {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                if let Ok(stream) = self.acceptor.accept(stream).await {
                    return stream;
                }
            }
        };
        within("a TLS connection", accepted).await
    }

    /// The next session, before its first message.
    pub(crate) async fn accept(&self) -> Session {
        self.accept_unless(|_| None).await.expect("nothing was refused")
    }

    /// The next request for a session, and the session unless the test refuses it.
    #[expect(clippy::result_large_err, reason = "the type of tungstenite's callback")]
    pub(crate) async fn accept_unless(
        &self,
        refuse: impl FnOnce(&str) -> Option<ErrorResponse> + Unpin,
    ) -> Option<Session> {
        let token = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&token);
        let callback = move |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/api/v1/agent/session");
            assert_eq!(request.headers()["sec-websocket-protocol"], SUBPROTOCOL);
            let bearer = request.headers()["authorization"].to_str().unwrap();
            *seen.lock().unwrap() = bearer.strip_prefix("Bearer ").unwrap().to_owned();
            if let Some(refusal) = refuse(&seen.lock().unwrap()) {
                return Err(refusal);
            }
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
            Ok(response)
        };
        let stream = self.accept_tls().await;
        let socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.ok()?;
        let token = token.lock().unwrap().clone();
        Some(Session { socket, token })
    }

    /// The next session, welcomed.
    pub(crate) async fn welcome(&self, acknowledged: &[Acknowledged]) -> (Session, Hello) {
        self.welcome_able(acknowledged, &[]).await
    }

    /// The next session, welcomed by a server that can do this.
    pub(crate) async fn welcome_able(
        &self,
        acknowledged: &[Acknowledged],
        capabilities: &[&str],
    ) -> (Session, Hello) {
        let mut session = self.accept().await;
        let AgentMessage::Hello(hello) = session.next().await else { panic!("hello comes first") };
        session
            .send(&ServerMessage::Welcome(Welcome {
                node: "lb1".parse().unwrap(),
                server_time: Timestamp::from(Utc::now()),
                acknowledged: acknowledged.to_vec(),
                capabilities: capabilities.iter().map(|&word| word.to_owned()).collect(),
            }))
            .await;
        (session, hello)
    }
}

impl Session {
    pub(crate) async fn send(&mut self, message: &ServerMessage) {
        self.send_text(serde_json::to_string(message).unwrap()).await;
    }

    pub(crate) async fn send_text(&mut self, text: String) {
        within("sending", self.socket.send(Message::text(text))).await.unwrap();
    }

    pub(crate) async fn desire(&mut self, state: DesiredState) {
        self.send(&ServerMessage::DesiredState(state)).await;
    }

    pub(crate) async fn acknowledge(&mut self, acknowledged: Acknowledged) {
        self.send(&ServerMessage::Ack(acknowledged)).await;
    }

    /// The next message; `None` when the connection has ended.
    pub(crate) async fn try_next(&mut self) -> Option<AgentMessage> {
        let message = async {
            loop {
                match self.socket.next().await?.ok()? {
                    Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                    Message::Close(_) => return None,
                    Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
                }
            }
        };
        within("a message or the end", message).await
    }

    pub(crate) async fn next(&mut self) -> AgentMessage {
        self.try_next().await.expect("the session goes on")
    }

    /// The next message that `pick` takes; others are passed over.
    pub(crate) async fn next_that<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(AgentMessage) -> Option<T>,
    ) -> T {
        within(what, async {
            loop {
                if let Some(picked) = pick(self.next().await) {
                    return picked;
                }
            }
        })
        .await
    }

    /// The next message that is no status.
    async fn next_but_status(&mut self) -> AgentMessage {
        self.next_that("a message", |message| Some(message).filter(|m| !matches!(m, AgentMessage::Status(_))))
            .await
    }

    pub(crate) async fn applied(&mut self) -> (Revision, String) {
        let message = self.next_but_status().await;
        let AgentMessage::Applied { revision, digest } = message else { panic!("not applied: {message:?}") };
        (revision, digest)
    }

    /// The revision that was refused and the first reason.
    pub(crate) async fn rejected(&mut self) -> (Revision, String) {
        let message = self.next_but_status().await;
        let AgentMessage::Rejected { revision, reasons } = message else {
            panic!("not rejected: {message:?}")
        };
        (revision, reasons[0].detail.clone())
    }

    pub(crate) async fn transitions(&mut self) -> Vec<TransitionRecord> {
        let message = self.next_but_status().await;
        let AgentMessage::Transitions { transitions } = message else {
            panic!("no transitions: {message:?}")
        };
        transitions
    }

    /// The sequences of the next batch.
    pub(crate) async fn sequences(&mut self) -> Vec<u64> {
        self.transitions().await.iter().map(|transition| transition.sequence).collect()
    }
}
