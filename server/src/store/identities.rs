//! Which agents have enrolled, and with which key.

use api_types::node::NodeSpec;
use api_types::{Name, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::intent::{Change, stored_name};
use super::{StoreError, member_reports, nodes};

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

/// The node of this name, if its agent has enrolled with this key.
///
/// # Errors
/// When the database cannot be asked.
pub async fn enrolled_with(
    conn: &mut PgConnection,
    name: &Name,
    public_key: &[u8; 32],
) -> Result<Option<Uuid>, StoreError> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM nodes WHERE name = $1 AND public_key = $2",
        name.as_str(),
        public_key.as_slice()
    );
    Ok(found.fetch_optional(conn).await?)
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
    conn: &mut Change,
    name: &Name,
    public_key: &[u8; 32],
    now: Timestamp,
) -> Result<Enrolment, StoreError> {
    let taken = sqlx::query_scalar!(
        r#"SELECT true AS "taken!" FROM nodes WHERE public_key = $1 AND name <> $2"#,
        public_key.as_slice(),
        name.as_str()
    )
    .fetch_optional(&mut **conn)
    .await?;
    if taken.is_some() {
        return Ok(Enrolment::KeyTaken);
    }
    let found = sqlx::query!("SELECT id, public_key FROM nodes WHERE name = $1 FOR UPDATE", name.as_str())
        .fetch_optional(&mut **conn)
        .await?;
    let (id, created, replaced) = match found {
        Some(row) => (row.id, false, row.public_key.is_some()),
        None => {
            let id = Uuid::now_v7();
            let spec = NodeSpec { name: name.clone(), description: String::new() };
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
    .execute(&mut **conn)
    .await?;
    member_reports::judge_node(conn, id, now).await?;
    Ok(Enrolment::Done { id, created, replaced })
}
