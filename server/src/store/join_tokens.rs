//! Join tokens: single-use, bound to the name of a node, short-lived.

use api_types::auth::JoinToken;
use api_types::{Name, Timestamp};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// A join token together with the hash of its secret.
#[derive(Debug, Clone)]
pub struct StoredJoinToken {
    /// The token as the API shows it.
    pub token: JoinToken,
    /// SHA-256 of its secret.
    pub secret_sha256: Vec<u8>,
}

struct Row {
    id: Uuid,
    node_name: String,
    secret_sha256: Vec<u8>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    used_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for StoredJoinToken {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { id, node_name, secret_sha256, created_at, expires_at, used_at } = row;
        let node =
            Name::try_from(node_name).map_err(|error| StoreError::inconsistent("join_tokens", id, error))?;
        let token = JoinToken {
            id,
            node,
            created_at: created_at.into(),
            expires_at: expires_at.into(),
            used_at: used_at.map(Timestamp::from),
            secret: None,
        };
        Ok(Self { token, secret_sha256 })
    }
}

/// Adds a join token.
///
/// # Errors
/// [`StoreError`] when the database cannot be written.
pub async fn insert(
    conn: &mut PgConnection,
    token: &JoinToken,
    secret_sha256: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO join_tokens (id, node_name, secret_sha256, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
        token.id,
        token.node.as_str(),
        secret_sha256.as_slice(),
        DateTime::<Utc>::from(token.created_at),
        DateTime::<Utc>::from(token.expires_at),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The join token with this id.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<StoredJoinToken>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, node_name, secret_sha256, created_at, expires_at, used_at FROM join_tokens WHERE id = $1",
        id
    )
    .fetch_optional(conn)
    .await?
    .map(StoredJoinToken::try_from)
    .transpose()
}

/// Like [`find`], and keeps everybody else from using the token until the transaction ends.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn find_and_lock(conn: &mut PgConnection, id: Uuid) -> Result<Option<StoredJoinToken>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, node_name, secret_sha256, created_at, expires_at, used_at FROM join_tokens WHERE id = $1
         FOR UPDATE",
        id
    )
    .fetch_optional(conn)
    .await?
    .map(StoredJoinToken::try_from)
    .transpose()
}

/// Marks the join token as used; `false` when it was used before, or is not there.
///
/// # Errors
/// [`StoreError`] when the database cannot be written.
pub async fn mark_used(conn: &mut PgConnection, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE join_tokens SET used_at = $2 WHERE id = $1 AND used_at IS NULL",
        id,
        DateTime::<Utc>::from(now)
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// At most `limit` join tokens after the one with id `after`, by id.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn list(
    conn: &mut PgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<JoinToken>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, node_name, secret_sha256, created_at, expires_at, used_at FROM join_tokens
         WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",
        after,
        limit
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| StoredJoinToken::try_from(row).map(|stored| stored.token))
    .collect()
}

/// Removes the join token with this id and returns it.
///
/// # Errors
/// [`StoreError`] when the database cannot be written.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<Option<JoinToken>, StoreError> {
    sqlx::query_as!(
        Row,
        "DELETE FROM join_tokens WHERE id = $1
         RETURNING id, node_name, secret_sha256, created_at, expires_at, used_at",
        id
    )
    .fetch_optional(conn)
    .await?
    .map(|row| StoredJoinToken::try_from(row).map(|stored| stored.token))
    .transpose()
}
