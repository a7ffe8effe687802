//! What every request handler can reach.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::watch;

use crate::agents::{Hub, Limits};
use crate::auth::{RefusalLog, SealKey, SigningKeys};
use crate::clock::SharedClock;
use crate::store::intent::IntentTurn;

/// What every request handler can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The database, as the application role.
    pub db: PgPool,
    /// The only source of the time.
    pub clock: SharedClock,
    /// Seals private keys before they go into the database.
    pub seal: Arc<SealKey>,
    /// Signs and verifies the JWTs of operators.
    pub signing_keys: Arc<SigningKeys>,
    /// The certificate authority that agents shall trust.
    pub authority: Arc<Authority>,
    /// Records refused attempts.
    pub refusals: Arc<RefusalLog>,
    /// The sessions of agents with this server.
    pub agents: Arc<Hub>,
    /// How long their sessions wait for them.
    pub session_limits: Limits,
    /// Lets one change of intent begin at a time.
    pub intent: IntentTurn,
    /// Says when the server stops, to those who serve long-lived connections.
    pub stopping: Stopping,
}

/// The certificate authority that agents shall trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// SHA-256 of its public key (`SubjectPublicKeyInfo`, DER): the pin in every join token.
    pub spki_sha256: [u8; 32],
}

/// Says when the server stops.
#[derive(Debug, Clone)]
pub struct Stopping {
    stopping: watch::Receiver<bool>,
    _never_dropped: Option<Arc<watch::Sender<bool>>>,
}

impl Stopping {
    /// Follows a flag that turns true when the server stops.
    #[must_use]
    pub const fn following(stopping: watch::Receiver<bool>) -> Self {
        Self { stopping, _never_dropped: None }
    }

    /// Never stops; for a router without a server around it.
    #[must_use]
    pub fn never() -> Self {
        let (sender, stopping) = watch::channel(false);
        Self { stopping, _never_dropped: Some(Arc::new(sender)) }
    }

    /// Returns when the server stops: a WebSocket is then closed with code 1012 (service restart).
    pub async fn wait(&mut self) {
        // An error says that the sender is gone, and with it the server.
        let _ = self.stopping.wait_for(|stopping| *stopping).await;
    }
}
