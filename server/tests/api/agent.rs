//! An agent as the server sees it: it enrols, opens the channel, says what it is told to say.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else the server says fails the test, and is shown"
)]

use std::time::Duration;

use api_types::channel::{
    Acknowledged, AgentMessage, AgentStatus, DesiredState, GroupReport, Hello, Revision, SUBPROTOCOL,
    ServerMessage, Welcome,
};
use api_types::enrolment::{AGENT_AUDIENCE, AGENT_ISSUER, AgentClaims, Enrolment};
use api_types::node::Interface;
use api_types::transition::TransitionRecord;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use uuid::Uuid;

use crate::listening::Server;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What an agent can do beyond the first version of the channel, but for fast starts.
pub(crate) const KNOWING_ALL: [&str; 3] = ["switchover", "assist", "drain"];

/// An Ed25519 key pair of an agent.
pub(crate) struct Key {
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

impl Key {
    pub(crate) fn generate() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let pkcs8 = pair.to_pkcs8().unwrap().as_ref().to_vec();
        Self { pkcs8, public: pair.public_key().as_ref().to_vec() }
    }

    /// As the enrolment request carries it.
    pub(crate) fn public_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.public)
    }

    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    pub(crate) fn sign(&self, header: &Header, claims: &impl serde::Serialize) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(&self.pkcs8)).unwrap()
    }
}

/// The header of a good agent JWT.
pub(crate) fn header(node: Uuid) -> Header {
    Header { kid: Some(node.to_string()), ..Header::new(Algorithm::EdDSA) }
}

/// The claims of a good agent JWT at `now`, in seconds since 1970.
pub(crate) fn claims(node: Uuid, now: i64) -> AgentClaims {
    AgentClaims {
        iss: AGENT_ISSUER.into(),
        sub: node,
        aud: AGENT_AUDIENCE.into(),
        iat: now,
        nbf: now,
        exp: now + 60,
    }
}

/// An agent that has enrolled.
pub(crate) struct Agent {
    pub(crate) node: Uuid,
    pub(crate) key: Key,
    pub(crate) boot: Uuid,
}

impl Agent {
    /// Enrols as the node `name` with a fresh join token.
    pub(crate) async fn enrol(server: &Server, name: &str) -> Self {
        let token = server.join_token(name, 600_000).await;
        let key = Key::generate();
        let (status, body) = enrol(server, &token, &key.public_text()).await;
        assert_eq!(status, 200, "{body}");
        let enrolment: Enrolment = serde_json::from_value(body).unwrap();
        assert_eq!(enrolment.node, name);
        Self { node: enrolment.node_id, key, boot: Uuid::new_v4() }
    }

    pub(crate) fn jwt(&self, server: &Server) -> String {
        self.key.sign(&header(self.node), &claims(self.node, server.now_s()))
    }

    /// The same host after a restart of its agent.
    pub(crate) fn restarted(self) -> Self {
        Self { boot: Uuid::new_v4(), ..self }
    }

    /// Opens the channel and says hello with the interface `eth0` at `address`.
    pub(crate) async fn connect(&self, server: &Server, address: &str) -> Channel {
        self.connect_able(server, address, &[]).await
    }

    /// The same with everything of [`KNOWING_ALL`].
    pub(crate) async fn connect_knowing_all(&self, server: &Server, address: &str) -> Channel {
        self.connect_able(server, address, &KNOWING_ALL).await
    }

    /// The same with what these words say that an agent can do.
    pub(crate) async fn connect_able(&self, server: &Server, address: &str, words: &[&str]) -> Channel {
        let mut channel = self.open(server).await;
        let capabilities = words.iter().map(|word| (*word).to_owned()).collect();
        channel.say(AgentMessage::Hello(Hello { capabilities, ..self.hello(address) })).await;
        channel.welcome = Some(channel.welcome().await);
        channel
    }

    pub(crate) fn hello(&self, address: &str) -> Hello {
        Hello {
            boot_id: self.boot,
            agent_version: "0.1.0-test".into(),
            capabilities: Vec::new(),
            interfaces: vec![eth0(address)],
            applied_revision: None,
        }
    }

    pub(crate) async fn open(&self, server: &Server) -> Channel {
        Channel::open(server, Some(&self.jwt(server)), Some(SUBPROTOCOL)).await.unwrap()
    }
}

/// The interface `eth0` with one address of its own.
pub(crate) fn eth0(address: &str) -> Interface {
    Interface {
        name: "eth0".into(),
        mac: Some("02:00:00:00:00:01".into()),
        up: true,
        carrier: true,
        addresses: vec![format!("{address}/24").parse().unwrap()],
    }
}

/// Sends an enrolment request; its status and body.
pub(crate) async fn enrol(server: &Server, token: &str, public_key: &str) -> (u16, serde_json::Value) {
    let body = json!({"join_token": token, "public_key": public_key, "agent_version": "0.1.0-test"});
    let answer = server.anonymous("POST", "/api/v1/enrolment").json(&body).send().await;
    (answer.status, answer.body)
}

/// One connection of an agent.
pub(crate) struct Channel {
    socket: WebSocketStream<TcpStream>,
    pub(crate) welcome: Option<Welcome>,
}

impl Channel {
    /// Opens a channel with this credential and subprotocol; a refusal is its status, headers and body.
    pub(crate) async fn open(
        server: &Server,
        token: Option<&str>,
        subprotocol: Option<&str>,
    ) -> Result<Self, tungstenite::http::Response<Option<Vec<u8>>>> {
        let address = server.address();
        let mut request = format!("ws://{address}/api/v1/agent/session").into_client_request().unwrap();
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        if let Some(subprotocol) = subprotocol {
            request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
        }
        let socket = TcpSocket::new_v4().unwrap();
        // Little room for what is not read.
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, response)) => {
                let chosen = response.headers().get("sec-websocket-protocol").unwrap();
                assert_eq!(chosen, SUBPROTOCOL);
                Ok(Self { socket, welcome: None })
            }
            Err(tungstenite::Error::Http(response)) => Err(*response),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn say(&mut self, message: AgentMessage) {
        self.say_text(serde_json::to_string(&message).unwrap()).await;
    }

    pub(crate) async fn say_text(&mut self, text: String) {
        self.socket.send(Message::Text(text.into())).await.unwrap();
    }

    /// A sign of life, and no more.
    pub(crate) async fn ping(&mut self) {
        self.socket.send(Message::Ping(Vec::new().into())).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        let said = async {
            loop {
                match self.socket.next().await.expect("the connection is open").unwrap() {
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => return message,
                }
            }
        };
        timeout(PATIENCE, said).await.expect("the server says something")
    }

    /// The next message of the server.
    pub(crate) async fn hear(&mut self) -> ServerMessage {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn welcome(&mut self) -> Welcome {
        match self.hear().await {
            ServerMessage::Welcome(welcome) => welcome,
            other => panic!("{other:?}"),
        }
    }

    /// The next desired state; nothing else may come before it.
    pub(crate) async fn desired(&mut self) -> DesiredState {
        match self.hear().await {
            ServerMessage::DesiredState(state) => state,
            other => panic!("{other:?}"),
        }
    }

    /// The desired state that answers a change, skipping older ones.
    pub(crate) async fn desired_where(&mut self, wanted: impl Fn(&DesiredState) -> bool) -> DesiredState {
        loop {
            let state = self.desired().await;
            if wanted(&state) {
                return state;
            }
        }
    }

    pub(crate) async fn say_transitions(&mut self, transitions: &[TransitionRecord]) {
        self.say(AgentMessage::Transitions { transitions: transitions.to_vec() }).await;
    }

    /// Reports transitions; the acknowledgement.
    pub(crate) async fn report(&mut self, transitions: &[TransitionRecord]) -> Acknowledged {
        self.say_transitions(transitions).await;
        loop {
            match self.hear().await {
                ServerMessage::Ack(acknowledged) => return acknowledged,
                ServerMessage::DesiredState(_)
                | ServerMessage::Boosts { .. }
                | ServerMessage::Assist(_)
                | ServerMessage::FastStart(_) => {}
                ServerMessage::Welcome(_) => panic!("a second welcome"),
            }
        }
    }

    /// Reports how the members of the node stand.
    pub(crate) async fn status(&mut self, server: &Server, address: &str, groups: Vec<GroupReport>) {
        let at = server.now();
        let interfaces = vec![eth0(address)];
        self.say(AgentMessage::Status(AgentStatus {
            at,
            interfaces,
            groups,
            interface_counters: None,
            fences: None,
            timing: None,
        }))
        .await;
    }

    pub(crate) async fn applied(&mut self, revision: Revision, digest: &str) {
        self.say(AgentMessage::Applied { revision, digest: digest.to_owned() }).await;
    }

    /// Waits until the server closes, and returns how.
    pub(crate) async fn closed(&mut self) -> CloseFrame {
        loop {
            match self.next().await {
                Message::Close(frame) => return frame.expect("a close frame with a code"),
                Message::Text(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits until the connection is over, whatever comes before, and answers pings meanwhile.
    pub(crate) async fn over(&mut self) {
        let over = async { while let Some(Ok(_)) = self.socket.next().await {} };
        timeout(PATIENCE, over).await.expect("the server lets go");
    }

    /// Leaves without a word, as a host does that loses its power.
    pub(crate) fn drop_dead(self) {
        drop(self);
    }
}
