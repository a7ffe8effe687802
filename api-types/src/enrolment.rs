//! Enrolment: a new agent gets its identity (`POST /api/v1/enrolment`).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What an agent sends to enrol. Its key never leaves the host; only the public half does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The join token.
    #[cfg_attr(feature = "openapi", schema(max_length = 300, example = "baton_join_..."))]
    pub join_token: String,
    /// The agent's Ed25519 public key, 32 octets in base64url without padding.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9_-]{43}$"))]
    pub public_key: String,
    /// The version of the agent's software.
    #[cfg_attr(feature = "openapi", schema(max_length = 64))]
    pub agent_version: String,
}

/// The identity that the agent got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Enrolment {
    /// The id of the node; the `sub` of every JWT that the agent signs.
    pub node_id: Uuid,
    /// The name of the node.
    pub node: String,
    /// The certificate of the authority that signs the server's certificate, PEM.
    pub ca_pem: String,
}

/// How an agent proves who it is: the claims of the JWT it signs with its own key (EdDSA) for each session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentClaims {
    /// Issuer: `baton-agent`.
    pub iss: String,
    /// The id of the node.
    pub sub: Uuid,
    /// Audience: [`AGENT_AUDIENCE`].
    pub aud: String,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Not before, seconds since 1970.
    pub nbf: i64,
    /// Expiry, seconds since 1970; at most [`AGENT_TOKEN_LIFE_S`] after `iat`.
    pub exp: i64,
}

/// The issuer of the JWTs that agents sign.
pub const AGENT_ISSUER: &str = "baton-agent";
/// The audience of the JWTs that agents sign.
pub const AGENT_AUDIENCE: &str = "baton-agent-session";
/// The longest life of a JWT that an agent signs, in seconds.
pub const AGENT_TOKEN_LIFE_S: i64 = 60;
