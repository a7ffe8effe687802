//! Fast starts: found as soon as the last member of a new group has said that it waits, and told once.

use api_types::Timestamp;
use api_types::fast_start::{FastStart, VALID_AT_MOST_MS};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;
use vrrp::Priority;

use super::{StoreError, member_reports};
use crate::domain::fast_start::{self, Declared};

/// For how long a generation of a group is new. Whoever has not begun at once by then has begun as usual.
const NEW_FOR: TimeDelta = TimeDelta::seconds(10);

/// A fast start on its way to the server that its node has a session with.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ToTell {
    /// The server that found it.
    pub by: Uuid,
    /// The node.
    pub node: Uuid,
    /// What it is told.
    pub start: FastStart,
}

/// One member of a group that has not been told to begin yet.
struct MemberRow {
    group_id: Uuid,
    generation: i64,
    priority: i16,
    confirmed: bool,
}

/// Lets the new groups of `node` begin that may do so now, each once for each of its generations: says which,
/// and notifies the other servers. What the last of its members has said is committed, so whoever looks last
/// sees all of it.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn offer(db: &PgPool, by: Uuid, node: Uuid, now: Timestamp) -> Result<Vec<ToTell>, StoreError> {
    let mut conn = db.acquire().await?;
    let rows = new_groups_of(&mut conn, node, now).await?;
    let mut told = Vec::new();
    if rows.is_empty() {
        return Ok(told);
    }
    let groups: Vec<_> = rows.chunk_by(|one, other| one.group_id == other.group_id).collect();
    let ids: Vec<_> = groups.iter().filter_map(|rows| rows.first()).map(|row| row.group_id).collect();
    let observed = member_reports::observed(&mut conn, &ids).await?;
    for rows in groups {
        let Some(MemberRow { group_id, generation, .. }) = rows.first() else { continue };
        let observed = observed.get(group_id).map(Vec::as_slice).unwrap_or_default();
        if observed.len() != rows.len() {
            // It was changed in between, and whoever confirms that looks again.
            continue;
        }
        let declared = rows
            .iter()
            .zip(observed)
            .map(|(row, observed)| {
                let priority = u8::try_from(row.priority).ok().and_then(Priority::new);
                let wrong =
                    || StoreError::inconsistent("members", group_id, format!("priority {}", row.priority));
                Ok(Declared { observed, priority: priority.ok_or_else(wrong)?, confirmed: row.confirmed })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let Some(first) = fast_start::first(&declared) else { continue };
        let Some(boot_id) = first.boot_id else { continue };
        let start =
            FastStart { group_id: *group_id, generation: *generation, boot_id, valid_ms: VALID_AT_MOST_MS };
        let to_tell = ToTell { by, node: first.id, start };
        if tell_once(&mut conn, to_tell).await? {
            told.push(to_tell);
        }
    }
    Ok(told)
}

/// The members of the groups that `node` is a member of, have changed a moment ago, and have not been told to
/// begin.
async fn new_groups_of(
    conn: &mut PgConnection,
    node: Uuid,
    now: Timestamp,
) -> Result<Vec<MemberRow>, StoreError> {
    let rows = sqlx::query_as!(
        MemberRow,
        r#"SELECT g.id AS group_id, g.generation, m.priority,
                  coalesce((n.applied_epoch, n.applied_counter) >= (n.desired_epoch, n.desired_counter)
                           AND r.reported_at >= n.session_began_at, false) AS "confirmed!"
           FROM members own
           JOIN groups g ON g.id = own.group_id
           JOIN members m ON m.group_id = g.id
           LEFT JOIN nodes n ON n.id = m.node_id
           LEFT JOIN member_reports r ON r.group_id = m.group_id AND r.node_id = m.node_id
           WHERE own.node_id = $1 AND g.updated_at > $2 AND g.fast_start_generation < g.generation
           ORDER BY g.id, m.position"#,
        node,
        now.as_datetime() - NEW_FOR,
    );
    Ok(rows.fetch_all(conn).await?)
}

/// Notifies the servers, unless somebody has been told to begin this generation already. Whether it did.
async fn tell_once(conn: &mut PgConnection, to_tell: ToTell) -> Result<bool, StoreError> {
    let FastStart { group_id, generation, .. } = to_tell.start;
    let payload = serde_json::to_string(&to_tell);
    let payload = payload.map_err(|error| StoreError::inconsistent("groups", group_id, error))?;
    let notified = sqlx::query!(
        "WITH told AS (
             UPDATE groups SET fast_start_generation = generation
             WHERE id = $1 AND generation = $2 AND fast_start_generation < generation RETURNING id
         )
         SELECT pg_notify('baton_fast_starts', $3) FROM told",
        group_id,
        generation,
        payload,
    )
    .fetch_all(conn)
    .await?;
    Ok(!notified.is_empty())
}
