//! Reads a request body: JSON of at most [`MAX_BODY_OCTETS`], with every bad field listed.

use std::time::Duration;

use api_types::problem::FieldProblem;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::fields::{self, FromFields};
use super::json;
use super::problem::Problem;

/// The largest body that is read.
pub const MAX_BODY_OCTETS: usize = 256 * 1024;

/// How long a body may take to arrive.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(10);

/// The body of a request, read as `T`.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: FromFields> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        fields::read(document(request, state).await?).map(Self).map_err(Problem::invalid)
    }
}

/// The body of a request as far as it can be read as `T`; who takes it answers for the faults.
#[derive(Debug)]
pub struct DraftBody<T> {
    /// What could be read.
    pub draft: T,
    /// Everything that could not.
    pub faults: Vec<FieldProblem>,
}

impl<S: Send + Sync, T: FromFields> FromRequest<S> for DraftBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (draft, faults) =
            fields::read_draft(document(request, state).await?).map_err(Problem::invalid)?;
        Ok(Self { draft, faults })
    }
}

async fn document<S: Send + Sync>(request: Request, state: &S) -> Result<Value, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::unsupported_media_type());
    }
    let octets = tokio::time::timeout(ARRIVAL_LIMIT, Bytes::from_request(request, state))
        .await
        .map_err(|_| Problem::too_slow(ARRIVAL_LIMIT))?
        .map_err(|rejection| unread(&rejection))?;
    json::read(&octets).map_err(|error| Problem::malformed_json(error.to_string()))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum of axum is open; all else is a broken body")]
fn unread(rejection: &BytesRejection) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Problem::too_large(MAX_BODY_OCTETS)
        }
        _ => Problem::malformed_json("the body did not arrive whole"),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
