//! What the servers of one installation share: signing keys, certificate authority, server certificates.
//! Private keys are sealed before they come here.

use api_types::Timestamp;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// The advisory lock under which the shared secrets are made. Any constant does.
const LOCK: i64 = 0x0062_6174_6f6e;

/// A signing key as the database keeps it.
#[derive(Debug, Clone)]
pub struct SigningKeyRow {
    /// The `kid`.
    pub id: Uuid,
    /// The Ed25519 public key.
    pub public_key: [u8; 32],
    /// The private key (PKCS#8), sealed.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A certificate as the database keeps it.
#[derive(Debug, Clone)]
pub struct CertificateRow {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key (PKCS#8), sealed.
    pub sealed_private_key: Vec<u8>,
}

/// Keeps other servers from making secrets until the transaction ends.
///
/// # Errors
/// [`StoreError`] when the database cannot be reached.
pub async fn lock(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query_scalar!(r#"SELECT 1 AS "one!" FROM pg_advisory_xact_lock($1)"#, LOCK).fetch_one(conn).await?;
    Ok(())
}

/// The signing keys, the newest first.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn signing_keys(conn: &mut PgConnection) -> Result<Vec<SigningKeyRow>, StoreError> {
    sqlx::query!(
        "SELECT id, public_key, sealed_private_key, created_at FROM signing_keys
         ORDER BY created_at DESC, id DESC"
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        let wrong = |_| StoreError::inconsistent("signing_keys", row.id, "the public key has a wrong length");
        Ok(SigningKeyRow {
            id: row.id,
            public_key: row.public_key.try_into().map_err(wrong)?,
            sealed_private_key: row.sealed_private_key,
            created_at: row.created_at.into(),
        })
    })
    .collect()
}

/// Adds a signing key.
///
/// # Errors
/// [`StoreError`] when the database cannot be written.
pub async fn insert_signing_key(conn: &mut PgConnection, key: &SigningKeyRow) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO signing_keys (id, public_key, sealed_private_key, created_at) VALUES ($1, $2, $3, $4)",
        key.id,
        key.public_key.as_slice(),
        key.sealed_private_key,
        DateTime::<Utc>::from(key.created_at),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the signing keys that were made before `time`.
///
/// # Errors
/// [`StoreError`] when the database cannot be written.
pub async fn delete_signing_keys(conn: &mut PgConnection, time: Timestamp) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM signing_keys WHERE created_at < $1", DateTime::<Utc>::from(time))
        .execute(conn)
        .await?;
    Ok(())
}

/// The certificate authority, once there is one.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn authority(conn: &mut PgConnection) -> Result<Option<CertificateRow>, StoreError> {
    let row = sqlx::query_as!(
        CertificateRow,
        "SELECT certificate_pem, sealed_private_key FROM certificate_authority"
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Adds the certificate authority.
///
/// # Errors
/// [`StoreError`] when the database cannot be written, or has one.
pub async fn insert_authority(
    conn: &mut PgConnection,
    row: &CertificateRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO certificate_authority (certificate_pem, sealed_private_key, created_at)
         VALUES ($1, $2, $3)",
        row.certificate_pem,
        row.sealed_private_key,
        DateTime::<Utc>::from(now),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The server certificate for this set of names that is still valid at `time`.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn server_certificate(
    conn: &mut PgConnection,
    names: &str,
    time: Timestamp,
) -> Result<Option<CertificateRow>, StoreError> {
    let row = sqlx::query_as!(
        CertificateRow,
        "SELECT certificate_pem, sealed_private_key FROM server_certificates
         WHERE names = $1 AND expires_at > $2",
        names,
        DateTime::<Utc>::from(time),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Adds or replaces the server certificate for this set of names.
///
/// # Errors
/// [`StoreError`] when the database cannot be written.
pub async fn put_server_certificate(
    conn: &mut PgConnection,
    names: &str,
    row: &CertificateRow,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO server_certificates (names, certificate_pem, sealed_private_key, expires_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (names) DO UPDATE
         SET certificate_pem = excluded.certificate_pem, sealed_private_key = excluded.sealed_private_key,
             expires_at = excluded.expires_at",
        names,
        row.certificate_pem,
        row.sealed_private_key,
        DateTime::<Utc>::from(expires_at),
    )
    .execute(conn)
    .await?;
    Ok(())
}
