//! The sending half of a connection. The clerk and the herald share it; each message waits for the one
//! before.

use std::time::Duration;

use api_types::channel::ServerMessage;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::end::End;
use crate::store::StoreError;

/// The sending half of a connection.
pub(super) struct Voice {
    sink: Mutex<SplitSink<WebSocket, Message>>,
    limit: Duration,
}

impl Voice {
    /// Each message may take `limit`.
    pub(super) fn new(sink: SplitSink<WebSocket, Message>, limit: Duration) -> Self {
        Self { sink: Mutex::new(sink), limit }
    }

    pub(super) async fn say(&self, message: &ServerMessage) -> Result<(), End> {
        self.send(Message::Text(encode(message)?)).await
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), End> {
        let mut sink = self.sink.lock().await;
        match timeout(self.limit, sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::Connection(error)),
            Err(_) => Err(End::Slow(self.limit)),
        }
    }

    pub(super) fn into_sink(self) -> SplitSink<WebSocket, Message> {
        self.sink.into_inner()
    }
}

pub(super) fn encode(message: &ServerMessage) -> Result<Utf8Bytes, End> {
    let text = serde_json::to_string(message)
        .map_err(|error| StoreError::inconsistent("groups", "desired state", error))?;
    Ok(text.into())
}
