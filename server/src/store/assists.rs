//! Assists on their way to other servers. They are no state, so there is no table.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Notifies the servers, each payload of less than 8,000 octets.
///
/// # Errors
/// When the database cannot be asked.
pub async fn notify(conn: &mut PgConnection, payloads: &[String]) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_notify('baton_assists', payload) FROM unnest($1::text[]) AS payload", payloads)
        .fetch_all(conn)
        .await?;
    Ok(())
}

/// The names of those of these groups that exist.
///
/// # Errors
/// When the database cannot be asked.
pub async fn group_names(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, String>, StoreError> {
    let rows = sqlx::query!("SELECT id, name FROM groups WHERE id = ANY($1)", groups);
    Ok(rows.fetch_all(conn).await?.into_iter().map(|row| (row.id, row.name)).collect())
}
