//! What members have found out about takeovers of others, and the failovers that it belongs to.
//!
//! It belongs to the move to that holder which is nearest in time, by the wall clocks of two nodes, if they are no
//! further apart than [`failover::CLOCK_DOUBT_S`]. Of several members the one that saw it take longest counts.

use api_types::convergence::Convergence;
use api_types::failover::Failover;
use chrono::TimeDelta;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::failover_records::FailoverRow;
use super::failovers::{Change, addresses, lock};
use super::identities::Enrolled;
use crate::domain::failover;

/// How many of each member of a group are kept.
const KEPT: i64 = 32;

/// Keeps what a member has found out, and completes the failover that it belongs to. Passes over what is not the
/// member's to know: a group it is not in, or a holder that nobody knows.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn record(
    conn: &mut PgConnection,
    node: &Enrolled,
    found: &Convergence,
) -> Result<Vec<Change>, StoreError> {
    let group = found.group_id;
    lock(conn, group).await?;
    let since = found.heard_at.as_datetime() - TimeDelta::seconds(failover::CLOCK_DOUBT_S);
    let known = addresses(conn, group, since.into()).await?;
    let Some(holder) = known.name_heard_by(node.id, found.holder) else { return Ok(Vec::new()) };
    #[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
    let convergence_ms = found.took_us as f64 / 1_000.0;
    let heard_at = found.heard_at.as_datetime();
    let kept = sqlx::query!(
        "INSERT INTO convergences (group_id, node_id, node, holder, heard_at, convergence_ms)
         SELECT group_id, node_id, $3, $4, $5, $6 FROM members WHERE group_id = $1 AND node_id = $2
         ON CONFLICT DO NOTHING",
        group,
        node.id,
        node.name.as_str(),
        holder,
        heard_at,
        convergence_ms,
    )
    .execute(&mut *conn)
    .await?;
    if kept.rows_affected() == 0 {
        return Ok(Vec::new());
    }
    sqlx::query!(
        "DELETE FROM convergences WHERE group_id = $1 AND node_id = $2 AND heard_at <=
             (SELECT heard_at FROM convergences WHERE group_id = $1 AND node_id = $2
              ORDER BY heard_at DESC OFFSET $3 LIMIT 1)",
        group,
        node.id,
        KEPT,
    )
    .execute(&mut *conn)
    .await?;
    complete(conn, group).await
}

/// Completes the failovers of a group by what its members have found out. The group is locked.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub(super) async fn complete(conn: &mut PgConnection, group: Uuid) -> Result<Vec<Change>, StoreError> {
    let found = sqlx::query!(
        r#"SELECT DISTINCT ON (f.id) f.id AS "id!", f.concluded AS "concluded!", c.convergence_ms, c.node
           FROM convergences c CROSS JOIN LATERAL (
               SELECT id, concluded FROM failovers
               WHERE group_id = c.group_id AND to_member = c.holder
                 AND at BETWEEN c.heard_at - make_interval(secs => $2) AND c.heard_at + make_interval(secs => $2)
               ORDER BY abs(extract(epoch FROM at - c.heard_at)), id LIMIT 1) f
           WHERE c.group_id = $1
           ORDER BY f.id, c.convergence_ms DESC, c.node"#,
        group,
        failover::CLOCK_DOUBT_S as f64,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut changes = Vec::new();
    for row in found {
        let before = sqlx::query_as!(
            FailoverRow,
            "SELECT id, group_id, group_name, from_member, to_member, cause, last_advertisement_at, bound_at,
                    announced_at, gap_ms, gap_method, convergence_ms, convergence_checked_by, transitions,
                    recorded_at, failing_checks
             FROM failovers WHERE id = $1 FOR UPDATE",
            row.id
        )
        .fetch_one(&mut *conn)
        .await?;
        let before = Failover::try_from(before)?;
        let mut after = before.clone();
        (after.convergence_ms, after.convergence_checked_by) = (Some(row.convergence_ms), Some(row.node));
        if after == before {
            continue;
        }
        sqlx::query!(
            "UPDATE failovers SET convergence_ms = $2, convergence_checked_by = $3 WHERE id = $1",
            row.id,
            after.convergence_ms,
            after.convergence_checked_by,
        )
        .execute(&mut *conn)
        .await?;
        changes.extend(row.concluded.then_some(Change::Corrected { before: Box::new(before), after }));
    }
    Ok(changes)
}
