//! Nodes: insert, change, delete, find, list.

use api_types::channel::Revision;
use api_types::condition::Condition;
use api_types::counters::InterfaceCounters;
use api_types::drain::Drain;
use api_types::fences::Fences;
use api_types::node::{Interface, Node, NodeSpec, NodeStatus, Rejection};
use api_types::timing::Timing;
use api_types::{Name, Timestamp};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::intent::{expect_one_row, name_taken, stored_name};
use super::key::Key;
use super::{StoreError, conditions, drains};
use crate::domain::conflict::Kind;

struct NodeRow {
    id: Uuid,
    name: String,
    description: String,
    generation: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    desired_epoch: i64,
    desired_counter: i64,
    enrolled: bool,
    connected: bool,
    last_seen_at: Option<DateTime<Utc>>,
    agent_version: Option<String>,
    boot_id: Option<Uuid>,
    capabilities: Vec<String>,
    interfaces: Option<Json<Vec<Interface>>>,
    interface_counters: Option<Json<Vec<InterfaceCounters>>>,
    fences: Option<Json<Fences>>,
    timing: Option<Json<Timing>>,
    applied_epoch: Option<i64>,
    applied_counter: Option<i64>,
    rejection: Option<Json<Rejection>>,
}

impl NodeRow {
    fn into_node(self, drain: Option<Drain>, conditions: Vec<Condition>) -> Result<Node, StoreError> {
        let applied_revision = match (self.applied_epoch, self.applied_counter) {
            (Some(epoch), Some(counter)) => Some(Revision { epoch, counter }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(StoreError::inconsistent("nodes", self.id, "half an applied revision"));
            }
        };
        Ok(Node {
            id: self.id,
            name: stored_name("nodes", self.id, self.name)?,
            description: self.description,
            generation: self.generation,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            status: NodeStatus {
                enrolled: self.enrolled,
                connected: self.connected,
                last_seen_at: self.last_seen_at.map(Timestamp::from),
                agent_version: self.agent_version,
                boot_id: self.boot_id,
                capabilities: self.capabilities,
                drain,
                interfaces: self.interfaces.map(|Json(interfaces)| interfaces),
                interface_counters: self.interface_counters.map(|Json(counters)| counters),
                fences: self.fences.map(|Json(fences)| fences),
                timing: self.timing.map(|Json(timing)| timing),
                desired_revision: Revision { epoch: self.desired_epoch, counter: self.desired_counter },
                applied_revision,
                rejection: self.rejection.map(|Json(rejection)| rejection),
                conditions,
            },
        })
    }
}

/// The node with this key, if there is one.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn find(conn: &mut PgConnection, key: &Key) -> Result<Option<Node>, StoreError> {
    let row = sqlx::query_as!(
        NodeRow,
        r#"
        SELECT id, name, description, generation, created_at, updated_at, desired_epoch, desired_counter,
               public_key IS NOT NULL AS "enrolled!", session_id IS NOT NULL AS "connected!",
               last_seen_at, agent_version, boot_id, capabilities,
               interfaces AS "interfaces: Json<Vec<Interface>>",
               interface_counters AS "interface_counters: Json<Vec<InterfaceCounters>>",
               fences AS "fences: Json<Fences>", timing AS "timing: Json<Timing>", applied_epoch, applied_counter, rejection AS "rejection: Json<Rejection>"
        FROM nodes
        WHERE id = $1 OR name = $2
        "#,
        key.id(),
        key.name(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    Ok(with_conditions(conn, row.into_iter().collect()).await?.pop())
}

/// At most `limit` nodes whose id is greater than `after`, by id.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn list(conn: &mut PgConnection, after: Option<Uuid>, limit: i64) -> Result<Vec<Node>, StoreError> {
    let rows = sqlx::query_as!(
        NodeRow,
        r#"
        SELECT id, name, description, generation, created_at, updated_at, desired_epoch, desired_counter,
               public_key IS NOT NULL AS "enrolled!", session_id IS NOT NULL AS "connected!",
               last_seen_at, agent_version, boot_id, capabilities,
               interfaces AS "interfaces: Json<Vec<Interface>>",
               interface_counters AS "interface_counters: Json<Vec<InterfaceCounters>>",
               fences AS "fences: Json<Fences>", timing AS "timing: Json<Timing>", applied_epoch, applied_counter, rejection AS "rejection: Json<Rejection>"
        FROM nodes
        WHERE $1::uuid IS NULL OR id > $1
        ORDER BY id
        LIMIT $2
        "#,
        after,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    with_conditions(conn, rows).await
}

async fn with_conditions(conn: &mut PgConnection, rows: Vec<NodeRow>) -> Result<Vec<Node>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut drains = drains::of_nodes(conn, &ids).await?;
    let mut conditions = conditions::of_nodes(conn, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let conditions = conditions.remove(&row.id).unwrap_or_default();
            let drain = drains.remove(&row.id);
            row.into_node(drain, conditions)
        })
        .collect()
}

/// Adds a node of generation 1 that has not enrolled.
///
/// # Errors
/// [`StoreError::Conflict`] when the name is taken.
pub async fn insert(
    conn: &mut PgConnection,
    id: Uuid,
    spec: &NodeSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "
        INSERT INTO nodes (id, name, description, generation, created_at, updated_at)
        VALUES ($1, $2, $3, 1, $4, $4)
        ",
        id,
        spec.name.as_str(),
        spec.description,
        now.as_datetime(),
    )
    .execute(conn)
    .await
    .map_err(name_taken("nodes_name_key", Kind::Node, &spec.name))?;
    Ok(())
}

/// Replaces what operators wrote of a node, and raises its generation.
///
/// # Errors
/// When the database refuses it, or there is no such node.
pub async fn replace(
    conn: &mut PgConnection,
    id: Uuid,
    spec: &NodeSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "
        UPDATE nodes SET name = $2, description = $3, generation = generation + 1, updated_at = $4 WHERE id = $1
        ",
        id,
        spec.name.as_str(),
        spec.description,
        now.as_datetime(),
    )
    .execute(conn)
    .await
    .map_err(name_taken("nodes_name_key", Kind::Node, &spec.name))?;
    expect_one_row("nodes", id, done.rows_affected())
}

/// Removes a node that is a member of no group, and wakes the servers, which end the session of its agent.
///
/// # Errors
/// When the database refuses it, or there is no such node.
pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    let done = sqlx::query!("DELETE FROM nodes WHERE id = $1", id).execute(&mut *conn).await?;
    expect_one_row("nodes", id, done.rows_affected())?;
    sqlx::query!("SELECT pg_notify('baton_desired', '')").execute(conn).await?;
    Ok(())
}

/// The groups that a node is a member of, by name.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn groups_of(conn: &mut PgConnection, id: Uuid) -> Result<Vec<Name>, StoreError> {
    sqlx::query!(
        "
        SELECT g.id, g.name FROM members m JOIN groups g ON g.id = m.group_id WHERE m.node_id = $1 ORDER BY g.name
        ",
        id,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| stored_name("groups", row.id, row.name))
    .collect()
}

/// A node and every node that shares a group with it: those whose desired state shows its name.
///
/// # Errors
/// When the database cannot be asked.
pub async fn with_peers(conn: &mut PgConnection, id: Uuid) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT DISTINCT peer.node_id AS "id!"
        FROM members own JOIN members peer USING (group_id)
        WHERE own.node_id = $1 AND peer.node_id IS NOT NULL
        UNION
        SELECT $1
        "#,
        id,
    )
    .fetch_all(conn)
    .await?)
}

/// The groups with an external member of this name, by name.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn groups_with_external(conn: &mut PgConnection, name: &Name) -> Result<Vec<Name>, StoreError> {
    sqlx::query!(
        "
        SELECT g.id, g.name FROM members m JOIN groups g ON g.id = m.group_id
        WHERE m.external_name = $1 ORDER BY g.name
        ",
        name.as_str(),
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| stored_name("groups", row.id, row.name))
    .collect()
}
