//! Which checks groups track.

use std::collections::HashMap;

use api_types::Name;
use api_types::check::{Track, Weight};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::intent::stored_name;

/// What each of the groups tracks, in the order in which it was written.
pub(super) async fn of_groups(
    conn: &mut PgConnection,
    groups: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Track>>, StoreError> {
    let rows = sqlx::query!(
        "SELECT t.group_id, c.name, t.weight, t.reverse
         FROM tracked_checks t JOIN checks c ON c.id = t.check_id
         WHERE t.group_id = ANY($1) ORDER BY t.group_id, t.position",
        groups,
    )
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<Uuid, Vec<Track>> = HashMap::new();
    for row in rows {
        let weight = Weight::try_from(i64::from(row.weight))
            .map_err(|error| StoreError::inconsistent("tracked_checks", row.group_id, error))?;
        let check = stored_name("tracked_checks", row.group_id, row.name)?;
        found.entry(row.group_id).or_default().push(Track { check, weight, reverse: row.reverse });
    }
    Ok(found)
}

/// The groups that track a check, by name.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn groups_tracking(conn: &mut PgConnection, check: Uuid) -> Result<Vec<Name>, StoreError> {
    sqlx::query!(
        "SELECT g.id, g.name FROM tracked_checks t JOIN groups g ON g.id = t.group_id
         WHERE t.check_id = $1 ORDER BY g.name",
        check,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| stored_name("groups", row.id, row.name))
    .collect()
}

/// The nodes that run a check: the members of the groups that track it.
///
/// # Errors
/// When the database cannot be asked.
pub async fn nodes_running(conn: &mut PgConnection, check: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let nodes = sqlx::query_scalar!(
        r#"SELECT DISTINCT m.node_id AS "node_id!"
           FROM tracked_checks t JOIN members m ON m.group_id = t.group_id
           WHERE t.check_id = $1 AND m.node_id IS NOT NULL"#,
        check,
    );
    Ok(nodes.fetch_all(conn).await?)
}

/// Lets a group, which tracks nothing, track these, which exist.
pub(super) async fn insert(conn: &mut PgConnection, group: Uuid, track: &[Track]) -> Result<(), StoreError> {
    if track.is_empty() {
        return Ok(());
    }
    let checks: Vec<String> = track.iter().map(|track| track.check.to_string()).collect();
    let weights: Vec<i16> = track.iter().map(|track| track.weight.get()).collect();
    let reverses: Vec<bool> = track.iter().map(|track| track.reverse).collect();
    let done = sqlx::query!(
        "INSERT INTO tracked_checks (group_id, position, check_id, weight, reverse)
         SELECT $1, (row.number - 1)::smallint, c.id, row.weight, row.reverse
         FROM unnest($2::text[], $3::smallint[], $4::boolean[]) WITH ORDINALITY
              AS row (name, weight, reverse, number)
         JOIN checks c ON c.name = row.name",
        group,
        &checks,
        &weights,
        &reverses,
    )
    .execute(conn)
    .await?;
    if usize::try_from(done.rows_affected()).is_ok_and(|written| written == track.len()) {
        return Ok(());
    }
    Err(StoreError::inconsistent("tracked_checks", group, "a check that was there a moment ago is gone"))
}

/// Lets a group track nothing.
pub(super) async fn delete(conn: &mut PgConnection, group: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM tracked_checks WHERE group_id = $1", group).execute(conn).await?;
    Ok(())
}
