//! Appends to the audit log. Entries are never changed or removed: the database refuses it.

use std::net::IpAddr;

use api_types::Timestamp;
use api_types::audit::{Actor, ActorKind, Outcome};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the caller.
    pub source: Option<IpAddr>,
    /// Names the request in the server's log.
    pub request_id: Option<String>,
}

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The kind of the object, for example `group`.
    pub kind: &'static str,
    /// Its id, where it has one.
    pub id: Option<Uuid>,
    /// Its name at that time.
    pub name: Option<String>,
}

impl Target {
    /// An object with an id and a name.
    pub fn new(kind: &'static str, id: Uuid, name: impl ToString) -> Self {
        Self { kind, id: Some(id), name: Some(name.to_string()) }
    }

    /// Something that has a name only.
    pub fn named(kind: &'static str, name: impl ToString) -> Self {
        Self { kind, id: None, name: Some(name.to_string()) }
    }
}

/// One entry to be appended.
#[derive(Debug, Clone)]
pub struct Entry {
    actor: Actor,
    origin: Origin,
    action: &'static str,
    outcome: Outcome,
    target: Target,
    before: Option<Value>,
    after: Option<Value>,
}

impl Entry {
    /// Something that was done.
    #[must_use]
    pub const fn done(actor: Actor, origin: Origin, action: &'static str, target: Target) -> Self {
        Self { actor, origin, action, outcome: Outcome::Done, target, before: None, after: None }
    }

    /// Something that was refused, and why.
    #[must_use]
    pub fn refused(
        actor: Actor,
        origin: Origin,
        action: &'static str,
        target: Target,
        reason: &impl Serialize,
    ) -> Self {
        let entry = Self::done(actor, origin, action, target).after(reason);
        Self { outcome: Outcome::Refused, ..entry }
    }

    /// With the object as it was before, without secrets.
    #[must_use]
    pub fn before(self, object: &impl Serialize) -> Self {
        Self { before: serde_json::to_value(object).ok(), ..self }
    }

    /// With the object as it is now, without secrets.
    #[must_use]
    pub fn after(self, object: &impl Serialize) -> Self {
        Self { after: serde_json::to_value(object).ok(), ..self }
    }
}

/// The server itself as an actor.
#[must_use]
pub const fn server() -> Actor {
    Actor { kind: ActorKind::Server, name: None, id: None }
}

/// A caller whose identity could not be established.
#[must_use]
pub const fn anonymous() -> Actor {
    Actor { kind: ActorKind::Anonymous, name: None, id: None }
}

/// Appends `entry`, in the transaction of its effect, and returns its position in the log.
///
/// # Errors
/// [`StoreError`] when the database does not take it.
pub async fn record(conn: &mut PgConnection, now: Timestamp, entry: &Entry) -> Result<i64, StoreError> {
    let Entry { actor, origin, action, outcome, target, before, after } = entry;
    let id = sqlx::query_scalar!(
        "INSERT INTO audit_events (recorded_at, actor_kind, actor_name, actor_id, action, outcome,
                                   target_kind, target_id, target_name, source, request_id, before, after)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id",
        DateTime::<Utc>::from(now),
        actor.kind.as_str(),
        actor.name.as_deref(),
        actor.id,
        action,
        outcome.as_str(),
        target.kind,
        target.id,
        target.name.as_deref(),
        origin.source.map(|source| source.to_string()),
        origin.request_id.as_deref(),
        before.as_ref(),
        after.as_ref(),
    )
    .fetch_one(conn)
    .await?;
    Ok(id)
}
