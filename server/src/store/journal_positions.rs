//! How far the journal of each boot of a node is recorded without gaps: what the agent is told to forget.

use api_types::Timestamp;
use api_types::channel::Acknowledged;
use chrono::TimeDelta;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::transitions::unsigned;

/// Positions that did not move for longer than this are not told to an agent: its journal is shorter.
const POSITION_IS_OLD: TimeDelta = TimeDelta::days(30);

/// Keeps other sessions from moving the position of this boot until the transaction ends.
///
/// # Errors
/// When the database cannot be asked.
pub async fn lock(conn: &mut PgConnection, node: Uuid, boot: Uuid, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO journal_positions (node_id, boot_id, acknowledged, updated_at) VALUES ($1, $2, 0, $3)
         ON CONFLICT (node_id, boot_id) DO UPDATE SET updated_at = excluded.updated_at",
        node,
        boot,
        now.as_datetime(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves the position of this boot up to the first gap, and returns it. The position is locked.
///
/// # Errors
/// When the database cannot be asked.
pub async fn advance(conn: &mut PgConnection, node: Uuid, boot: Uuid) -> Result<Acknowledged, StoreError> {
    let acknowledged = sqlx::query_scalar!(
        r#"UPDATE journal_positions AS position
           SET acknowledged = greatest(position.acknowledged, (
               SELECT coalesce(max(run.sequence), 0)
               FROM (SELECT sequence, sequence - row_number() OVER (ORDER BY sequence) AS before
                     FROM transitions
                     WHERE node_id = $1 AND boot_id = $2 AND sequence > position.acknowledged) AS run
               WHERE run.before = position.acknowledged))
           WHERE node_id = $1 AND boot_id = $2
           RETURNING acknowledged AS "acknowledged!""#,
        node,
        boot
    )
    .fetch_one(conn)
    .await?;
    Ok(Acknowledged { boot_id: boot, sequence: unsigned(acknowledged) })
}

/// How far each boot of the node is recorded without gaps, the newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn of_node(
    conn: &mut PgConnection,
    node: Uuid,
    now: Timestamp,
) -> Result<Vec<Acknowledged>, StoreError> {
    let rows = sqlx::query!(
        "SELECT boot_id, acknowledged FROM journal_positions WHERE node_id = $1 AND updated_at > $2
         ORDER BY updated_at DESC LIMIT 1000",
        node,
        now.as_datetime() - POSITION_IS_OLD,
    )
    .fetch_all(conn)
    .await?;
    let position = |boot_id, acknowledged| Acknowledged { boot_id, sequence: unsigned(acknowledged) };
    Ok(rows.into_iter().map(|row| position(row.boot_id, row.acknowledged)).collect())
}
