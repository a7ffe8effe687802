//! From a bearer's credential to who it is.

use api_types::Timestamp;
use api_types::audit::{Actor, ActorKind};
use api_types::auth::{Role, Token};
use thiserror::Error;

use super::jwt::JwtError;
use super::secret_token::{SecretToken, TokenPrefix};
use super::signing_keys::SigningKeysError;
use crate::app::App;
use crate::store::{self, StoreError};

/// A caller who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub actor: Actor,
    /// What it may do.
    pub role: Role,
}

impl From<&Token> for Identity {
    fn from(token: &Token) -> Self {
        let actor = Actor { kind: ActorKind::Token, name: Some(token.name.to_string()), id: Some(token.id) };
        Self { actor, role: token.role }
    }
}

/// Why a credential is not accepted.
#[derive(Debug, Error)]
pub enum AuthenticateError {
    /// It is an API token that the server did not make, or that was deleted.
    #[error("the API token is not known")]
    UnknownToken,
    /// It is an API token whose time is over.
    #[error("the API token has expired")]
    ExpiredToken,
    /// It is a JWT that is not accepted.
    #[error("the JWT is not accepted: {0}")]
    Jwt(#[source] JwtError),
    /// It is a good JWT, but the API token it was given for was deleted or has expired.
    #[error("the API token that the JWT was given for is gone")]
    Revoked,
    /// It could not be checked.
    #[error("the credential cannot be checked now")]
    Store(#[from] StoreError),
    /// It could not be checked.
    #[error("the credential cannot be checked now")]
    Keys(#[from] SigningKeysError),
}

/// Who presents `credential`: an API token or a JWT.
///
/// # Errors
/// [`AuthenticateError`], whatever is wrong with it.
pub async fn authenticate(app: &App, credential: &str) -> Result<Identity, AuthenticateError> {
    let now = app.clock.now();
    if TokenPrefix::Api.begins(credential) {
        return redeem(app, credential).await.map(|token| Identity::from(&token));
    }
    let claims = match app.signing_keys.verify(credential, now) {
        Err(JwtError::UnknownKey) if app.signing_keys.may_be_stale(now) => {
            let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
            app.signing_keys.read(&mut conn, now).await?;
            app.signing_keys.verify(credential, now)
        }
        verified => verified,
    }
    .map_err(AuthenticateError::Jwt)?;
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let stored = store::tokens::find(&mut conn, claims.sub).await?;
    let token = stored.map(|stored| stored.token).filter(|token| !expired(token, now));
    token.as_ref().map(Identity::from).ok_or(AuthenticateError::Revoked)
}

/// The API token with this text, when it is valid.
///
/// # Errors
/// [`AuthenticateError`], whatever is wrong with it.
pub async fn redeem(app: &App, text: &str) -> Result<Token, AuthenticateError> {
    let presented = SecretToken::parse(TokenPrefix::Api, text).ok_or(AuthenticateError::UnknownToken)?;
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let stored = store::tokens::find(&mut conn, presented.id()).await?;
    let stored = stored
        .filter(|stored| presented.matches(&stored.secret_sha256))
        .ok_or(AuthenticateError::UnknownToken)?;
    if expired(&stored.token, app.clock.now()) {
        return Err(AuthenticateError::ExpiredToken);
    }
    Ok(stored.token)
}

fn expired(token: &Token, now: Timestamp) -> bool {
    token.expires_at <= now
}
