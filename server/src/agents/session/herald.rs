//! What cannot wait: boosts, assists and fast starts go out past whatever the clerk is doing.

use api_types::assist::RelayedAssist;
use api_types::boost::{self, Boost};
use api_types::channel::{Hello, ServerMessage};
use api_types::fast_start::FastStart;
use tokio::sync::{mpsc, watch};

use super::end::End;
use super::voice::Voice;

/// What one agent is to hear at once.
pub(super) struct Herald {
    /// `None` for an agent that knows no boosts.
    boosts: Option<watch::Receiver<Option<Vec<Boost>>>>,
    /// `None` for an agent that knows no assists.
    assists: Option<mpsc::Receiver<RelayedAssist>>,
    /// `None` for an agent that knows no fast starts.
    fast_starts: Option<mpsc::Receiver<FastStart>>,
}

impl Herald {
    pub(super) fn new(
        hello: &Hello,
        boosts: watch::Receiver<Option<Vec<Boost>>>,
        assists: Option<mpsc::Receiver<RelayedAssist>>,
        fast_starts: Option<mpsc::Receiver<FastStart>>,
    ) -> Self {
        let knows_boosts = hello.capabilities.iter().any(|word| word == boost::CAPABILITY);
        Self { boosts: knows_boosts.then_some(boosts), assists, fast_starts }
    }

    /// Speaks once the agent is welcomed, until a message cannot be sent.
    pub(super) async fn speak(mut self, voice: &Voice, mut welcomed: watch::Receiver<bool>) -> End {
        if welcomed.wait_for(|welcomed| *welcomed).await.is_err() {
            return std::future::pending().await;
        }
        loop {
            let message = tokio::select! {
                Some(boosts) = next_boosts(self.boosts.as_mut()) => ServerMessage::Boosts { boosts },
                Some(assist) = next(self.assists.as_mut()) => ServerMessage::Assist(assist),
                Some(start) = next(self.fast_starts.as_mut()) => ServerMessage::FastStart(start),
                // A newer session of the node hears them now, and this one is about to end.
                else => return std::future::pending().await,
            };
            if let Err(end) = voice.say(&message).await {
                return end;
            }
        }
    }
}

async fn next_boosts(boosts: Option<&mut watch::Receiver<Option<Vec<Boost>>>>) -> Option<Vec<Boost>> {
    let boosts = boosts?;
    loop {
        boosts.changed().await.ok()?;
        let told = boosts.borrow_and_update().clone();
        if told.is_some() {
            return told;
        }
    }
}

async fn next<T>(waiting: Option<&mut mpsc::Receiver<T>>) -> Option<T> {
    waiting?.recv().await
}
