//! What cannot wait: boosts and assists go out past whatever the clerk is doing.

use api_types::assist::RelayedAssist;
use api_types::boost::{self, Boost};
use api_types::channel::{Hello, ServerMessage};
use tokio::sync::{mpsc, watch};

use super::end::End;
use super::voice::Voice;

/// What one agent is to hear at once.
pub(super) struct Herald {
    /// `None` for an agent that knows no boosts.
    boosts: Option<watch::Receiver<Option<Vec<Boost>>>>,
    /// `None` for an agent that knows no assists.
    assists: Option<mpsc::Receiver<RelayedAssist>>,
}

impl Herald {
    pub(super) fn new(
        hello: &Hello,
        boosts: watch::Receiver<Option<Vec<Boost>>>,
        assists: Option<mpsc::Receiver<RelayedAssist>>,
    ) -> Self {
        let knows_boosts = hello.capabilities.iter().any(|word| word == boost::CAPABILITY);
        Self { boosts: knows_boosts.then_some(boosts), assists }
    }

    /// Speaks once the agent is welcomed, until a message cannot be sent.
    pub(super) async fn speak(mut self, voice: &Voice, mut welcomed: watch::Receiver<bool>) -> End {
        if welcomed.wait_for(|welcomed| *welcomed).await.is_err() {
            return std::future::pending().await;
        }
        loop {
            let message = tokio::select! {
                Some(boosts) = next_boosts(self.boosts.as_mut()) => ServerMessage::Boosts { boosts },
                Some(assist) = next_assist(self.assists.as_mut()) => ServerMessage::Assist(assist),
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

async fn next_assist(assists: Option<&mut mpsc::Receiver<RelayedAssist>>) -> Option<RelayedAssist> {
    assists?.recv().await
}
