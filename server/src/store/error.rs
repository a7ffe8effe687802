//! What can go wrong in the store, and how the name of a constraint becomes a conflict.

use thiserror::Error;

/// Why the store could not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It would break a rule that spans objects; nothing was changed.
    #[error("{}", .0.detail)]
    Conflict(Conflict),
    /// The database is away, or too busy; the same request may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused a statement: a defect of the server.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    /// A row holds what the server never writes.
    #[error("row {id} of {table} makes no sense: {detail}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// A rule that spans objects, and what stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Which rule.
    pub code: ConflictCode,
    /// The field of the request at fault, as a JSON pointer; `None` when it is the object as a whole.
    pub pointer: Option<String>,
    /// What stands in the way, by name.
    pub detail: String,
}

/// The rules that span objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictCode {
    /// Another object of this kind has the name.
    NameTaken,
    /// Another group of the segment and family has the VRID.
    VridTaken,
    /// Another group of the segment has the address.
    AddressTaken,
    /// Other objects refer to this one.
    InUse,
}

impl StoreError {
    /// A row that makes no sense.
    pub fn inconsistent(table: &'static str, id: impl ToString, detail: impl ToString) -> Self {
        Self::Inconsistent { table, id: id.to_string(), detail: detail.to_string() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_transient(&error) { Self::Unavailable(error) } else { Self::Database(error) }
    }
}

/// The name of the constraint that the statement violated, if it violated one.
#[must_use]
pub fn violated_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|error| error.constraint())
}

/// The error of a statement, where `conflict` knows which constraints mean a conflict.
pub fn on_constraint(error: sqlx::Error, conflict: impl FnOnce(&str) -> Option<Conflict>) -> StoreError {
    match violated_constraint(&error).and_then(conflict) {
        Some(conflict) => StoreError::Conflict(conflict),
        None => error.into(),
    }
}

/// Whether the same statement may succeed later: no connection, the database is starting or stopping (class 57),
/// the connection broke (08), too many connections (53), or two transactions got in each other's way (40).
fn is_transient(error: &sqlx::Error) -> bool {
    if let Some(database) = error.as_database_error() {
        let code = database.code().unwrap_or_default();
        return ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class));
    }
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}
