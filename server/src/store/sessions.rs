//! What nodes and their agents are to the server: identities, sessions, and what agents said about their hosts.

use api_types::channel::{Acknowledged, Hello, Revision};
use api_types::node::{Interface, Rejection};
use api_types::{Name, Timestamp};
use chrono::TimeDelta;
use ipnet::IpNet;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::events::Subject;
use super::intent::{self, stored_name};
use super::member_reports::{self, family_of};
use super::{StoreError, conditions, nodes, transitions};
use crate::domain::condition::{self, ObservedLink};
use crate::domain::desired::primary_address;

/// A node that an agent has enrolled as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The node.
    pub id: Uuid,
    /// Its name.
    pub name: Name,
    /// The Ed25519 public key of its agent.
    pub public_key: [u8; 32],
}

/// The node with this id, if an agent has enrolled as it.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn find_enrolled(conn: &mut PgConnection, id: Uuid) -> Result<Option<Enrolled>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT name, public_key AS "public_key!" FROM nodes WHERE id = $1 AND public_key IS NOT NULL"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let wrong = |_| StoreError::inconsistent("nodes", id, "its public key has a wrong length");
    let public_key = row.public_key.try_into().map_err(wrong)?;
    Ok(Some(Enrolled { id, name: stored_name("nodes", id, row.name)?, public_key }))
}

/// What enrolment came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolment {
    /// The node has the key.
    Done {
        /// The node.
        id: Uuid,
        /// Whether the node was made for it.
        created: bool,
        /// Whether an older key was replaced.
        replaced: bool,
    },
    /// Another node has the same key.
    KeyTaken,
}

/// Gives the node of this name the key; makes the node when it is not there. A session of an older key ends.
///
/// # Errors
/// When the database cannot be asked.
pub async fn enrol(
    conn: &mut PgConnection,
    name: &Name,
    public_key: &[u8; 32],
    now: Timestamp,
) -> Result<Enrolment, StoreError> {
    intent::lock(conn).await?;
    let taken = sqlx::query_scalar!(
        r#"SELECT true AS "taken!" FROM nodes WHERE public_key = $1 AND name <> $2"#,
        public_key.as_slice(),
        name.as_str()
    )
    .fetch_optional(&mut *conn)
    .await?;
    if taken.is_some() {
        return Ok(Enrolment::KeyTaken);
    }
    let found = sqlx::query!("SELECT id, public_key FROM nodes WHERE name = $1 FOR UPDATE", name.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let (id, created, replaced) = match found {
        Some(row) => (row.id, false, row.public_key.is_some()),
        None => {
            let id = Uuid::now_v7();
            let spec = api_types::node::NodeSpec { name: name.clone(), description: String::new() };
            nodes::insert(conn, id, &spec, now).await?;
            (id, true, false)
        }
    };
    sqlx::query!(
        "UPDATE nodes SET public_key = $2, enrolled_at = $3, session_id = NULL, session_server_id = NULL
         WHERE id = $1",
        id,
        public_key.as_slice(),
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await?;
    member_reports::judge_node(conn, id, now).await?;
    Ok(Enrolment::Done { id, created, replaced })
}

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
                          last_seen_at = $6
         WHERE id = $1",
        key.node,
        key.session,
        key.server,
        hello.boot_id,
        hello.agent_version,
        now.as_datetime(),
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    store_interfaces(conn, key.node, &hello.interfaces, now).await?;
    if let Some(revision) = hello.applied_revision {
        store_applied(conn, key.node, revision).await?;
    }
    judge(conn, key.node, now).await?;
    transitions::positions(conn, key.node, now).await.map(Some)
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
        "UPDATE nodes SET session_id = NULL, session_server_id = NULL WHERE id = $1 AND session_id = $2",
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

/// Says that this server runs, and ends the sessions of servers that do not any more.
///
/// # Errors
/// When the database cannot be asked.
pub async fn heartbeat(conn: &mut PgConnection, server: Uuid, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO servers (id, started_at, heartbeat_at) VALUES ($1, $2, $2)
         ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at",
        server,
        now.as_datetime()
    )
    .execute(&mut *conn)
    .await?;
    let orphans = sqlx::query!(
        r#"SELECT id, session_id AS "session!", session_server_id AS "server!" FROM nodes
           WHERE session_id IS NOT NULL
             AND NOT EXISTS (SELECT FROM servers WHERE id = session_server_id AND heartbeat_at > $1)
           ORDER BY id"#,
        now.as_datetime() - DEAD_AFTER
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in orphans {
        let key = SessionKey { node: row.id, session: row.session, server: row.server };
        end(conn, key, now).await?;
    }
    sqlx::query!("DELETE FROM servers WHERE heartbeat_at <= $1", now.as_datetime() - DEAD_AFTER)
        .execute(conn)
        .await?;
    Ok(())
}

/// Finds the condition `agent_disconnected` of every node anew: a server that starts may find nodes whose
/// sessions ended while no server ran.
///
/// # Errors
/// When the database cannot be asked.
pub async fn judge_all(conn: &mut PgConnection, now: Timestamp) -> Result<(), StoreError> {
    let nodes = sqlx::query!(
        r#"SELECT id, public_key IS NOT NULL AS "enrolled!", session_id IS NOT NULL AS "connected!",
                  rejection AS "rejection: Json<Rejection>"
           FROM nodes ORDER BY id"#
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in nodes {
        let rejection = row.rejection.map(|Json(rejection)| rejection);
        let link = ObservedLink { enrolled: row.enrolled, connected: row.connected, rejection };
        conditions::lock(conn, &[row.id]).await?;
        conditions::settle(conn, Subject::Node(row.id), &condition::of_node(&link), now).await?;
    }
    Ok(())
}
