//! The audit log: who did what, and what happened, in order.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Timestamp;

/// One entry of the audit log. Entries are never changed or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEvent {
    /// The position in the log.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub id: i64,
    /// When it was recorded, by the server's clock.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub recorded_at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done: `group.create`, `group.update`, `group.delete`, `node.enrol`, `transition`, `failover`,
    /// ….
    pub action: String,
    /// Whether it was done, or refused.
    pub outcome: Outcome,
    /// The kind of the object, for example `group`.
    pub target_kind: String,
    /// The id of the object, where it has one.
    pub target_id: Option<Uuid>,
    /// The name of the object when it happened.
    pub target_name: Option<String>,
    /// The address the request came from.
    pub source: Option<String>,
    /// Names the request in the server's log.
    pub request_id: Option<String>,
    /// The object before, without secrets.
    pub before: Option<Value>,
    /// The object after, without secrets; for a refusal, why; for a transition or failover, its record.
    pub after: Option<Value>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Actor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// The name of the token or node; `null` for the server itself and for callers that could not be
    /// identified.
    pub name: Option<String>,
    /// The id of the token or node.
    pub id: Option<Uuid>,
}

/// What kind of caller did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person or program with an API token.
    Token,
    /// The agent of a node.
    Node,
    /// The server itself.
    Server,
    /// A caller whose identity could not be established.
    Anonymous,
}

impl ActorKind {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Node => "node",
            Self::Server => "server",
            Self::Anonymous => "anonymous",
        }
    }
}

/// Whether something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, and nothing changed.
    Refused,
}

impl Outcome {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}
