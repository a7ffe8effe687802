//! The sessions of agents, and what agents said in them about their hosts.

use api_types::Timestamp;
use api_types::channel::{Acknowledged, Hello, Revision};
use api_types::counters::InterfaceCounters;
use api_types::fences::Fences;
use api_types::node::{Interface, Rejection};
use api_types::timing::Timing;
use ipnet::IpNet;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::member_reports::{self, family_of};
use super::{StoreError, intent, journal_positions, nodes};
use crate::domain::desired::primary_address;

/// Names one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionKey {
    /// The node.
    pub node: Uuid,
    /// The session.
    pub session: Uuid,
    /// The server that holds it.
    pub server: Uuid,
}

/// Makes this the session of the node, whoever had one, and stores what its agent said of itself. Returns how far
/// its journal is recorded; `None` when the node is gone.
///
/// # Errors
/// When the database cannot be asked.
pub async fn begin(
    conn: &mut PgConnection,
    key: SessionKey,
    hello: &Hello,
    now: Timestamp,
) -> Result<Option<Vec<Acknowledged>>, StoreError> {
    lock_with_peers(conn, key.node).await?;
    let done = sqlx::query!(
        "UPDATE nodes SET session_id = $2, session_server_id = $3, boot_id = $4, agent_version = $5,
                          last_seen_at = $6, interface_counters = NULL, fences = NULL, timing = NULL,
                          capabilities = $7, session_began_at = $6, silent_since = NULL
         WHERE id = $1",
        key.node,
        key.session,
        key.server,
        hello.boot_id,
        hello.agent_version,
        now.as_datetime(),
        &hello.capabilities,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    store_interfaces(conn, key.node, &hello.interfaces, now).await?;
    member_reports::forget_details(conn, key.node).await?;
    if let Some(revision) = hello.applied_revision {
        store_applied(conn, key.node, revision).await?;
    }
    judge(conn, key.node, now).await?;
    journal_positions::of_node(conn, key.node, now).await.map(Some)
}

/// Stores the interfaces that the agent reports. The node and its peers are locked.
async fn store_interfaces(
    conn: &mut PgConnection,
    node: Uuid,
    interfaces: &[Interface],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let before = sqlx::query_scalar!(
        r#"SELECT interfaces AS "interfaces: Json<Vec<Interface>>" FROM nodes WHERE id = $1"#,
        node
    )
    .fetch_one(&mut *conn)
    .await?
    .map(|Json(interfaces)| interfaces);
    if before.as_deref() == Some(interfaces) {
        return Ok(false);
    }
    sqlx::query!("UPDATE nodes SET interfaces = $2 WHERE id = $1", node, Json(interfaces) as _)
        .execute(&mut *conn)
        .await?;
    for interface in interfaces {
        let addresses: Vec<_> = interface.addresses.iter().map(|net| IpNet::from(net.addr())).collect();
        sqlx::query!(
            "INSERT INTO node_addresses (node_id, interface, address, last_reported_at)
             SELECT DISTINCT $1::uuid, $2, address, $4::timestamptz FROM unnest($3::inet[]) AS address
             ON CONFLICT (node_id, interface, address) DO UPDATE
             SET last_reported_at = excluded.last_reported_at",
            node,
            interface.name,
            &addresses,
            now.as_datetime(),
        )
        .execute(&mut *conn)
        .await?;
    }
    let readdressed =
        readdressed_groups(conn, node, before.as_deref().unwrap_or_default(), interfaces).await?;
    let peers = sqlx::query_scalar!(
        r#"SELECT DISTINCT node_id AS "id!" FROM members
           WHERE group_id = ANY($1) AND node_id IS NOT NULL AND node_id <> $2"#,
        &readdressed,
        node
    )
    .fetch_all(&mut *conn)
    .await?;
    intent::touch_nodes(conn, &peers).await?;
    Ok(true)
}

/// The groups in which the node advertises from another address than before: what its peers know of it changes.
async fn readdressed_groups(
    conn: &mut PgConnection,
    node: Uuid,
    before: &[Interface],
    after: &[Interface],
) -> Result<Vec<Uuid>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT m.group_id, m.interface AS "interface!", g.family
           FROM members m JOIN groups g ON g.id = m.group_id WHERE m.node_id = $1"#,
        node
    )
    .fetch_all(conn)
    .await?;
    let mut groups = Vec::new();
    for row in rows {
        let family = family_of(&row.family)
            .ok_or_else(|| StoreError::inconsistent("groups", row.group_id, "its family"))?;
        let address = |interfaces| primary_address(interfaces, &row.interface, family);
        if address(before) != address(after) {
            groups.push(row.group_id);
        }
    }
    Ok(groups)
}

/// Keeps the rows of a node and of its peers, in one order, so that two agents that come at the same time and
/// change what the other shall know never wait for each other.
async fn lock_with_peers(conn: &mut PgConnection, node: Uuid) -> Result<(), StoreError> {
    let ids = nodes::with_peers(conn, node).await?;
    sqlx::query!("SELECT id FROM nodes WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &ids)
        .fetch_all(conn)
        .await?;
    Ok(())
}

/// Whether this is still the session of its node; notes that the agent was heard.
///
/// # Errors
/// When the database cannot be asked.
pub async fn heard(conn: &mut PgConnection, key: SessionKey, now: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE nodes SET last_seen_at = $3 WHERE id = $1 AND session_id = $2",
        key.node,
        key.session,
        now.as_datetime()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes whether the agent is silent in this session, and judges its groups anew.
///
/// # Errors
/// When the database cannot be asked.
pub async fn set_silent(
    conn: &mut PgConnection,
    key: SessionKey,
    is_silent: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "UPDATE nodes SET silent_since = CASE WHEN $3 THEN $4::timestamptz END
         WHERE id = $1 AND session_id = $2 AND (silent_since IS NOT NULL) <> $3",
        key.node,
        key.session,
        is_silent,
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        let groups = member_reports::groups_of(conn, key.node).await?;
        member_reports::judge_groups(conn, &groups, now).await?;
    }
    Ok(())
}

/// Stores the interfaces of a later report, if they are others than before.
///
/// # Errors
/// When the database cannot be asked.
pub async fn report_interfaces(
    conn: &mut PgConnection,
    node: Uuid,
    interfaces: &[Interface],
    now: Timestamp,
) -> Result<(), StoreError> {
    let same = sqlx::query_scalar!(
        r#"SELECT interfaces IS NOT DISTINCT FROM $2 AS "same!" FROM nodes WHERE id = $1"#,
        node,
        Json(interfaces) as _
    )
    .fetch_optional(&mut *conn)
    .await?;
    if same == Some(false) {
        lock_with_peers(conn, node).await?;
        if store_interfaces(conn, node, interfaces, now).await? {
            let groups = member_reports::groups_of(conn, node).await?;
            member_reports::judge_groups(conn, &groups, now).await?;
        }
    }
    Ok(())
}

/// Stores what was dropped on each interface.
///
/// # Errors
/// When the database cannot be asked.
pub async fn report_counters(
    conn: &mut PgConnection,
    node: Uuid,
    counters: &[InterfaceCounters],
) -> Result<(), StoreError> {
    sqlx::query!("UPDATE nodes SET interface_counters = $2 WHERE id = $1", node, Json(counters) as _)
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores how the fences of the node stand, and judges the node anew if they stand otherwise than before.
///
/// # Errors
/// When the database cannot be asked.
pub async fn report_fences(
    conn: &mut PgConnection,
    node: Uuid,
    fences: &Fences,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "UPDATE nodes SET fences = $2 WHERE id = $1 AND fences IS DISTINCT FROM $2",
        node,
        Json(fences) as _
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        member_reports::judge_node(conn, node, now).await?;
    }
    Ok(())
}

/// Stores how punctual the node is, and judges its groups anew if it keeps to other intervals than before.
///
/// # Errors
/// When the database cannot be asked.
pub async fn report_timing(
    conn: &mut PgConnection,
    node: Uuid,
    timing: &Timing,
    now: Timestamp,
) -> Result<(), StoreError> {
    let before =
        sqlx::query_scalar!(r#"SELECT timing AS "timing: Json<Timing>" FROM nodes WHERE id = $1"#, node)
            .fetch_optional(&mut *conn)
            .await?;
    sqlx::query!("UPDATE nodes SET timing = $2 WHERE id = $1", node, Json(timing) as _)
        .execute(&mut *conn)
        .await?;
    let before = before.flatten().map(|Json(timing)| timing.shortest_interval_ms());
    if before != Some(timing.shortest_interval_ms()) {
        let groups = member_reports::groups_of(conn, node).await?;
        member_reports::judge_groups(conn, &groups, now).await?;
    }
    Ok(())
}

/// Notes that the agent runs this revision. A refusal of it or of an older one is over.
///
/// # Errors
/// When the database cannot be asked.
pub async fn applied(
    conn: &mut PgConnection,
    node: Uuid,
    revision: Revision,
    now: Timestamp,
) -> Result<(), StoreError> {
    store_applied(conn, node, revision).await?;
    member_reports::judge_node(conn, node, now).await
}

async fn store_applied(conn: &mut PgConnection, node: Uuid, revision: Revision) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE nodes
         SET applied_epoch = $2, applied_counter = $3,
             rejection = CASE
                 WHEN ((rejection->'revision'->>'epoch')::bigint, (rejection->'revision'->>'counter')::bigint)
                      <= ($2, $3) THEN NULL
                 ELSE rejection END
         WHERE id = $1",
        node,
        revision.epoch,
        revision.counter,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that the agent refused a revision.
///
/// # Errors
/// When the database cannot be asked.
pub async fn rejected(
    conn: &mut PgConnection,
    node: Uuid,
    rejection: &Rejection,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!("UPDATE nodes SET rejection = $2 WHERE id = $1", node, Json(rejection) as _)
        .execute(&mut *conn)
        .await?;
    member_reports::judge_node(conn, node, now).await
}

/// Ends this session, if it is still the one of its node.
///
/// # Errors
/// When the database cannot be asked.
pub async fn end(conn: &mut PgConnection, key: SessionKey, now: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "UPDATE nodes SET session_id = NULL, session_server_id = NULL, silent_since = NULL
         WHERE id = $1 AND session_id = $2",
        key.node,
        key.session,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        judge(conn, key.node, now).await?;
    }
    Ok(())
}

/// Finds the conditions anew that depend on whether the agent of the node has a session.
async fn judge(conn: &mut PgConnection, node: Uuid, now: Timestamp) -> Result<(), StoreError> {
    member_reports::judge_node(conn, node, now).await?;
    let groups = member_reports::groups_of(conn, node).await?;
    member_reports::judge_groups(conn, &groups, now).await
}
