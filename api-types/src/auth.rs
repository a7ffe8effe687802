//! Tokens: how operators and programs prove who they are, and how a node gets its identity.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Name, Timestamp};

/// What a caller may do, from least to most. Each role but `auditor` includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything but the audit log and tokens.
    Viewer,
    /// What a viewer does, and no more in this release: there is no operation yet that moves addresses by
    /// hand.
    Operator,
    /// Also writes segments, nodes and groups.
    Editor,
    /// Reads everything a viewer reads, and the audit log.
    Auditor,
    /// Does everything.
    Admin,
}

impl Role {
    /// The word that JSON, columns and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Editor => "editor",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

/// An API token as an admin asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// Unique among tokens.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "terraform"))]
    pub name: Name,
    /// What its bearer may do.
    pub role: Role,
    /// How long it is valid: 60,000 (a minute) to 31,622,400,000 (366 days). Default: 90 days.
    #[serde(default = "default_token_ttl_ms")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 60_000, maximum = 31_622_400_000_i64, default = 7_776_000_000_i64)
    )]
    pub ttl_ms: i64,
}

/// The life of an API token that asks for none: 90 days in milliseconds.
#[must_use]
pub const fn default_token_ttl_ms() -> i64 {
    90 * 24 * 3_600 * 1_000
}

/// An API token as the server answers it; the secret is shown once, at creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Never changes.
    pub id: Uuid,
    /// Unique among tokens.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: Name,
    /// What its bearer may do.
    pub role: Role,
    /// When it was created.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it stops being valid.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
    /// The token itself, `baton_pat_…`; only in the answer to its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A join token as an admin asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct JoinTokenSpec {
    /// The only node name it can enrol. The node is created at enrolment when it is not there yet.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "lb1"))]
    pub node: Name,
    /// How long it is valid: 1,000 (a second) to 86,400,000 (a day). Default: 10 minutes.
    #[serde(default = "default_join_token_ttl_ms")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1_000, maximum = 86_400_000, default = 600_000))]
    pub ttl_ms: i64,
}

/// The life of a join token that asks for none: 10 minutes in milliseconds.
#[must_use]
pub const fn default_join_token_ttl_ms() -> i64 {
    10 * 60 * 1_000
}

/// A join token as the server answers it; the secret is shown once, at creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinToken {
    /// Never changes.
    pub id: Uuid,
    /// The only node name it can enrol.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub node: Name,
    /// When it was created.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it stops being valid.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
    /// When it was used; `null` while it was not.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub used_at: Option<Timestamp>,
    /// The token itself, `baton_join_…`; only in the answer to its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Asks for a JWT in exchange for an API token (`POST /api/v1/auth/token`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenExchange {
    /// The API token.
    #[cfg_attr(feature = "openapi", schema(max_length = 200, example = "baton_pat_..."))]
    pub token: String,
}

/// The JWT, in the shape of RFC 6749 §5.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessToken {
    /// The JWT (EdDSA), to be sent as `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until it expires (RFC 6749 §5.1 counts in seconds).
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub expires_in: i64,
}
