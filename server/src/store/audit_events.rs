//! Reads the audit log. It is written by `audit.rs`.

use api_types::Timestamp;
use api_types::audit::{Actor, ActorKind, AuditEvent, Outcome};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

struct AuditRow {
    id: i64,
    recorded_at: DateTime<Utc>,
    actor_kind: String,
    actor_name: Option<String>,
    actor_id: Option<Uuid>,
    action: String,
    outcome: String,
    target_kind: String,
    target_id: Option<Uuid>,
    target_name: Option<String>,
    source: Option<String>,
    request_id: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
}

impl TryFrom<AuditRow> for AuditEvent {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, StoreError> {
        let wrong = |column: &str| StoreError::inconsistent("audit_events", row.id, format!("its {column}"));
        let kind = actor_kind_of(&row.actor_kind).ok_or_else(|| wrong("actor_kind"))?;
        let outcome = [Outcome::Done, Outcome::Refused]
            .into_iter()
            .find(|outcome| outcome.as_str() == row.outcome)
            .ok_or_else(|| wrong("outcome"))?;
        Ok(Self {
            id: row.id,
            recorded_at: row.recorded_at.into(),
            actor: Actor { kind, name: row.actor_name, id: row.actor_id },
            action: row.action,
            outcome,
            target_kind: row.target_kind,
            target_id: row.target_id,
            target_name: row.target_name,
            source: row.source,
            request_id: row.request_id,
            before: row.before,
            after: row.after,
        })
    }
}

/// The kind of actor of a column.
pub(super) fn actor_kind_of(word: &str) -> Option<ActorKind> {
    [ActorKind::Token, ActorKind::Node, ActorKind::Server, ActorKind::Anonymous]
        .into_iter()
        .find(|kind| kind.as_str() == word)
}

/// Which entries a list shall hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// About the group of this name, its transitions and its failovers.
    pub group: Option<String>,
    /// About the node of this name, or reported by it.
    pub node: Option<String>,
}

/// At most `limit` entries, the newest first, older than the one that was recorded `before`.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    before: Option<(Timestamp, i64)>,
    limit: i64,
) -> Result<Vec<AuditEvent>, StoreError> {
    sqlx::query_as!(
        AuditRow,
        "
        SELECT id, recorded_at, actor_kind, actor_name, actor_id, action, outcome, target_kind, target_id,
               target_name, source, request_id, before, after
        FROM audit_events
        WHERE ($1::text IS NULL OR (target_kind = 'group' AND target_name = $1) OR after ->> 'group' = $1)
          AND ($2::text IS NULL OR (target_kind = 'node' AND target_name = $2)
               OR (actor_kind = 'node' AND actor_name = $2))
          AND ($3::timestamptz IS NULL OR (recorded_at, id) < ($3, $4))
        ORDER BY recorded_at DESC, id DESC
        LIMIT $5
        ",
        filter.group.as_deref(),
        filter.node.as_deref(),
        before.map(|(at, _)| at.as_datetime()),
        before.map(|(_, id)| id),
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(AuditEvent::try_from)
    .collect()
}

/// The entry at this position of the log.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or holds what makes no sense.
pub async fn find(conn: &mut PgConnection, id: i64) -> Result<Option<AuditEvent>, StoreError> {
    sqlx::query_as!(
        AuditRow,
        "
        SELECT id, recorded_at, actor_kind, actor_name, actor_id, action, outcome, target_kind, target_id,
               target_name, source, request_id, before, after
        FROM audit_events WHERE id = $1
        ",
        id,
    )
    .fetch_optional(conn)
    .await?
    .map(AuditEvent::try_from)
    .transpose()
}
