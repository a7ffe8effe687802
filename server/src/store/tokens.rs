//! API tokens.

use api_types::auth::{Role, Token};
use api_types::{Name, Timestamp};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Conflict, ConflictCode, StoreError, on_constraint};

/// A token together with the hash of its secret.
#[derive(Debug, Clone)]
pub struct StoredToken {
    /// The token as the API shows it.
    pub token: Token,
    /// SHA-256 of its secret.
    pub secret_sha256: Vec<u8>,
}

struct Row {
    id: Uuid,
    name: String,
    role: String,
    secret_sha256: Vec<u8>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl TryFrom<Row> for StoredToken {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { id, name, role, secret_sha256, created_at, expires_at } = row;
        let name = Name::try_from(name).map_err(|error| StoreError::inconsistent("tokens", id, error))?;
        let role = role_from_word(&role)
            .ok_or_else(|| StoreError::inconsistent("tokens", id, format!("unknown role {role:?}")))?;
        let token = Token {
            id,
            name,
            role,
            created_at: created_at.into(),
            expires_at: expires_at.into(),
            secret: None,
        };
        Ok(Self { token, secret_sha256 })
    }
}

fn role_from_word(word: &str) -> Option<Role> {
    [Role::Viewer, Role::Operator, Role::Editor, Role::Auditor, Role::Admin]
        .into_iter()
        .find(|role| role.as_str() == word)
}

/// Adds a token.
///
/// # Errors
/// [`Conflict`] when the name is taken.
pub async fn insert(
    conn: &mut PgConnection,
    token: &Token,
    secret_sha256: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO tokens (id, name, role, secret_sha256, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        token.id,
        token.name.as_str(),
        token.role.as_str(),
        secret_sha256.as_slice(),
        DateTime::<Utc>::from(token.created_at),
        DateTime::<Utc>::from(token.expires_at),
    )
    .execute(conn)
    .await
    .map_err(|error| {
        on_constraint(error, |constraint| {
            (constraint == "tokens_name_key").then(|| Conflict {
                code: ConflictCode::NameTaken,
                pointer: Some("/name".to_owned()),
                detail: format!("there is already a token named {:?}", token.name.as_str()),
            })
        })
    })?;
    Ok(())
}

/// The token with this id.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<StoredToken>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, name, role, secret_sha256, created_at, expires_at FROM tokens WHERE id = $1",
        id
    )
    .fetch_optional(conn)
    .await?
    .map(StoredToken::try_from)
    .transpose()
}

/// At most `limit` tokens after the one with id `after`, by id.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn list(
    conn: &mut PgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Token>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, name, role, secret_sha256, created_at, expires_at FROM tokens
         WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",
        after,
        limit
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| StoredToken::try_from(row).map(|stored| stored.token))
    .collect()
}

/// Removes the token with this id and returns it; its bearer is refused from the commit on.
///
/// # Errors
/// [`StoreError`] when the database cannot be written.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<Option<Token>, StoreError> {
    sqlx::query_as!(
        Row,
        "DELETE FROM tokens WHERE id = $1
         RETURNING id, name, role, secret_sha256, created_at, expires_at",
        id
    )
    .fetch_optional(conn)
    .await?
    .map(|row| StoredToken::try_from(row).map(|stored| stored.token))
    .transpose()
}

/// Whether there is a token that is valid at `now` and has the role of an admin.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub async fn any_admin(conn: &mut PgConnection, now: Timestamp) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM tokens WHERE role = 'admin' AND expires_at > $1) AS "found!""#,
        DateTime::<Utc>::from(now)
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}
