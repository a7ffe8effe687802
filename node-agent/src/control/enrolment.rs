//! How an agent becomes known: one POST with the join token and the public key, answered with an identity.
//!
//! The token is single-use, so it is sent only to a server that proved, in the TLS handshake, to be the one
//! that the token names ([`tls::pinned`]).

use std::path::Path;
use std::time::Duration;

use api_types::enrolment::{Enrolment, EnrolmentRequest};
use api_types::problem::Problem;
use reqwest::StatusCode;
use thiserror::Error;

use super::backoff::Backoff;
use super::error_chain::chain;
use super::identity::{AgentKey, Identity, IdentityError};
use super::join_token::JoinToken;
use super::tls::{self, AuthorityError};
use crate::config::ServerUrl;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(15);

/// Why there is no identity yet.
#[derive(Debug, Error)]
pub enum EnrolmentError {
    /// The server could not be reached, or is not the one that the token names.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The server.
        url: ServerUrl,
        /// Why.
        source: reqwest::Error,
    },
    /// The server cannot answer now.
    #[error("{url} cannot enrol agents now: {detail}")]
    Unavailable {
        /// The server.
        url: ServerUrl,
        /// What it answered.
        detail: String,
    },
    /// The server refused, and will refuse again.
    #[error("{url} refused the join token: {detail}")]
    Refused {
        /// The server.
        url: ServerUrl,
        /// What it answered.
        detail: String,
    },
    /// The server's answer makes no sense.
    #[error("{url} enrolled this agent, but its answer makes no sense: {detail}")]
    Answer {
        /// The server.
        url: ServerUrl,
        /// What was wrong.
        detail: String,
    },
    /// The key or identity could not be read or stored.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl EnrolmentError {
    /// Whether the same attempt can succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. })
    }
}

/// Enrols, however long the server is away.
///
/// # Errors
/// What no later attempt can change.
pub async fn enrol(url: &ServerUrl, token: &JoinToken, state_dir: &Path) -> Result<Identity, EnrolmentError> {
    let mut backoff = Backoff::default();
    loop {
        match enrol_once(url, token, state_dir).await {
            Err(error) if error.is_transient() => {
                let pause = backoff.next_pause();
                tracing::warn!(error = chain(&error), retry_in_ms = pause.as_millis(), "cannot enrol yet");
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
}

/// Tries once to enrol, and stores the identity.
///
/// # Errors
/// [`EnrolmentError`] says whether another attempt makes sense.
pub async fn enrol_once(
    url: &ServerUrl,
    token: &JoinToken,
    state_dir: &Path,
) -> Result<Identity, EnrolmentError> {
    let key = AgentKey::load_or_make(state_dir)?;
    let request = EnrolmentRequest {
        join_token: token.expose().to_owned(),
        public_key: key.public_key(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let enrolment = post(url, token, &request).await?;
    let answer = |detail: String| EnrolmentError::Answer { url: url.clone(), detail };
    let explain = |error: AuthorityError| answer(format!("ca_pem: {}", chain(&error)));
    if !tls::holds_authority(&enrolment.ca_pem, token.pin()).map_err(explain)? {
        return Err(answer("ca_pem is not the authority that the join token names".to_owned()));
    }
    tls::trusting(&enrolment.ca_pem).map_err(explain)?;
    let identity = Identity::store(state_dir, enrolment)?;
    tracing::info!(node = identity.node, node_id = %identity.node_id, "enrolled");
    Ok(identity)
}

async fn post(
    url: &ServerUrl,
    token: &JoinToken,
    request: &EnrolmentRequest,
) -> Result<Enrolment, EnrolmentError> {
    let unreachable = |source: reqwest::Error| EnrolmentError::Unreachable {
        url: url.clone(),
        source: source.without_url(),
    };
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::pinned(token.pin()).map_err(EnrolmentError::Tls)?)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ATTEMPT)
        .build()
        .map_err(unreachable)?;
    let response =
        client.post(format!("{url}/api/v1/enrolment")).json(request).send().await.map_err(unreachable)?;

    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(|error| EnrolmentError::Answer {
            url: url.clone(),
            detail: chain(&error.without_url()),
        });
    }
    let body = response.bytes().await.map_err(unreachable)?;
    let detail = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => format!("{} (HTTP {status})", problem.detail),
        Err(_) => format!("HTTP {status}"),
    };
    let temporary = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT;
    let url = url.clone();
    Err(if temporary {
        EnrolmentError::Unavailable { url, detail }
    } else {
        EnrolmentError::Refused { url, detail }
    })
}
