//! The Ed25519 keys that sign the JWTs of operators.
//!
//! They are kept in the database, sealed, so that every server accepts what another one signed. The newest signs;
//! a key signs for [`SIGNS_FOR_DAYS`] and then only verifies until its last JWT has expired.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use api_types::Timestamp;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sqlx::PgConnection;
use thiserror::Error;
use uuid::Uuid;

use super::jwt::{self, Claims, JwtError};
use super::seal::{SealError, SealKey};
use crate::store::StoreError;
use crate::store::secrets::{self, SigningKeyRow};

/// How long a key signs, in days.
const SIGNS_FOR_DAYS: i64 = 30;
/// How long a key is kept after it was made, in days: longer than it signs, by much more than a JWT lives.
const KEPT_FOR_DAYS: i64 = 31;
/// What a signing key is sealed as.
const SEALED_AS: &str = "a signing key";

/// Signs and verifies.
#[derive(Debug)]
pub struct SigningKeys {
    seal: Arc<SealKey>,
    keys: RwLock<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    public: HashMap<Uuid, [u8; 32]>,
    signer: Option<Signer>,
    read_at: Option<Timestamp>,
}

struct Signer {
    id: Uuid,
    key: EncodingKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why there is no key to sign with.
#[derive(Debug, Error)]
pub enum SigningKeysError {
    /// The database failed.
    #[error("cannot read or write the signing keys")]
    Store(#[from] StoreError),
    /// A key cannot be sealed or opened.
    #[error("cannot seal or open a signing key")]
    Seal(#[from] SealError),
    /// The cryptographic library refused.
    #[error("cannot make or use a signing key: {0}")]
    Crypto(String),
}

impl SigningKeys {
    /// Without any key yet; [`Self::renew`] reads or makes them.
    #[must_use]
    pub fn new(seal: Arc<SealKey>) -> Self {
        Self { seal, keys: RwLock::default() }
    }

    /// Reads the keys of the database, makes a new one when the newest has signed long enough, and forgets those
    /// whose last JWT has expired. To be called in a transaction that holds the lock of the secrets.
    ///
    /// # Errors
    /// [`SigningKeysError`].
    pub async fn renew(&self, conn: &mut PgConnection, now: Timestamp) -> Result<(), SigningKeysError> {
        let days = |days| Timestamp::from(now.as_datetime() - TimeDelta::days(days));
        secrets::delete_signing_keys(conn, days(KEPT_FOR_DAYS)).await?;
        let newest = secrets::signing_keys(conn).await?.into_iter().next();
        if newest.is_none_or(|key| key.created_at <= days(SIGNS_FOR_DAYS)) {
            self.make(conn, now).await?;
        }
        self.read(conn, now).await
    }

    /// Reads the keys of the database.
    ///
    /// # Errors
    /// [`SigningKeysError`].
    pub async fn read(&self, conn: &mut PgConnection, now: Timestamp) -> Result<(), SigningKeysError> {
        let rows = secrets::signing_keys(conn).await?;
        let signer = rows.first().map(|row| self.signer(row)).transpose()?;
        let public = rows.iter().map(|row| (row.id, row.public_key)).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) =
            Keys { public, signer, read_at: Some(now) };
        Ok(())
    }

    /// Signs a JWT.
    ///
    /// # Errors
    /// [`SigningKeysError::Crypto`] when there is no key or it does not work.
    pub fn sign(&self, claims: &Claims) -> Result<String, SigningKeysError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let signer =
            keys.signer.as_ref().ok_or_else(|| SigningKeysError::Crypto("there is none".to_owned()))?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(jwt::TYPE.to_owned());
        header.kid = Some(signer.id.to_string());
        jsonwebtoken::encode(&header, claims, &signer.key)
            .map_err(|error| SigningKeysError::Crypto(error.to_string()))
    }

    /// Verifies an operator's JWT with the keys that were last read.
    ///
    /// # Errors
    /// [`JwtError`], whatever is wrong with it.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, JwtError> {
        let id = jwt::key_id(token)?;
        let key = self.keys.read().unwrap_or_else(PoisonError::into_inner).public.get(&id).copied();
        jwt::verify_operator(token, &key.ok_or(JwtError::UnknownKey)?, now)
    }

    /// Whether the keys were read long enough ago that another server may have made one since. At most once a
    /// second, so that forged key ids cost the database little.
    #[must_use]
    pub fn may_be_stale(&self, now: Timestamp) -> bool {
        let read_at = self.keys.read().unwrap_or_else(PoisonError::into_inner).read_at;
        read_at.is_none_or(|read_at| now.as_datetime() - read_at.as_datetime() >= TimeDelta::seconds(1))
    }

    async fn make(&self, conn: &mut PgConnection, now: Timestamp) -> Result<(), SigningKeysError> {
        let crypto = |_| SigningKeysError::Crypto("no new key could be made".to_owned());
        let pair = Ed25519KeyPair::generate().map_err(crypto)?;
        let private: Pkcs8V1Der<'static> = pair.as_der().map_err(crypto)?;
        let public_key = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| SigningKeysError::Crypto("a new key has the wrong length".to_owned()))?;
        let row = SigningKeyRow {
            id: Uuid::now_v7(),
            public_key,
            sealed_private_key: self.seal.seal(SEALED_AS, private.as_ref())?,
            created_at: now,
        };
        secrets::insert_signing_key(conn, &row).await?;
        tracing::info!(key = %row.id, "made a new key for signing JWTs");
        Ok(())
    }

    fn signer(&self, row: &SigningKeyRow) -> Result<Signer, SigningKeysError> {
        let private = self.seal.open(SEALED_AS, &row.sealed_private_key)?;
        Ok(Signer { id: row.id, key: EncodingKey::from_ed_der(&private) })
    }
}
