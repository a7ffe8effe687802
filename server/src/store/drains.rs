//! Drains: which nodes take no part in their groups, since when and why.

use std::collections::HashMap;

use api_types::Timestamp;
use api_types::audit::Actor;
use api_types::drain::Drain;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::audit_events::actor_kind_of;

/// The drains of these nodes. A node that is not drained is absent.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn of_nodes(conn: &mut PgConnection, nodes: &[Uuid]) -> Result<HashMap<Uuid, Drain>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT node_id, reason, since, actor_kind, actor_name, actor_id FROM drains WHERE node_id = ANY($1)",
        nodes
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    rows.map(|row| Ok((row.node_id, row.try_into()?))).collect()
}

/// Drains a node that is not drained, or gives the drain of one that is another reason.
///
/// # Errors
/// When the database cannot be asked.
pub async fn write(
    conn: &mut PgConnection,
    node: Uuid,
    reason: &str,
    actor: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO drains (node_id, reason, since, actor_kind, actor_name, actor_id)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (node_id) DO UPDATE SET reason = excluded.reason",
        node,
        reason,
        now.as_datetime(),
        actor.kind.as_str(),
        actor.name.as_deref(),
        actor.id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a node take part again.
///
/// # Errors
/// When the database cannot be asked.
pub async fn delete(conn: &mut PgConnection, node: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM drains WHERE node_id = $1", node).execute(conn).await?;
    Ok(())
}

struct Row {
    node_id: Uuid,
    reason: String,
    since: DateTime<Utc>,
    actor_kind: String,
    actor_name: Option<String>,
    actor_id: Option<Uuid>,
}

impl TryFrom<Row> for Drain {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let kind = actor_kind_of(&row.actor_kind)
            .ok_or_else(|| StoreError::inconsistent("drains", row.node_id, "its actor_kind"))?;
        let actor = Actor { kind, name: row.actor_name, id: row.actor_id };
        Ok(Self { reason: row.reason, since: row.since.into(), actor })
    }
}
