//! Reads a request body: JSON of at most [`MAX_BODY_OCTETS`], with every bad field listed.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};

use super::fields::{self, FromFields};
use super::problem::Problem;

/// The largest body that is read.
pub const MAX_BODY_OCTETS: usize = 256 * 1024;

/// The body of a request, read as `T`.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: FromFields> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let octets =
            Bytes::from_request(request, state).await.map_err(|_| Problem::too_large(MAX_BODY_OCTETS))?;
        let document =
            serde_json::from_slice(&octets).map_err(|error| Problem::malformed_json(error.to_string()))?;
        fields::read(document).map(Self).map_err(Problem::invalid)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
