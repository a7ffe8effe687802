//! One connection of an agent, from hello to its end.
//!
//! Three parts work side by side in one task: the ear reads a few messages ahead, the clerk stores and
//! answers one message after the other, and the herald says what cannot wait for the clerk. None keeps a
//! queue that grows: the agent's batches are bounded by acknowledgement, and what the node shall run is read
//! when it is sent, so whoever is slow skips what it missed. An agent that does not take a message within
//! [`Limits::send`] is let go; it reconnects and gets the whole state again.
//!
//! [`Limits::send`]: super::Limits::send

mod clerk;
mod ear;
mod end;
mod herald;
mod pulse;
mod voice;

use std::time::Duration;

use api_types::channel::{AgentMessage, Hello};
use api_types::{assist, fast_start};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::hub::Membership;
use super::protocol::{Conversation, Violation};
use crate::app::App;
use crate::store::StoreError;
use crate::store::audit::Origin;
use crate::store::identities::Enrolled;
use crate::store::sessions::{self, SessionKey};
use clerk::Clerk;
use ear::Ear;
use end::End;
use herald::Herald;
use voice::Voice;

pub use end::{CLOSE_GONE, CLOSE_REPLACED};

/// Serves one connection of the agent of `node` until it ends.
pub async fn serve(app: App, node: Enrolled, origin: Origin, mut socket: WebSocket) {
    let name = node.name.clone();
    let mut conversation = Conversation::default();
    let (end, socket) = match greet(&mut socket, &mut conversation, &app).await {
        Err(end) => (end, Some(socket)),
        Ok(hello) => {
            let membership = app.agents.admit(node.id);
            let key = membership.key;
            tracing::info!(node = %name, source = ?origin.source, boot_id = %hello.boot_id,
                           agent_version = hello.agent_version, "agent connected");
            let ear = Ear::new(&app, &node, &origin, conversation, &hello);
            let (end, socket) = converse(&app, (node, origin), hello, membership, ear, socket).await;
            if !matches!(end, End::Replaced) {
                close_in_database(&app, key).await;
            }
            app.agents.leave(key);
            (end, socket)
        }
    };
    if let Some(socket) = socket {
        say_goodbye(socket, &end, app.session_limits.send).await;
    }
    let (_, why) = end.describe();
    metrics::counter!("baton_agent_sessions_ended_total", "reason" => why).increment(1);
    tracing::info!(node = %name, reason = %end, cause = std::error::Error::source(&end), "agent disconnected");
}

/// Returns why the session ended, and the connection where it is whole.
async fn converse(
    app: &App,
    (node, origin): (Enrolled, Origin),
    hello: Hello,
    mut membership: Membership,
    ear: Ear,
    socket: WebSocket,
) -> (End, Option<WebSocket>) {
    let mut stopping = app.stopping.clone();
    let limits = app.session_limits;
    let knows_assists = hello.capabilities.iter().any(|word| word == assist::CAPABILITY);
    let assists = knows_assists.then(|| app.agents.assists().join(membership.key));
    let knows_fast_starts = hello.capabilities.iter().any(|word| word == fast_start::CAPABILITY);
    let fast_starts = knows_fast_starts.then(|| app.agents.fast_starts().join(membership.key));
    let herald = Herald::new(&hello, membership.boosts.clone(), assists, fast_starts);
    let (sink, mut stream) = socket.split();
    let voice = Voice::new(sink, limits.send);
    let (say, mut heard) = mpsc::channel(ear::AHEAD);
    let (welcomed, is_welcomed) = watch::channel(false);
    let (key, capabilities) = (membership.key, hello.capabilities.clone());
    let mut clerk = Clerk::new(app, key, (node, origin), &voice, capabilities);
    let doubted = membership.doubted.clone();
    let end = {
        let working = clerk.work(&hello, &mut membership, &welcomed, &mut heard);
        let session = async {
            tokio::pin!(working);
            tokio::select! {
                end = ear.listen(&mut stream, say, is_welcomed.clone(), limits) => match working.await {
                    // What was heard before the end is stored.
                    Ok(()) => end,
                    Err(earlier) => earlier,
                },
                done = &mut working => done.err().unwrap_or(End::Left),
            }
        };
        tokio::select! {
            end = session => end,
            end = herald.speak(&voice, is_welcomed.clone()) => end,
            end = pulse::keep(&voice, limits.ping, doubted, is_welcomed.clone()) => end,
            () = stopping.wait() => End::Stopping,
        }
    };
    (end, voice.into_sink().reunite(stream).ok())
}

async fn greet(socket: &mut WebSocket, conversation: &mut Conversation, app: &App) -> Result<Hello, End> {
    let (mut stopping, limit) = (app.stopping.clone(), app.session_limits.hello);
    let message = tokio::select! {
        message = timeout(limit, ear::next_message(socket)) => message.map_err(|_| End::Silent(limit))??,
        () = stopping.wait() => return Err(End::Stopping),
    };
    match message {
        Some(text) => match conversation.receive(&text)? {
            AgentMessage::Hello(hello) => Ok(hello),
            AgentMessage::Applied { .. }
            | AgentMessage::Rejected { .. }
            | AgentMessage::Transitions { .. }
            | AgentMessage::Status(_)
            | AgentMessage::Assist(_)
            | AgentMessage::Converged(_) => Err(Violation::NotGreeted.into()),
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

async fn say_goodbye(mut socket: WebSocket, end: &End, limit: Duration) {
    let (Some(code), _) = end.describe() else { return };
    // A reason has at most 123 octets (RFC 6455 §5.5).
    let mut reason = end.to_string();
    reason.truncate(reason.floor_char_boundary(123));
    let frame = CloseFrame { code, reason: reason.into() };
    if let Ok(Ok(())) = timeout(limit, socket.send(Message::Close(Some(frame)))).await {
        // The agent answers with its own close frame; then the connection may go. What was too large is never read,
        // and closing a connection with unread octets resets it, before the agent has read why.
        let answered = async {
            while let Some(Ok(_)) = socket.recv().await {}
            if matches!(end, End::TooLarge) {
                std::future::pending::<()>().await;
            }
        };
        let _ = timeout(Duration::from_secs(1), answered).await;
    }
}
