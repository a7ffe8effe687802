//! Sync groups: insert, change, delete, find, list; and which group is in which.

use std::collections::HashMap;

use api_types::sync_group::{SyncGroup, SyncGroupSpec};
use api_types::{Name, Timestamp};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::intent::{expect_one_row, name_taken, stored_name};
use super::key::Key;
use crate::domain::conflict::Kind;

struct SyncGroupRow {
    id: Uuid,
    name: String,
    description: String,
    generation: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    groups: Vec<String>,
}

impl TryFrom<SyncGroupRow> for SyncGroup {
    type Error = StoreError;

    fn try_from(row: SyncGroupRow) -> Result<Self, StoreError> {
        let id = row.id;
        let groups = row.groups.into_iter().map(|name| stored_name("groups", id, name));
        Ok(Self {
            id,
            name: stored_name("sync_groups", id, row.name)?,
            description: row.description,
            groups: groups.collect::<Result<_, _>>()?,
            generation: row.generation,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

/// The sync group with this key, if there is one.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn find(conn: &mut PgConnection, key: &Key) -> Result<Option<SyncGroup>, StoreError> {
    sqlx::query_as!(
        SyncGroupRow,
        r#"
        SELECT s.id, s.name, s.description, s.generation, s.created_at, s.updated_at,
               ARRAY(SELECT g.name FROM synchronised_groups m JOIN groups g ON g.id = m.group_id
                     WHERE m.sync_group_id = s.id ORDER BY g.name) AS "groups!"
        FROM sync_groups s
        WHERE s.id = $1 OR s.name = $2
        "#,
        key.id(),
        key.name(),
    )
    .fetch_optional(conn)
    .await?
    .map(SyncGroup::try_from)
    .transpose()
}

/// At most `limit` sync groups whose id is greater than `after`, by id.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn list(
    conn: &mut PgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<SyncGroup>, StoreError> {
    sqlx::query_as!(
        SyncGroupRow,
        r#"
        SELECT s.id, s.name, s.description, s.generation, s.created_at, s.updated_at,
               ARRAY(SELECT g.name FROM synchronised_groups m JOIN groups g ON g.id = m.group_id
                     WHERE m.sync_group_id = s.id ORDER BY g.name) AS "groups!"
        FROM sync_groups s
        WHERE $1::uuid IS NULL OR s.id > $1
        ORDER BY s.id
        LIMIT $2
        "#,
        after,
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(SyncGroup::try_from)
    .collect()
}

/// The name of the sync group that each of these groups is in. One in none is absent.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn of_groups(conn: &mut PgConnection, groups: &[Uuid]) -> Result<HashMap<Uuid, Name>, StoreError> {
    let rows = sqlx::query!(
        "SELECT m.group_id, s.name FROM synchronised_groups m JOIN sync_groups s ON s.id = m.sync_group_id
         WHERE m.group_id = ANY($1)",
        groups,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.group_id, stored_name("sync_groups", row.group_id, row.name)?)))
        .collect()
}

/// The ids of the groups in the sync group of this group, by name, itself among them; itself alone where it is in none.
///
/// # Errors
/// When the database cannot be asked.
pub async fn together_with(conn: &mut PgConnection, group: Uuid) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT g.id FROM groups g
         WHERE g.id = $1 OR g.id IN (
             SELECT other.group_id FROM synchronised_groups own
             JOIN synchronised_groups other ON other.sync_group_id = own.sync_group_id
             WHERE own.group_id = $1)
         ORDER BY g.name",
        group,
    )
    .fetch_all(conn)
    .await?)
}

/// Adds a sync group of generation 1, with these groups.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub async fn insert(
    conn: &mut PgConnection,
    id: Uuid,
    spec: &SyncGroupSpec,
    groups: &[Uuid],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO sync_groups (id, name, description, generation, created_at, updated_at)
         VALUES ($1, $2, $3, 1, $4, $4)",
        id,
        spec.name.as_str(),
        spec.description,
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await
    .map_err(name_taken("sync_groups_name_key", Kind::SyncGroup, &spec.name))?;
    put_in(conn, id, groups).await
}

/// Replaces what operators wrote of a sync group, and raises its generation.
///
/// # Errors
/// When the database refuses it, or there is no such sync group.
pub async fn replace(
    conn: &mut PgConnection,
    id: Uuid,
    spec: &SyncGroupSpec,
    groups: &[Uuid],
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "UPDATE sync_groups SET name = $2, description = $3, generation = generation + 1, updated_at = $4
         WHERE id = $1",
        id,
        spec.name.as_str(),
        spec.description,
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await
    .map_err(name_taken("sync_groups_name_key", Kind::SyncGroup, &spec.name))?;
    expect_one_row("sync_groups", id, done.rows_affected())?;
    sqlx::query!("DELETE FROM synchronised_groups WHERE sync_group_id = $1", id).execute(&mut *conn).await?;
    put_in(conn, id, groups).await
}

/// Removes a sync group. Its groups stay, and move one by one from now on.
///
/// # Errors
/// When the database refuses it, or there is no such sync group.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    let done = sqlx::query!("DELETE FROM sync_groups WHERE id = $1", id).execute(conn).await?;
    expect_one_row("sync_groups", id, done.rows_affected())
}

async fn put_in(conn: &mut PgConnection, id: Uuid, groups: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO synchronised_groups (group_id, sync_group_id) SELECT unnest($2::uuid[]), $1",
        id,
        groups,
    )
    .execute(conn)
    .await?;
    Ok(())
}
