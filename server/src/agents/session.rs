//! One connection of an agent, from hello to its end.
//!
//! The task does one thing at a time and keeps no queue: reading waits while it stores or sends. The agent's
//! batches are bounded by acknowledgement, and what the node shall run is read when it is sent, so whoever is slow
//! skips what it missed. An agent that does not take a message within [`Limits::send`] is let go; it reconnects and
//! gets the whole state again.

use std::time::Duration;

use api_types::channel::{
    AgentMessage, AgentStatus, Hello, MAX_MESSAGE_OCTETS, Revision, ServerMessage, Welcome,
};
use api_types::node::{Rejection, RejectionReason};
use api_types::transition::TransitionRecord;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use sqlx::{PgConnection, Postgres, Transaction};
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::hub::{Ending, Membership};
use super::ingest::{self, ingest};
use super::protocol::{Conversation, Violation};
use crate::app::App;
use crate::store::audit::Origin;
use crate::store::identities::Enrolled;
use crate::store::sessions::{self, SessionKey};
use crate::store::{StoreError, desired, member_reports};

/// The close code for a session that another one of the same agent replaced.
pub const CLOSE_REPLACED: u16 = 4_000;
/// The close code for an agent that is not known any more under this identity.
pub const CLOSE_GONE: u16 = 4_001;

/// Why a session ended.
#[derive(Debug, Error)]
enum End {
    #[error("the agent left")]
    Left,
    #[error("the agent was not heard for {0:?}")]
    Silent(Duration),
    #[error("the agent did not take a message within {0:?}")]
    Slow(Duration),
    #[error("the connection failed")]
    Connection(#[source] axum::Error),
    #[error("the agent broke a rule: {0}")]
    Violation(#[from] Violation),
    #[error("a message was larger than {MAX_MESSAGE_OCTETS} octets")]
    TooLarge,
    #[error("the server stops")]
    Stopping,
    #[error("the agent has a newer session")]
    Replaced,
    #[error("the node is gone, has enrolled anew, or has a newer session with another server")]
    Gone,
    #[error("what the agent said cannot be stored now")]
    Store(#[from] StoreError),
}

impl End {
    /// What the agent is told, and the word for the metrics; no code where nobody listens any more.
    const fn describe(&self) -> (Option<u16>, &'static str) {
        match self {
            Self::Left => (None, "left"),
            Self::Silent(_) => (None, "silent"),
            Self::Slow(_) => (None, "slow"),
            Self::Connection(_) => (None, "connection"),
            Self::Violation(_) => (Some(close_code::POLICY), "violation"),
            Self::TooLarge => (Some(close_code::SIZE), "too_large"),
            Self::Stopping => (Some(close_code::RESTART), "stopping"),
            Self::Replaced => (Some(CLOSE_REPLACED), "replaced"),
            Self::Gone => (Some(CLOSE_GONE), "gone"),
            Self::Store(_) => (Some(close_code::AGAIN), "store"),
        }
    }
}

/// Serves one connection of the agent of `node` until it ends.
pub async fn serve(app: App, node: Enrolled, origin: Origin, mut socket: WebSocket) {
    let mut stopping = app.stopping.clone();
    let name = node.name.clone();
    let mut conversation = Conversation::default();
    let end = match greet(&mut socket, &mut conversation, &app).await {
        Err(end) => end,
        Ok(hello) => {
            let membership = app.agents.admit(node.id);
            let key = membership.key;
            tracing::info!(node = %name, source = ?origin.source, boot_id = %hello.boot_id,
                           agent_version = hello.agent_version, "agent connected");
            let mut session = Session { app: &app, key, node, origin, conversation, sent: None };
            let end = tokio::select! {
                end = session.run(&mut socket, hello, membership) => end,
                () = stopping.wait() => End::Stopping,
            };
            if !matches!(end, End::Replaced) {
                close_in_database(&app, key).await;
            }
            app.agents.leave(key);
            end
        }
    };
    say_goodbye(socket, &end, app.session_limits.send).await;
    let (_, why) = end.describe();
    metrics::counter!("baton_agent_sessions_ended_total", "reason" => why).increment(1);
    tracing::info!(node = %name, reason = %end, cause = std::error::Error::source(&end), "agent disconnected");
}

async fn greet(socket: &mut WebSocket, conversation: &mut Conversation, app: &App) -> Result<Hello, End> {
    let (mut stopping, limit) = (app.stopping.clone(), app.session_limits.hello);
    let message = tokio::select! {
        message = timeout(limit, next_message(socket)) => message.map_err(|_| End::Silent(limit))??,
        () = stopping.wait() => return Err(End::Stopping),
    };
    match message {
        Some(text) => match conversation.receive(&text)? {
            AgentMessage::Hello(hello) => Ok(hello),
            AgentMessage::Applied { .. }
            | AgentMessage::Rejected { .. }
            | AgentMessage::Transitions { .. }
            | AgentMessage::Status(_)
            | AgentMessage::Assist(_) => Err(Violation::NotGreeted.into()),
        },
        None => Err(Violation::NotGreeted.into()),
    }
}

/// A database that is away costs nothing but time: the hub ends what the database still knows later.
async fn close_in_database(app: &App, key: SessionKey) {
    let ended = async {
        let mut tx = app.db.begin().await?;
        sessions::end(&mut tx, key, app.clock.now()).await?;
        tx.commit().await?;
        Ok::<_, StoreError>(())
    };
    let ended = ended.await;
    if let Err(error) = ended {
        tracing::debug!(%error, "the end of a session is not stored yet");
    }
}

struct Session<'a> {
    app: &'a App,
    key: SessionKey,
    node: Enrolled,
    origin: Origin,
    conversation: Conversation,
    /// The desired state that was sent last: its revision and digest.
    sent: Option<(Revision, String)>,
}

impl Session<'_> {
    async fn run(&mut self, socket: &mut WebSocket, hello: Hello, mut membership: Membership) -> End {
        match self.converse(socket, hello, &mut membership).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn converse(
        &mut self,
        socket: &mut WebSocket,
        hello: Hello,
        membership: &mut Membership,
    ) -> Result<End, End> {
        let limits = self.app.session_limits;
        self.begin(socket, hello).await?;
        self.push(socket).await?;
        let mut ping = interval(limits.ping);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                message = next_message(socket) => {
                    heard_at = Instant::now();
                    match message? {
                        Some(text) => self.obey(socket, &text).await?,
                        None => self.note_heard().await?,
                    }
                }
                Ok(()) = membership.desired.changed() => {
                    let wanted = *membership.desired.borrow_and_update();
                    if self.sent.as_ref().is_none_or(|(sent, _)| *sent < wanted) {
                        self.push(socket).await?;
                    }
                }
                Ok(()) = membership.ending.changed() => match *membership.ending.borrow_and_update() {
                    Some(Ending::Replaced) => return Ok(End::Replaced),
                    Some(Ending::Gone) => return Ok(End::Gone),
                    None => {}
                },
                _ = ping.tick() => self.send(socket, Message::Ping(axum::body::Bytes::new())).await?,
                () = sleep_until(heard_at + limits.idle) => return Ok(End::Silent(limits.idle)),
            }
        }
    }

    async fn begin(&mut self, socket: &mut WebSocket, hello: Hello) -> Result<(), End> {
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        let acknowledged = sessions::begin(&mut tx, self.key, &hello, now).await?.ok_or(End::Gone)?;
        commit(tx).await?;
        self.app.agents.begun(self.key);
        let welcome = Welcome {
            node: self.node.name.clone(),
            server_time: self.app.clock.now(),
            acknowledged,
            capabilities: Vec::new(),
        };
        self.say(socket, &ServerMessage::Welcome(welcome)).await
    }

    /// Sends what the node shall run now.
    async fn push(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let state = {
            let _turn = self.app.agents.turn().await;
            desired::read(&self.app.db, self.key.node).await?.ok_or(End::Gone)?
        };
        let (revision, digest) = (state.revision, state.digest.clone());
        let text = encode(&ServerMessage::DesiredState(state))?;
        if text.len() > MAX_MESSAGE_OCTETS {
            let detail = format!(
                "the desired state has {} octets: at most {MAX_MESSAGE_OCTETS} can be sent; it was not",
                text.len()
            );
            let reasons = vec![RejectionReason { group: None, detail }];
            self.store_rejection(&Rejection { revision, reasons }).await?;
        } else {
            self.send(socket, Message::Text(text)).await?;
            metrics::counter!("baton_desired_pushes_total").increment(1);
        }
        self.sent = Some((revision, digest));
        Ok(())
    }

    async fn obey(&mut self, socket: &mut WebSocket, text: &str) -> Result<(), End> {
        match self.conversation.receive(text)? {
            AgentMessage::Hello(_) => Err(Violation::GreetedTwice.into()),
            AgentMessage::Applied { revision, digest } => self.store_applied(revision, &digest).await,
            AgentMessage::Rejected { revision, reasons } => {
                tracing::warn!(node = %self.node.name, %revision, ?reasons, "the desired state was refused");
                self.store_rejection(&Rejection { revision, reasons }).await
            }
            AgentMessage::Transitions { transitions } => self.store_transitions(socket, &transitions).await,
            AgentMessage::Status(status) => self.store_status(&status).await,
            // This server does not say that it passes them on.
            AgentMessage::Assist(_) => Ok(()),
        }
    }

    async fn store_applied(&self, revision: Revision, digest: &str) -> Result<(), End> {
        let was_sent = self.sent.as_ref();
        if was_sent.is_some_and(|(sent, known)| *sent == revision && known != digest) {
            tracing::warn!(node = %self.node.name, %revision, digest, "the agent applied another state than was sent");
            return Ok(());
        }
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        self.still_ours(&mut tx).await?;
        sessions::applied(&mut tx, self.key.node, revision, now).await?;
        commit(tx).await
    }

    async fn store_rejection(&self, rejection: &Rejection) -> Result<(), End> {
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        self.still_ours(&mut tx).await?;
        sessions::rejected(&mut tx, self.key.node, rejection, now).await?;
        commit(tx).await
    }

    async fn store_status(&self, status: &AgentStatus) -> Result<(), End> {
        let now = self.app.clock.now();
        let _turn = self.app.agents.turn().await;
        let mut tx = self.transaction().await?;
        sessions::report_interfaces(&mut tx, self.key.node, &status.interfaces, now).await?;
        self.still_ours(&mut tx).await?;
        if let Some(counters) = &status.interface_counters {
            sessions::report_counters(&mut tx, self.key.node, counters).await?;
        }
        if let Some(fences) = &status.fences {
            sessions::report_fences(&mut tx, self.key.node, fences).await?;
        }
        let mut groups = member_reports::replace(&mut tx, self.key.node, &status.groups, now).await?;
        groups.extend(member_reports::contested(&mut tx, self.key.node).await?);
        member_reports::judge_groups(&mut tx, &groups, now).await?;
        commit(tx).await
    }

    /// Answers only after the commit: what is acknowledged is recorded.
    async fn store_transitions(&self, socket: &mut WebSocket, batch: &[TransitionRecord]) -> Result<(), End> {
        let now = self.app.clock.now();
        let ingested = {
            let _turn = self.app.agents.turn().await;
            let mut tx = self.transaction().await?;
            let ingested = ingest(&mut tx, &self.node, &self.origin, batch, now).await?;
            commit(tx).await?;
            ingested
        };
        ingest::count(&ingested);
        match ingested.acknowledged {
            Some(acknowledged) => self.say(socket, &ServerMessage::Ack(acknowledged)).await,
            None => Ok(()),
        }
    }

    /// A sign of life of one that claims to hold what another holds too says that both do.
    async fn note_heard(&self) -> Result<(), End> {
        let mut tx = self.transaction().await?;
        self.still_ours(&mut tx).await?;
        let groups = member_reports::contested(&mut tx, self.key.node).await?;
        if !groups.is_empty() {
            member_reports::judge_groups(&mut tx, &groups, self.app.clock.now()).await?;
        }
        commit(tx).await
    }

    /// Refuses to store for a session that is not the one of its node any more.
    async fn still_ours(&self, conn: &mut PgConnection) -> Result<(), End> {
        if sessions::heard(conn, self.key, self.app.clock.now()).await? { Ok(()) } else { Err(End::Gone) }
    }

    async fn say(&self, socket: &mut WebSocket, message: &ServerMessage) -> Result<(), End> {
        self.send(socket, Message::Text(encode(message)?)).await
    }

    async fn send(&self, socket: &mut WebSocket, message: Message) -> Result<(), End> {
        send(socket, message, self.app.session_limits.send).await
    }

    async fn transaction(&self) -> Result<Transaction<'static, Postgres>, End> {
        Ok(self.app.db.begin().await.map_err(StoreError::from)?)
    }
}

async fn commit(tx: Transaction<'static, Postgres>) -> Result<(), End> {
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

/// The next text of the agent; `None` for a sign of life.
async fn next_message(socket: &mut WebSocket) -> Result<Option<Utf8Bytes>, End> {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => {
            Err(Violation::Malformed("binary: messages are text".to_owned()).into())
        }
        Some(Ok(Message::Close(_))) | None => Err(End::Left),
        Some(Err(error)) if is_too_large(&error) => Err(End::TooLarge),
        Some(Err(error)) => Err(End::Connection(error)),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(|source| source.to_string().starts_with("Space limit exceeded"))
}

fn encode(message: &ServerMessage) -> Result<Utf8Bytes, End> {
    let text = serde_json::to_string(message)
        .map_err(|error| StoreError::inconsistent("groups", "desired state", error))?;
    Ok(text.into())
}

async fn send(socket: &mut WebSocket, message: Message, limit: Duration) -> Result<(), End> {
    match timeout(limit, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Connection(error)),
        Err(_) => Err(End::Slow(limit)),
    }
}

async fn say_goodbye(mut socket: WebSocket, end: &End, limit: Duration) {
    let (Some(code), _) = end.describe() else { return };
    // A reason has at most 123 octets (RFC 6455 §5.5).
    let mut reason = end.to_string();
    reason.truncate(reason.floor_char_boundary(123));
    let frame = CloseFrame { code, reason: reason.into() };
    if send(&mut socket, Message::Close(Some(frame)), limit).await.is_ok() {
        // The agent answers with its own close frame; then the connection may go.
        let _ =
            timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}
