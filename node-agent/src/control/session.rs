//! One session with a server, from `hello` to its end (RFC 6455, JSON messages of [`api_types::channel`]).
//!
//! Nothing is queued here: what runs, how things stand and which transitions are unacknowledged is read where
//! it is kept, at the moment when it can be sent. One batch of transitions is on its way at a time. A server
//! that is silent for [`DEAD`], or does not take what is sent to it for as long, is taken for dead.

mod error;
mod let_go;

use std::time::Duration;

use api_types::assist::{self, Assist, LetGo};
use api_types::channel::{
    Acknowledged, AgentMessage, DRAIN_CAPABILITY, Hello, MAX_MESSAGE_OCTETS, ServerMessage, Welcome,
};
use api_types::node::{Rejection, RejectionReason};
use api_types::{boost, check, convergence, fast_start, hook, sync_group};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use uuid::Uuid;

use self::error::SessionError;
use super::clock::boottime_ns;
use super::conductor::{Answer, Order, Outcome};
use super::desired_state::Assignment;
use super::findings::Findings;
use super::identity::Origin;
use super::journal::Journal;
use super::overview::Overview;
use super::resend::{Batch, Resend};
use super::server_message::{self, Heard};
use super::told::{Depth, GLANCE, Told};

/// How often the server is asked for a sign of life.
const PING: Duration = Duration::from_secs(5);
/// How long a server may be silent.
pub(crate) const DEAD: Duration = Duration::from_secs(15);
/// How long a server may take to commit a batch of transitions.
const COMMIT: Duration = Duration::from_secs(30);
/// How often both are looked at.
const CHECK: Duration = Duration::from_secs(1);
/// How often the status is sent when nothing changed.
const REFRESH: Duration = Duration::from_secs(10);

/// What this agent can do beyond the first version of the channel.
const CAPABILITIES: [&str; 7] = [
    boost::CAPABILITY,
    assist::CAPABILITY,
    DRAIN_CAPABILITY,
    fast_start::CAPABILITY,
    check::CAPABILITY,
    sync_group::CAPABILITY,
    hook::CAPABILITY,
];

/// What a session needs from the rest of control.
#[derive(Clone)]
pub(crate) struct SessionContext {
    pub(crate) boot_id: Uuid,
    pub(crate) journal: Journal,
    pub(crate) findings: Findings,
    pub(crate) overview: watch::Sender<Overview>,
    pub(crate) offers: mpsc::Sender<Assignment>,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) answers: broadcast::Sender<Answer>,
    pub(crate) let_go: broadcast::Sender<Vec<LetGo>>,
}

/// The limits of the WebSocket: both directions are bounded.
pub(crate) fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_MESSAGE_OCTETS)
        .max_message_size(Some(MAX_MESSAGE_OCTETS))
        .max_frame_size(Some(MAX_MESSAGE_OCTETS))
}

pub(crate) struct Session<S> {
    socket: WebSocketStream<S>,
    context: SessionContext,
    /// Who counts the revisions of the desired states that come from here.
    origin: Origin,
    resend: Resend,
    told: Told,
    /// Whether the server tells others what this node has let go of.
    passes_on: bool,
    /// Whether the server records what this node finds out about takeovers.
    records: bool,
    in_flight: Option<(Batch, Instant)>,
    last_heard: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Says `hello` and waits for the answer.
    pub(crate) async fn open(
        socket: WebSocketStream<S>,
        context: SessionContext,
        origin: Origin,
    ) -> Result<(Self, Welcome), SessionError> {
        let hello = context.overview.borrow().hello(context.boot_id, &origin);
        let resend = Resend::new(&[]);
        let mut session = Self {
            socket,
            context,
            origin,
            resend,
            told: Told::default(),
            passes_on: false,
            records: false,
            in_flight: None,
            last_heard: Instant::now(),
        };
        session.send(&AgentMessage::Hello(hello)).await?;
        let welcome =
            tokio::time::timeout(DEAD, session.welcome()).await.map_err(|_| SessionError::Silent)??;
        welcome.acknowledged.iter().try_for_each(check_sequence)?;
        session.passes_on = welcome.capabilities.iter().any(|word| word == assist::CAPABILITY);
        session.context.journal.align(&welcome.acknowledged);
        session.resend = Resend::new(&welcome.acknowledged);
        session.records = welcome.capabilities.iter().any(|word| word == convergence::CAPABILITY);
        Ok((session, welcome))
    }

    async fn welcome(&mut self) -> Result<Welcome, SessionError> {
        loop {
            let Some(text) = self.receive().await? else { continue };
            return match serde_json::from_str(&text).map_err(SessionError::Message)? {
                ServerMessage::Welcome(welcome) => Ok(welcome),
                ServerMessage::DesiredState(_)
                | ServerMessage::Ack(_)
                | ServerMessage::Boosts { .. }
                | ServerMessage::Assist(_)
                | ServerMessage::FastStart(_) => Err(SessionError::NoWelcome),
            };
        }
    }

    /// Runs until the session fails or `finish` turns true.
    pub(crate) async fn run(mut self, mut finish: watch::Receiver<bool>) -> SessionError {
        let ended = self.serve(&mut finish).await;
        if matches!(ended, Err(SessionError::Stopping)) {
            let _ = tokio::time::timeout(Duration::from_millis(200), self.socket.close(None)).await;
        }
        match ended {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    async fn serve(
        &mut self,
        finish: &mut watch::Receiver<bool>,
    ) -> Result<std::convert::Infallible, SessionError> {
        let mut answers = self.context.answers.subscribe();
        let mut let_go = self.passes_on.then(|| self.context.let_go.subscribe());
        let mut overview = self.context.overview.subscribe();
        let mut sendable = self.context.journal.watch_sendable();
        let findings = self.context.findings.clone();
        let records = self.records;
        let [mut ping, mut refresh, mut glance, mut check] =
            [PING, REFRESH, GLANCE, CHECK].map(|period| interval_at(Instant::now() + period, period));
        for timer in [&mut ping, &mut refresh, &mut glance, &mut check] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut told = self.tell_status(Depth::Everything).await?;

        loop {
            // Ahead of all else: others wait for it, and it is worth less with every millisecond.
            let waiting = let_go.as_mut().map(let_go::waiting).unwrap_or_default();
            if !waiting.is_empty() {
                self.say_let_go(waiting).await?;
            }
            self.send_transitions().await?;
            tokio::select! {
                received = self.receive() => if let Some(text) = received? {
                    self.handle(&text).await?;
                },
                groups = let_go::next(&mut let_go) => self.say_let_go(groups).await?,
                answer = answers.recv() => match answer {
                    Ok(answer) if answer.origin.as_ref() == Some(&self.origin) => {
                        self.send(&message_of(answer.outcome)).await?;
                    }
                    // It is about what another server has said.
                    Ok(_) => {}
                    // What was missed is repeated when the server asks again.
                    Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {}
                },
                Ok(()) = overview.changed() => {
                    let significant = overview.borrow_and_update().significant();
                    if significant != told {
                        told = self.tell_status(Depth::News).await?;
                    }
                }
                _ = refresh.tick() => told = self.tell_status(Depth::Everything).await?,
                _ = glance.tick() => {
                    let is_behind = self.told.is_behind(&self.context.overview.borrow().for_server().groups);
                    if is_behind {
                        told = self.tell_status(Depth::News).await?;
                    }
                }
                Ok(()) = sendable.changed() => {}
                found = findings.next(), if records => self.send(&AgentMessage::Converged(found)).await?,
                _ = ping.tick() => self.transmit(Message::Ping(Vec::new().into())).await?,
                _ = check.tick() => self.check()?,
                () = told_to_finish(finish) => return Err(SessionError::Stopping),
            }
        }
    }

    fn check(&self) -> Result<(), SessionError> {
        if self.last_heard.elapsed() > DEAD {
            return Err(SessionError::Silent);
        }
        match &self.in_flight {
            Some((_, since)) if since.elapsed() > COMMIT => Err(SessionError::Unacknowledged),
            Some(_) | None => Ok(()),
        }
    }

    async fn handle(&mut self, text: &str) -> Result<(), SessionError> {
        match server_message::read(text).map_err(SessionError::Message)? {
            Heard::Message(ServerMessage::DesiredState(state)) => {
                let assignment = Assignment { origin: Some(self.origin.clone()), state };
                // The conductor never waits, so neither does this for long; it only ends with the agent.
                self.context.offers.send(assignment).await.map_err(|_| SessionError::Stopping)
            }
            Heard::Message(ServerMessage::Ack(acknowledged)) => self.acknowledged(acknowledged),
            Heard::Message(ServerMessage::Welcome(_)) => Ok(()),
            Heard::Message(ServerMessage::Boosts { boosts }) => self.order(Order::Boosts(boosts)).await,
            Heard::Message(ServerMessage::Assist(relayed)) => {
                tracing::info!(node = %relayed.node, groups = relayed.groups.len(), "a node has let go");
                self.order(Order::Assist(relayed.groups)).await
            }
            Heard::Message(ServerMessage::FastStart(told)) => {
                self.order(Order::FastStart { told, came_boottime_ns: boottime_ns() }).await
            }
            Heard::Unreadable { revision, error } => {
                tracing::error!(%revision, %error, "desired state cannot be read");
                let reasons = vec![RejectionReason { group: None, detail: error.to_string() }];
                let rejection = Rejection { revision, reasons };
                self.context.overview.send_modify(|overview| overview.rejection = Some(rejection.clone()));
                self.send(&message_of(Outcome::Rejected(rejection))).await
            }
            Heard::Unknown { kind } => {
                tracing::debug!(kind, "message of a kind that this version does not know");
                Ok(())
            }
        }
    }

    async fn order(&self, order: Order) -> Result<(), SessionError> {
        self.context.orders.send(order).await.map_err(|_| SessionError::Stopping)
    }

    async fn say_let_go(&mut self, groups: Vec<LetGo>) -> Result<(), SessionError> {
        let boot_id = self.context.boot_id;
        self.send(&AgentMessage::Assist(Assist { boot_id, groups })).await
    }

    fn acknowledged(&mut self, acknowledged: Acknowledged) -> Result<(), SessionError> {
        check_sequence(&acknowledged)?;
        let answered = match &self.in_flight {
            Some((batch, _)) if batch.boot_id == acknowledged.boot_id => self.in_flight.take(),
            Some(_) | None => None,
        };
        let Some((batch, _)) = answered else {
            self.context.journal.acknowledge(acknowledged);
            return Ok(());
        };
        let settled = self
            .resend
            .answered(batch, acknowledged.sequence)
            .map_err(|batch| SessionError::NoProgress(format!("{}–{}", batch.first, batch.last)))?;
        self.context.journal.acknowledge(settled);
        Ok(())
    }

    async fn send_transitions(&mut self) -> Result<(), SessionError> {
        if self.in_flight.is_some() {
            return Ok(());
        }
        let Some((batch, transitions)) = self.resend.next_batch(&self.context.journal).await else {
            return Ok(());
        };
        self.send(&AgentMessage::Transitions { transitions }).await?;
        self.in_flight = Some((batch, Instant::now()));
        Ok(())
    }

    async fn tell_status(&mut self, depth: Depth) -> Result<crate::messages::Snapshot, SessionError> {
        let (mut status, significant) = {
            let overview = self.context.overview.borrow();
            (overview.for_server(), overview.significant())
        };
        self.told.reduce(&mut status, depth);
        self.send(&AgentMessage::Status(status)).await?;
        Ok(significant)
    }

    async fn send(&mut self, message: &AgentMessage) -> Result<(), SessionError> {
        let text = serde_json::to_string(message).map_err(SessionError::Message)?;
        self.transmit(Message::text(text)).await
    }

    async fn transmit(&mut self, message: Message) -> Result<(), SessionError> {
        match tokio::time::timeout(DEAD, self.socket.send(message)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(SessionError::Silent),
        }
    }

    /// The next text message; `None` when something else was heard.
    async fn receive(&mut self) -> Result<Option<String>, SessionError> {
        let message = match self.socket.next().await {
            Some(message) => message?,
            None => return Err(SessionError::Closed(String::new())),
        };
        self.last_heard = Instant::now();
        match message {
            Message::Text(text) => Ok(Some(text.to_string())),
            Message::Close(frame) => {
                let why = frame.map(|frame| format!(": {} {}", frame.code, frame.reason));
                Err(SessionError::Closed(why.unwrap_or_default()))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => Ok(None),
        }
    }
}

/// A server counts in 63 bits, and a sequence that leaves no room for the next one would end the counting here.
fn check_sequence(acknowledged: &Acknowledged) -> Result<(), SessionError> {
    match i64::try_from(acknowledged.sequence) {
        Ok(_) => Ok(()),
        Err(_) => Err(SessionError::NoSuchSequence(acknowledged.sequence)),
    }
}

/// Returns when `finish` turns true, or can never change again.
pub(crate) async fn told_to_finish(finish: &mut watch::Receiver<bool>) {
    let _ = finish.wait_for(|finish| *finish).await;
}

fn message_of(outcome: Outcome) -> AgentMessage {
    match outcome {
        Outcome::Applied { revision, digest } => AgentMessage::Applied { revision, digest },
        Outcome::Rejected(rejection) => {
            AgentMessage::Rejected { revision: rejection.revision, reasons: rejection.reasons }
        }
    }
}

impl Overview {
    fn hello(&self, boot_id: Uuid, to: &Origin) -> Hello {
        let counted_there = self.applied.as_ref().filter(|(origin, _)| origin.as_ref() == Some(to));
        Hello {
            boot_id,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            interfaces: self.snapshot.interfaces.clone(),
            applied_revision: counted_there.map(|(_, revision)| *revision),
        }
    }
}
