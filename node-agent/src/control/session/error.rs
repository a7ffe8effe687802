//! Why a session ends.

use thiserror::Error;
use tokio_tungstenite::tungstenite;

use super::{COMMIT, DEAD};

/// Why a session ended.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    #[error("the server closed the session{0}")]
    Closed(String),
    #[error("the connection failed")]
    Connection(#[source] Box<tungstenite::Error>),
    #[error("the server has been silent for {} s", DEAD.as_secs())]
    Silent,
    #[error("the server has not acknowledged transitions for {} s", COMMIT.as_secs())]
    Unacknowledged,
    #[error("the server's first message was not a welcome")]
    NoWelcome,
    #[error("the server acknowledges transitions {0} again and again without taking them")]
    NoProgress(String),
    #[error("the server acknowledges sequence {0}, which no transition can have")]
    NoSuchSequence(u64),
    #[error("the server's message makes no sense")]
    Message(#[source] serde_json::Error),
    #[error("the agent is stopping")]
    Stopping,
}

impl From<tungstenite::Error> for SessionError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Connection(Box::new(error))
    }
}
