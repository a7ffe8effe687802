//! Segments: insert, change, delete, find, list.

use api_types::segment::{Segment, SegmentSpec, SegmentStatus};
use api_types::{Name, Timestamp};
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use sqlx::PgConnection;
use std::net::IpAddr;
use uuid::Uuid;

use super::StoreError;
use super::intent::{expect_one_row, name_taken, stored_name};
use super::key::Key;
use crate::domain::conflict::Kind;

struct SegmentRow {
    id: Uuid,
    name: String,
    description: String,
    prefixes: Vec<IpNet>,
    generation: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    groups: i64,
}

impl TryFrom<SegmentRow> for Segment {
    type Error = StoreError;

    fn try_from(row: SegmentRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            name: stored_name("segments", row.id, row.name)?,
            description: row.description,
            prefixes: row.prefixes,
            generation: row.generation,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            status: SegmentStatus { groups: row.groups },
        })
    }
}

/// The segment with this key, if there is one.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn find(conn: &mut PgConnection, key: &Key) -> Result<Option<Segment>, StoreError> {
    sqlx::query_as!(
        SegmentRow,
        r#"
        SELECT s.id, s.name, s.description, s.prefixes AS "prefixes: Vec<IpNet>", s.generation,
               s.created_at, s.updated_at,
               (SELECT count(*) FROM groups g WHERE g.segment_id = s.id) AS "groups!"
        FROM segments s
        WHERE s.id = $1 OR s.name = $2
        "#,
        key.id(),
        key.name(),
    )
    .fetch_optional(conn)
    .await?
    .map(Segment::try_from)
    .transpose()
}

/// At most `limit` segments whose id is greater than `after`, by id.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn list(
    conn: &mut PgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Segment>, StoreError> {
    sqlx::query_as!(
        SegmentRow,
        r#"
        SELECT s.id, s.name, s.description, s.prefixes AS "prefixes: Vec<IpNet>", s.generation,
               s.created_at, s.updated_at,
               (SELECT count(*) FROM groups g WHERE g.segment_id = s.id) AS "groups!"
        FROM segments s
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
    .map(Segment::try_from)
    .collect()
}

/// Adds a segment of generation 1.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub async fn insert(
    conn: &mut PgConnection,
    id: Uuid,
    spec: &SegmentSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "
        INSERT INTO segments (id, name, description, prefixes, generation, created_at, updated_at)
        VALUES ($1, $2, $3, $4::inet[]::cidr[], 1, $5, $5)
        ",
        id,
        spec.name.as_str(),
        spec.description,
        &spec.prefixes,
        now.as_datetime(),
    )
    .execute(conn)
    .await
    .map_err(name_taken("segments_name_key", Kind::Segment, &spec.name))?;
    Ok(())
}

/// Replaces what operators wrote of a segment, and raises its generation.
///
/// # Errors
/// When the database refuses it, or there is no such segment.
pub async fn replace(
    conn: &mut PgConnection,
    id: Uuid,
    spec: &SegmentSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "
        UPDATE segments
        SET name = $2, description = $3, prefixes = $4::inet[]::cidr[], generation = generation + 1, updated_at = $5
        WHERE id = $1
        ",
        id,
        spec.name.as_str(),
        spec.description,
        &spec.prefixes,
        now.as_datetime(),
    )
    .execute(conn)
    .await
    .map_err(name_taken("segments_name_key", Kind::Segment, &spec.name))?;
    expect_one_row("segments", id, done.rows_affected())
}

/// Removes a segment that no group refers to.
///
/// # Errors
/// When the database refuses it, or there is no such segment.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    let done = sqlx::query!("DELETE FROM segments WHERE id = $1", id).execute(conn).await?;
    expect_one_row("segments", id, done.rows_affected())
}

/// The groups on a segment, by name.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn groups_on(conn: &mut PgConnection, id: Uuid) -> Result<Vec<Name>, StoreError> {
    sqlx::query!("SELECT id, name FROM groups WHERE segment_id = $1 ORDER BY name", id)
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| stored_name("groups", row.id, row.name))
        .collect()
}

/// Every virtual address on a segment, and every address of an external member, with the name of its group, by address.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn addresses_on(conn: &mut PgConnection, id: Uuid) -> Result<Vec<(IpAddr, Name)>, StoreError> {
    sqlx::query!(
        r#"
        SELECT a.address AS "address!: IpAddr", g.id AS group_id, g.name AS group_name
        FROM groups g
        JOIN (
            SELECT group_id, address FROM virtual_addresses
            UNION SELECT group_id, external_address FROM members WHERE external_address IS NOT NULL
        ) AS a ON a.group_id = g.id
        WHERE g.segment_id = $1
        ORDER BY a.address, g.name
        "#,
        id,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| Ok((row.address, stored_name("groups", row.group_id, row.group_name)?)))
    .collect()
}
