//! Reads failovers. They are written by `failovers.rs`; one that is not concluded yet is not shown.

use api_types::Timestamp;
use api_types::failover::{Failover, FailoverCause, GapMethod};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Which failovers a list shall hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of the group that had this name.
    pub group: Option<String>,
    /// From or to the member of this name.
    pub member: Option<String>,
}

/// At most `limit` failovers, the newest first, older than the one that was recorded `before`.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    before: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<Failover>, StoreError> {
    sqlx::query_as!(
        FailoverRow,
        "SELECT id, group_id, group_name, from_member, to_member, cause, last_advertisement_at, bound_at,
                announced_at, gap_ms, gap_method, convergence_ms, convergence_checked_by, transitions, recorded_at,
                failing_checks
         FROM failovers
         WHERE concluded AND ($1::text IS NULL OR group_name = $1)
           AND ($2::text IS NULL OR from_member = $2 OR to_member = $2)
           AND ($3::timestamptz IS NULL OR (recorded_at, id) < ($3, $4))
         ORDER BY recorded_at DESC, id DESC LIMIT $5",
        filter.group.as_deref(),
        filter.member.as_deref(),
        before.map(|(at, _)| at.as_datetime()),
        before.map(|(_, id)| id),
        limit
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Failover::try_from)
    .collect()
}

/// The failover with this id.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Failover>, StoreError> {
    sqlx::query_as!(
        FailoverRow,
        "SELECT id, group_id, group_name, from_member, to_member, cause, last_advertisement_at, bound_at,
                announced_at, gap_ms, gap_method, convergence_ms, convergence_checked_by, transitions, recorded_at,
                failing_checks
         FROM failovers WHERE id = $1 AND concluded",
        id
    )
    .fetch_optional(conn)
    .await?
    .map(Failover::try_from)
    .transpose()
}

pub(super) struct FailoverRow {
    pub(super) id: Uuid,
    pub(super) group_id: Uuid,
    pub(super) group_name: String,
    pub(super) from_member: Option<String>,
    pub(super) to_member: String,
    pub(super) cause: String,
    pub(super) last_advertisement_at: Option<DateTime<Utc>>,
    pub(super) bound_at: Option<DateTime<Utc>>,
    pub(super) announced_at: Option<DateTime<Utc>>,
    pub(super) gap_ms: Option<f64>,
    pub(super) gap_method: String,
    pub(super) convergence_ms: Option<f64>,
    pub(super) convergence_checked_by: Option<String>,
    pub(super) transitions: Vec<Uuid>,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) failing_checks: Vec<String>,
}

impl TryFrom<FailoverRow> for Failover {
    type Error = StoreError;

    fn try_from(row: FailoverRow) -> Result<Self, StoreError> {
        let wrong = |column: &str| StoreError::inconsistent("failovers", row.id, format!("its {column}"));
        Ok(Self {
            id: row.id,
            group: row.group_name,
            group_id: row.group_id,
            from: row.from_member,
            to: row.to_member,
            cause: FailoverCause::ALL
                .into_iter()
                .find(|cause| cause.as_str() == row.cause)
                .ok_or_else(|| wrong("cause"))?,
            failing_checks: row.failing_checks,
            last_advertisement_at: row.last_advertisement_at.map(Timestamp::from),
            bound_at: row.bound_at.map(Timestamp::from),
            announced_at: row.announced_at.map(Timestamp::from),
            gap_ms: row.gap_ms,
            gap_method: GapMethod::ALL
                .into_iter()
                .find(|method| method.as_str() == row.gap_method)
                .ok_or_else(|| wrong("gap_method"))?,
            convergence_ms: row.convergence_ms,
            convergence_checked_by: row.convergence_checked_by,
            recorded_at: row.recorded_at.into(),
            transitions: row.transitions,
        })
    }
}
