//! Asks the agent for signs of life, past whatever the clerk is doing.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::Message;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::end::End;
use super::voice::Voice;

/// Asks once in each `period`, and at once when somebody wants to know, until a message cannot be sent.
pub(super) async fn keep(
    voice: &Voice,
    period: Duration,
    mut wanted: watch::Receiver<()>,
    mut welcomed: watch::Receiver<bool>,
) -> End {
    if welcomed.wait_for(|welcomed| *welcomed).await.is_err() {
        return std::future::pending().await;
    }
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Ok(()) = wanted.changed() => {}
        }
        if let Err(end) = voice.send(Message::Ping(Bytes::new())).await {
            return end;
        }
    }
}
