//! Checks: insert, change, delete, find, list.

use std::collections::BTreeSet;

use api_types::check::{Check, CheckInterval, CheckSpec, CheckTimeout, Probe, Runs, UseOfCheck};
use api_types::{Name, Timestamp};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::StoreError;
use super::intent::{expect_one_row, name_taken, stored_name};
use super::key::Key;
use crate::domain::conflict::Kind;

struct CheckRow {
    id: Uuid,
    name: String,
    description: String,
    probe: Json<Probe>,
    interval_ms: i32,
    timeout_ms: i32,
    rise: i16,
    fall: i16,
    generation: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    groups: Vec<String>,
}

impl TryFrom<CheckRow> for Check {
    type Error = StoreError;

    fn try_from(row: CheckRow) -> Result<Self, StoreError> {
        let id = row.id;
        let wrong = |error: String| StoreError::inconsistent("checks", id, error);
        let runs = |number: i16| Runs::try_from(i64::from(number)).map_err(|error| wrong(error.to_string()));
        Ok(Self {
            id,
            name: stored_name("checks", id, row.name)?,
            description: row.description,
            probe: row.probe.0,
            interval_ms: CheckInterval::try_from(i64::from(row.interval_ms))
                .map_err(|error| wrong(error.to_string()))?,
            timeout_ms: CheckTimeout::try_from(i64::from(row.timeout_ms))
                .map_err(|error| wrong(error.to_string()))?,
            rise: runs(row.rise)?,
            fall: runs(row.fall)?,
            generation: row.generation,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            status: UseOfCheck { groups: row.groups },
        })
    }
}

/// The check with this key, if there is one.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn find(conn: &mut PgConnection, key: &Key) -> Result<Option<Check>, StoreError> {
    sqlx::query_as!(
        CheckRow,
        r#"
        SELECT c.id, c.name, c.description, c.probe AS "probe: Json<Probe>", c.interval_ms, c.timeout_ms, c.rise,
               c.fall, c.generation, c.created_at, c.updated_at,
               ARRAY(SELECT g.name FROM tracked_checks t JOIN groups g ON g.id = t.group_id
                     WHERE t.check_id = c.id ORDER BY g.name) AS "groups!"
        FROM checks c
        WHERE c.id = $1 OR c.name = $2
        "#,
        key.id(),
        key.name(),
    )
    .fetch_optional(conn)
    .await?
    .map(Check::try_from)
    .transpose()
}

/// At most `limit` checks whose id is greater than `after`, by id.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn list(
    conn: &mut PgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Check>, StoreError> {
    sqlx::query_as!(
        CheckRow,
        r#"
        SELECT c.id, c.name, c.description, c.probe AS "probe: Json<Probe>", c.interval_ms, c.timeout_ms, c.rise,
               c.fall, c.generation, c.created_at, c.updated_at,
               ARRAY(SELECT g.name FROM tracked_checks t JOIN groups g ON g.id = t.group_id
                     WHERE t.check_id = c.id ORDER BY g.name) AS "groups!"
        FROM checks c
        WHERE $1::uuid IS NULL OR c.id > $1
        ORDER BY c.id
        LIMIT $2
        "#,
        after,
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Check::try_from)
    .collect()
}

/// The checks of these names that exist, by name.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn named(conn: &mut PgConnection, names: &BTreeSet<&Name>) -> Result<Vec<CheckSpec>, StoreError> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        CheckRow,
        r#"
        SELECT id, name, description, probe AS "probe: Json<Probe>", interval_ms, timeout_ms, rise, fall,
               generation, created_at, updated_at, '{}'::text[] AS "groups!"
        FROM checks WHERE name = ANY($1)
        "#,
        &names,
    )
    .fetch_all(conn)
    .await?;
    let mut specs: Vec<CheckSpec> =
        rows.into_iter().map(|row| Ok(Check::try_from(row)?.spec())).collect::<Result<_, StoreError>>()?;
    specs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(specs)
}

/// Adds a check of generation 1.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub async fn insert(
    conn: &mut PgConnection,
    id: Uuid,
    spec: &CheckSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "
        INSERT INTO checks (id, name, description, probe, interval_ms, timeout_ms, rise, fall, generation,
                            created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9)
        ",
        id,
        spec.name.as_str(),
        spec.description,
        Json(&spec.probe) as _,
        milliseconds(spec.interval_ms.into())?,
        milliseconds(spec.timeout_ms.into())?,
        i16::from(spec.rise.get()),
        i16::from(spec.fall.get()),
        now.as_datetime(),
    )
    .execute(conn)
    .await
    .map_err(name_taken("checks_name_key", Kind::Check, &spec.name))?;
    Ok(())
}

/// Replaces what operators wrote of a check, and raises its generation.
///
/// # Errors
/// When the database refuses it, or there is no such check.
pub async fn replace(
    conn: &mut PgConnection,
    id: Uuid,
    spec: &CheckSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "
        UPDATE checks
        SET name = $2, description = $3, probe = $4, interval_ms = $5, timeout_ms = $6, rise = $7, fall = $8,
            generation = generation + 1, updated_at = $9
        WHERE id = $1
        ",
        id,
        spec.name.as_str(),
        spec.description,
        Json(&spec.probe) as _,
        milliseconds(spec.interval_ms.into())?,
        milliseconds(spec.timeout_ms.into())?,
        i16::from(spec.rise.get()),
        i16::from(spec.fall.get()),
        now.as_datetime(),
    )
    .execute(conn)
    .await
    .map_err(name_taken("checks_name_key", Kind::Check, &spec.name))?;
    expect_one_row("checks", id, done.rows_affected())
}

/// Removes a check that no group tracks.
///
/// # Errors
/// When the database refuses it, or there is no such check.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    let done = sqlx::query!("DELETE FROM checks WHERE id = $1", id).execute(conn).await?;
    expect_one_row("checks", id, done.rows_affected())
}

fn milliseconds(number: u32) -> Result<i32, StoreError> {
    i32::try_from(number).map_err(|error| StoreError::inconsistent("checks", number, error))
}
