//! The servers that share the database, and the sessions that each says it holds.

use api_types::Timestamp;
use api_types::channel::Revision;
use chrono::TimeDelta;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::sessions::SessionKey;

/// A session that the database says a server holds, and the revision its node shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The node.
    pub node: Uuid,
    /// The session.
    pub session: Uuid,
    /// What the node shall run.
    pub desired: Revision,
}

/// The sessions that this server holds.
///
/// # Errors
/// When the database cannot be asked.
pub async fn held_by(conn: &mut PgConnection, server: Uuid) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, session_id AS "session!", desired_epoch, desired_counter
           FROM nodes WHERE session_server_id = $1"#,
        server
    )
    .fetch_all(conn)
    .await?;
    let held = rows.into_iter().map(|row| Held {
        node: row.id,
        session: row.session,
        desired: Revision { epoch: row.desired_epoch, counter: row.desired_counter },
    });
    Ok(held.collect())
}

/// A server that has said nothing for this long is dead.
const DEAD_AFTER: TimeDelta = TimeDelta::seconds(20);

/// Says that this server runs, and returns the sessions of servers that do not any more.
///
/// # Errors
/// When the database cannot be asked.
pub async fn heartbeat(
    conn: &mut PgConnection,
    server: Uuid,
    now: Timestamp,
) -> Result<Vec<SessionKey>, StoreError> {
    let dead = now.as_datetime() - DEAD_AFTER;
    sqlx::query!(
        "INSERT INTO servers (id, started_at, heartbeat_at) VALUES ($1, $2, $2)
         ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at",
        server,
        now.as_datetime()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM servers WHERE heartbeat_at <= $1", dead).execute(&mut *conn).await?;
    let orphans = sqlx::query!(
        r#"SELECT id, session_id AS "session!", session_server_id AS "server!" FROM nodes
           WHERE session_id IS NOT NULL AND NOT EXISTS (SELECT FROM servers WHERE id = session_server_id)
           ORDER BY id"#
    )
    .fetch_all(conn)
    .await?;
    let key = |node, session, server| SessionKey { node, session, server };
    Ok(orphans.into_iter().map(|row| key(row.id, row.session, row.server)).collect())
}

/// Every node that an agent has enrolled as.
///
/// # Errors
/// When the database cannot be asked.
pub async fn enrolled_nodes(conn: &mut PgConnection) -> Result<Vec<Uuid>, StoreError> {
    let nodes = sqlx::query_scalar!("SELECT id FROM nodes WHERE public_key IS NOT NULL ORDER BY id");
    Ok(nodes.fetch_all(conn).await?)
}
