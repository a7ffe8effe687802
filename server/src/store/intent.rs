//! What every change of the operators' intent (segments, nodes, groups) has in common.
//!
//! Changes of intent are made one at a time, across all servers. The rules span objects (an address is held
//! against the prefixes of its segment, the groups beside it and the interfaces of its nodes), and one lock is
//! what makes "validate, then write" true without an order of row locks to keep. Reading takes no lock, and
//! nothing that an agent reports waits for it.

use api_types::Name;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Conflict, ConflictCode, StoreError, on_constraint};
use crate::domain::conflict::{self, Kind};

/// Any number that no other advisory lock of the database uses.
const INTENT_LOCK: i64 = 0x0062_6174_6f6e_0001;

/// Waits until no other transaction changes intent, and keeps others waiting until this one ends.
///
/// # Errors
/// When the database cannot be asked.
pub async fn lock(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", INTENT_LOCK).execute(conn).await?;
    Ok(())
}

/// Gives each of the nodes a new revision of its desired state, and wakes the servers once the transaction is
/// committed. Without nodes it does nothing.
///
/// # Errors
/// When the database cannot be asked.
pub async fn touch_nodes(conn: &mut PgConnection, nodes: &[Uuid]) -> Result<(), StoreError> {
    if nodes.is_empty() {
        return Ok(());
    }
    // In the order of the ids, so that two transactions never wait for each other's rows.
    sqlx::query!("SELECT id FROM nodes WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", nodes)
        .fetch_all(&mut *conn)
        .await?;
    sqlx::query!("UPDATE nodes SET desired_counter = desired_counter + 1 WHERE id = ANY($1)", nodes)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("SELECT pg_notify('baton_desired', '')").execute(conn).await?;
    Ok(())
}

/// A name from a column that only ever takes names.
pub(super) fn stored_name(table: &'static str, id: Uuid, text: String) -> Result<Name, StoreError> {
    Name::try_from(text).map_err(|error| StoreError::inconsistent(table, id, error))
}

/// Whether a statement that names a row by its id met exactly that row.
pub(super) fn expect_one_row(table: &'static str, id: Uuid, affected: u64) -> Result<(), StoreError> {
    match affected {
        1 => Ok(()),
        other => Err(StoreError::inconsistent(table, id, format!("{other} rows have this id"))),
    }
}

/// The error of writing an object whose name another one has, where that is what the constraint says. Who holds
/// the lock has looked before; the constraint holds for everybody else.
pub(super) fn name_taken(
    constraint: &'static str,
    kind: Kind,
    name: &Name,
) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| {
        on_constraint(error, |violated| {
            (violated == constraint).then(|| Conflict {
                code: ConflictCode::NameTaken,
                pointer: Some("/name".to_owned()),
                detail: conflict::Conflict::NameTaken { kind, name: name.clone() }.to_string(),
            })
        })
    }
}
