//! Events: when conditions began and ended.

use api_types::Timestamp;
use api_types::condition::ConditionKind;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Whether a condition began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is so from now on.
    Began,
    /// It is so no longer.
    Ended,
}

impl Phase {
    /// The word that columns use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Ended => "ended",
        }
    }
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A group.
    Group(Uuid),
    /// A node.
    Node(Uuid),
}

impl Subject {
    /// The id, whatever it is.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::Group(id) | Self::Node(id) => id,
        }
    }

    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Group(_) => "group",
            Self::Node(_) => "node",
        }
    }

    pub(super) const fn group_id(self) -> Option<Uuid> {
        match self {
            Self::Group(id) => Some(id),
            Self::Node(_) => None,
        }
    }

    pub(super) const fn node_id(self) -> Option<Uuid> {
        match self {
            Self::Node(id) => Some(id),
            Self::Group(_) => None,
        }
    }
}

/// Records that a condition of a group or node that exists began or ended, in the transaction of its effect.
///
/// # Errors
/// When the database cannot be asked.
pub async fn record(
    conn: &mut PgConnection,
    now: Timestamp,
    subject: Subject,
    kind: ConditionKind,
    phase: Phase,
    detail: &str,
) -> Result<(), StoreError> {
    let name = sqlx::query_scalar!(
        "INSERT INTO events (at, kind, phase, subject_kind, subject_id, subject_name, detail)
         SELECT $1, $2, $3, $4, $5, subject.name, $6
         FROM (SELECT id, name FROM groups WHERE $4 = 'group'
               UNION ALL SELECT id, name FROM nodes WHERE $4 = 'node') AS subject
         WHERE subject.id = $5
         RETURNING subject_name",
        now.as_datetime(),
        kind.as_str(),
        phase.as_str(),
        subject.kind(),
        subject.id(),
        detail,
    )
    .fetch_optional(conn)
    .await?;
    let (group, node) = match subject {
        Subject::Group(_) => (name, None),
        Subject::Node(_) => (None, name),
    };
    tracing::info!(group, node, condition = kind.as_str(), phase = phase.as_str(), detail, "condition");
    Ok(())
}
