//! What a member has found out about the takeover of another one becomes part of its failover.

use api_types::Timestamp;
use api_types::convergence::Convergence;
use sqlx::PgConnection;

use super::ingest;
use crate::store::identities::Enrolled;
use crate::store::{StoreError, audit, convergences};

/// Records it, in the caller's transaction.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn record(
    conn: &mut PgConnection,
    node: &Enrolled,
    found: &Convergence,
    now: Timestamp,
) -> Result<(), StoreError> {
    for change in convergences::record(conn, node, found).await? {
        audit::record(conn, now, &ingest::change_entry(&change)).await?;
    }
    Ok(())
}
