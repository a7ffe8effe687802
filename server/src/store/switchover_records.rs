//! Reads switchovers. They are written by `switchovers.rs`.
//!
//! Which failover a switchover was, and its gap, follow from the first transition of its target to Active:
//! they are looked up, not kept, so that what late reports correct is correct here too.

use api_types::Timestamp;
use api_types::audit::Actor;
use api_types::failover::GapMethod;
use api_types::switchover::{Switchover, SwitchoverState};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::audit_events::actor_kind_of;

/// At most `limit` switchovers of a group, the newest first, older than the one that was requested `before`.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn list(
    conn: &mut PgConnection,
    group: Uuid,
    before: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<Switchover>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM switchovers
         WHERE group_id = $1 AND ($2::timestamptz IS NULL OR (requested_at, id) < ($2, $3))
         ORDER BY requested_at DESC, id DESC LIMIT $4",
        group,
        before.map(|(at, _)| at.as_datetime()),
        before.map(|(_, id)| id),
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    with_ids(conn, &ids).await
}

/// The switchover with this id.
///
/// # Errors
/// When the database cannot be asked, or holds what it cannot hold.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Switchover>, StoreError> {
    Ok(with_ids(conn, &[id]).await?.pop())
}

/// The newest first.
async fn with_ids(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Switchover>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT s.id, s.group_id, s.group_name, s.from_member, s.to_member, s.actor_kind, s.actor_name, s.actor_id,
                  s.state, s.reason, s.requested_at, s.active_at, s.ended_at, f.id AS "failover?",
                  f.bound_at, f.gap_ms, f.gap_method AS "gap_method?"
           FROM switchovers s
           LEFT JOIN LATERAL (
               SELECT t.id FROM transitions t
               WHERE t.group_id = s.group_id AND t.node_id = s.target_id AND t.boot_id = s.boot_id
                 AND t.to_state = 'active' AND t.at > s.target_since AND s.active_at IS NOT NULL
               ORDER BY t.sequence LIMIT 1
           ) taken ON true
           LEFT JOIN failovers f ON f.transition_id = taken.id AND f.evidence = 'taken_over' AND f.concluded
           WHERE s.id = ANY($1)
           ORDER BY s.requested_at DESC, s.id DESC"#,
        ids
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Switchover::try_from)
    .collect()
}

struct Row {
    id: Uuid,
    group_id: Uuid,
    group_name: String,
    from_member: String,
    to_member: String,
    actor_kind: String,
    actor_name: Option<String>,
    actor_id: Option<Uuid>,
    state: String,
    reason: Option<String>,
    requested_at: DateTime<Utc>,
    active_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    failover: Option<Uuid>,
    bound_at: Option<DateTime<Utc>>,
    gap_ms: Option<f64>,
    gap_method: Option<String>,
}

impl TryFrom<Row> for Switchover {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let wrong = |column: &str| StoreError::inconsistent("switchovers", row.id, format!("its {column}"));
        let method = |word: String| {
            let known = GapMethod::ALL.into_iter().find(|method| method.as_str() == word);
            known.ok_or_else(|| wrong("gap_method"))
        };
        let kind = actor_kind_of(&row.actor_kind).ok_or_else(|| wrong("actor_kind"))?;
        Ok(Self {
            id: row.id,
            group: row.group_name,
            group_id: row.group_id,
            from: row.from_member,
            to: row.to_member,
            actor: Actor { kind, name: row.actor_name, id: row.actor_id },
            state: state_of(row.id, &row.state)?,
            reason: row.reason,
            requested_at: row.requested_at.into(),
            active_at: row.active_at.map(Timestamp::from),
            ended_at: row.ended_at.map(Timestamp::from),
            bound_at: row.bound_at.map(Timestamp::from),
            failover: row.failover,
            gap_ms: row.gap_ms,
            gap_method: row.gap_method.map(method).transpose()?,
        })
    }
}

/// The state of a column.
pub(super) fn state_of(id: Uuid, word: &str) -> Result<SwitchoverState, StoreError> {
    let known = SwitchoverState::ALL.into_iter().find(|state| state.as_str() == word);
    known.ok_or_else(|| StoreError::inconsistent("switchovers", id, format!("its state {word:?}")))
}
