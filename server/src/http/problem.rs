//! Every error → status and body (RFC 9457). The only file that knows the status codes of refusals.

use std::error::Error;
use std::sync::Arc;

use api_types::Timestamp;
use api_types::problem::{FieldProblem, MEDIA_TYPE, Problem as ProblemBody};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::conflict;
use crate::store::{Conflict, ConflictCode, StoreError};

/// Why a request is refused. Becomes `application/problem+json`.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<FieldProblem>,
    server_time: Option<Timestamp>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kinds of problems. Their codes are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    MalformedJson,
    InvalidQuery,
    InvalidHeader,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NameTaken,
    VridTaken,
    AddressTaken,
    InUse,
    AgentBehind,
    NotMovable,
    NotReady,
    AlreadyThere,
    NoReadyMember,
    PreconditionFailed,
    TooLarge,
    TooSlow,
    UnsupportedMediaType,
    Invalid,
    Internal,
    Unavailable,
}

impl Kind {
    const fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "malformed_json", "The body is not JSON"),
            Self::InvalidQuery => (StatusCode::BAD_REQUEST, "invalid_query", "A query parameter is wrong"),
            Self::InvalidHeader => (StatusCode::BAD_REQUEST, "invalid_header", "A header is wrong"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "The caller is not known"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The caller may not do this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such thing"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The resource has no such method")
            }
            Self::NameTaken => (StatusCode::CONFLICT, "name_taken", "The name is taken"),
            Self::VridTaken => (StatusCode::CONFLICT, "vrid_taken", "The VRID is taken"),
            Self::AddressTaken => (StatusCode::CONFLICT, "address_taken", "The address is taken"),
            Self::InUse => (StatusCode::CONFLICT, "in_use", "The object is in use"),
            Self::AgentBehind => {
                (StatusCode::CONFLICT, "agent_behind", "The agent does not run what it shall")
            }
            Self::NotMovable => {
                (StatusCode::CONFLICT, "not_movable", "The addresses cannot be moved on request")
            }
            Self::NotReady => (StatusCode::CONFLICT, "not_ready", "The node is not ready"),
            Self::AlreadyThere => {
                (StatusCode::CONFLICT, "already_there", "The addresses are there, or on their way")
            }
            Self::NoReadyMember => (StatusCode::CONFLICT, "no_ready_member", "No other member is ready"),
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "precondition_failed", "The object is not as expected")
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow", "The body took too long to arrive"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is not JSON")
            }
            Self::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request is not valid"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The server cannot answer now")
            }
        }
    }
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), server_time: None, cause: None }
    }

    fn with_errors(kind: Kind, errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [] => String::new(),
            [only] if only.pointer.is_empty() => only.detail.clone(),
            [only] => format!("{}: {}", only.pointer, only.detail),
            [first, rest @ ..] => {
                format!("{}: {} (and {} more, see errors)", first.pointer, first.detail, rest.len())
            }
        };
        Self { errors, ..Self::new(kind, detail) }
    }

    /// Fields of the body break rules; `errors` names each of them.
    #[must_use]
    pub fn invalid(errors: Vec<FieldProblem>) -> Self {
        Self::with_errors(Kind::Invalid, errors)
    }

    /// The body is not JSON at all.
    pub fn malformed_json(detail: impl Into<String>) -> Self {
        Self::new(Kind::MalformedJson, detail)
    }

    /// Query parameters are unknown or have no sense.
    #[must_use]
    pub fn invalid_query(errors: Vec<FieldProblem>) -> Self {
        Self::with_errors(Kind::InvalidQuery, errors)
    }

    /// A header has no sense.
    pub fn invalid_header(detail: impl Into<String>) -> Self {
        Self::new(Kind::InvalidHeader, detail)
    }

    /// The caller is not known. The answer carries the server's time, so that a host with a wrong clock can
    /// correct its next try.
    pub fn unauthenticated(detail: impl Into<String>, now: Timestamp) -> Self {
        Self { server_time: Some(now), ..Self::new(Kind::Unauthenticated, detail) }
    }

    /// The caller may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, detail)
    }

    /// There is no such object: `kind` is a word like `group`, `key` its name or id.
    pub fn not_found(kind: &str, key: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("there is no {kind} {:?}", key.to_string()))
    }

    /// Query parameters name what is not there, and never was: the parameter and the name of each.
    #[must_use]
    pub fn unknown_names(names: &[(&str, &String)]) -> Self {
        let error = |(parameter, name): &(&str, &String)| FieldProblem {
            pointer: format!("?{parameter}"),
            detail: format!(
                "no {parameter} has the name {name:?}, and none had it when anything was recorded"
            ),
        };
        Self::with_errors(Kind::NotFound, names.iter().map(error).collect())
    }

    /// There is no such path.
    pub fn no_such_path(path: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is nothing at {path}"))
    }

    /// The path exists, the method does not; the `Allow` header says which do.
    pub fn method_not_allowed(method: &str) -> Self {
        Self::new(Kind::MethodNotAllowed, format!("{method} is not allowed here; see the Allow header"))
    }

    /// `If-Match` or `If-None-Match` does not hold.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(Kind::PreconditionFailed, detail)
    }

    /// The body is larger than `limit` octets.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(Kind::TooLarge, format!("at most {limit} octets are allowed"))
    }

    /// The body did not arrive within `limit`.
    #[must_use]
    pub fn too_slow(limit: std::time::Duration) -> Self {
        Self::new(Kind::TooSlow, format!("the body must arrive within {} s", limit.as_secs()))
    }

    /// The body is not declared as JSON.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::new(Kind::UnsupportedMediaType, "send the body as Content-Type: application/json")
    }

    /// Something outside the request keeps the server from answering; the same request may succeed later.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, detail)
    }

    /// A defect of the server. `cause` is logged and never shown.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            cause: Some(Arc::new(cause)),
            ..Self::new(Kind::Internal, "the server failed; its log has the reason under the request id")
        }
    }

    /// The server panicked while it served the request.
    #[must_use]
    pub fn panicked() -> Self {
        Self::new(Kind::Internal, "the server failed; its log has the reason under the request id")
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.describe().0
    }

    /// The stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.describe().1
    }

    /// What was wrong with this request.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What made the server fail, for its log.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// The answer, with the id of the request where it is known.
    #[must_use]
    pub fn respond(self, request_id: Option<&str>) -> Response {
        let (status, code, title) = self.kind.describe();
        let body = Body {
            problem: ProblemBody {
                kind: format!("/problems/{code}"),
                title: title.to_owned(),
                status: status.as_u16(),
                code: code.to_owned(),
                detail: self.detail.clone(),
                errors: self.errors.clone(),
                request_id: request_id.map(ToOwned::to_owned),
            },
            server_time: self.server_time,
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind == Kind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.kind == Kind::Unavailable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let mut response = (status, headers, serde_json::to_vec(&body).unwrap_or_default()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Serialize)]
struct Body {
    #[serde(flatten)]
    problem: ProblemBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_time: Option<Timestamp>,
}

impl IntoResponse for Problem {
    /// The outermost layer (`http/request.rs`) answers once more, with the request id.
    fn into_response(self) -> Response {
        self.respond(None)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(conflict) => conflict.into(),
            StoreError::Unavailable(source) => {
                Self { cause: Some(Arc::new(source)), ..Self::unavailable("the database is not available") }
            }
            error @ (StoreError::Database(_) | StoreError::Inconsistent { .. }) => Self::internal(error),
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<Conflict> for Problem {
    fn from(Conflict { code, pointer, detail }: Conflict) -> Self {
        let kind = match code {
            ConflictCode::NameTaken => Kind::NameTaken,
            ConflictCode::VridTaken => Kind::VridTaken,
            ConflictCode::AddressTaken => Kind::AddressTaken,
            ConflictCode::InUse => Kind::InUse,
        };
        let errors =
            pointer.map(|pointer| FieldProblem { pointer, detail: detail.clone() }).into_iter().collect();
        Self { errors, ..Self::new(kind, detail) }
    }
}

impl From<Vec<conflict::Conflict>> for Problem {
    /// Other objects stand in the way: at least one. The first gives the answer its code, `errors` names each.
    fn from(conflicts: Vec<conflict::Conflict>) -> Self {
        let kind = match conflicts.first() {
            Some(conflict::Conflict::VridTaken { .. }) => Kind::VridTaken,
            Some(conflict::Conflict::AddressTaken { .. }) => Kind::AddressTaken,
            Some(conflict::Conflict::NameTaken { .. } | conflict::Conflict::ExternalNameTaken { .. }) => {
                Kind::NameTaken
            }
            Some(conflict::Conflict::AgentBehind { .. }) => Kind::AgentBehind,
            Some(conflict::Conflict::NotMovable { .. }) => Kind::NotMovable,
            Some(conflict::Conflict::NotReady { .. } | conflict::Conflict::CannotDrain { .. }) => {
                Kind::NotReady
            }
            Some(conflict::Conflict::AlreadyThere { .. }) => Kind::AlreadyThere,
            Some(conflict::Conflict::NoReadyMember { .. }) => Kind::NoReadyMember,
            Some(
                conflict::Conflict::InUse { .. }
                | conflict::Conflict::PrefixInUse { .. }
                | conflict::Conflict::GroupTaken { .. }
                | conflict::Conflict::InSyncGroup { .. },
            )
            | None => Kind::InUse,
        };
        let detail = conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let errors = conflicts
            .iter()
            .filter_map(|conflict| {
                Some(FieldProblem { pointer: conflict.pointer()?, detail: conflict.to_string() })
            })
            .collect();
        Self { errors, ..Self::new(kind, detail) }
    }
}

impl From<conflict::Conflict> for Problem {
    fn from(conflict: conflict::Conflict) -> Self {
        vec![conflict].into()
    }
}
