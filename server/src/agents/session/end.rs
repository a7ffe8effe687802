//! Why a session ends, and what its agent is told.

use std::time::Duration;

use api_types::channel::MAX_MESSAGE_OCTETS;
use axum::extract::ws::close_code;
use thiserror::Error;

use crate::agents::protocol::Violation;
use crate::store::StoreError;

/// The close code for a session that another one of the same agent replaced.
pub const CLOSE_REPLACED: u16 = 4_000;
/// The close code for an agent that is not known any more under this identity.
pub const CLOSE_GONE: u16 = 4_001;

/// Why a session ended.
#[derive(Debug, Error)]
pub(super) enum End {
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
    pub(super) const fn describe(&self) -> (Option<u16>, &'static str) {
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
