//! What every change of the operators' intent (segments, nodes, groups, checks) has in common.
//!
//! Changes of intent are made one at a time, across all servers. The rules span objects (an address is held
//! against the prefixes of its segment, the groups beside it and the interfaces of its nodes), and one lock is
//! what makes "validate, then write" true without an order of row locks to keep. Reading takes no lock, and
//! nothing that an agent reports waits for it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use api_types::Name;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Conflict, ConflictCode, StoreError, on_constraint};
use crate::domain::conflict::{self, Kind};

/// Any number that no other advisory lock of the database uses.
const INTENT_LOCK: i64 = 0x0062_6174_6f6e_0001;

/// How long a change waits for its turn before it is answered with 503.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// Lets one change of intent begin at a time on this server. Whoever waits for the lock of the database holds a
/// connection meanwhile; with this, that is one writer and not all of them, so that a burst of writers never leaves
/// the sessions of agents without a connection.
#[derive(Debug, Clone, Default)]
pub struct IntentTurn(Arc<Mutex<()>>);

impl IntentTurn {
    /// Begins a change once no other one is under way, on any server.
    ///
    /// # Errors
    /// When the database cannot be asked, or the turn does not come within ten seconds.
    pub async fn begin(&self, db: &PgPool) -> Result<Change, StoreError> {
        let turn = timeout(TURN_TIMEOUT, Arc::clone(&self.0).lock_owned());
        let turn = turn.await.map_err(|_| StoreError::Unavailable(sqlx::Error::PoolTimedOut))?;
        let mut tx = db.begin().await?;
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", INTENT_LOCK).execute(&mut *tx).await?;
        Ok(Change { tx, _turn: turn })
    }
}

/// A transaction that changes intent; all others wait until it ends. Dropped, it changes nothing.
#[derive(Debug)]
pub struct Change {
    tx: Transaction<'static, Postgres>,
    _turn: OwnedMutexGuard<()>,
}

impl Change {
    /// Makes the change.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }
}

impl Deref for Change {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
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
