//! Versions of objects over HTTP: the generation as a strong `ETag`, `If-Match` and `If-None-Match: *`.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch};
use serde::Serialize;

use super::problem::Problem;

/// What the caller expects the object to be before it is changed. Both headers are optional.
#[derive(Debug)]
pub struct Preconditions {
    if_match: Option<IfMatch>,
    if_none_match: Option<IfNoneMatch>,
}

impl Preconditions {
    /// Whether the object is as expected; `generation` is `None` when there is no such object.
    ///
    /// # Errors
    /// A problem (412) when it is not.
    pub fn check(&self, generation: Option<i64>) -> Result<(), Problem> {
        if let Some(if_match) = &self.if_match {
            match generation.and_then(etag) {
                None => return Err(Problem::precondition_failed("If-Match: there is no such object yet")),
                Some(current) if !if_match.precondition_passes(&current) => {
                    return Err(Problem::precondition_failed(format!(
                        "If-Match: the object has changed; its generation is {}",
                        generation.unwrap_or_default()
                    )));
                }
                Some(_) => {}
            }
        }
        if let (Some(if_none_match), Some(current)) = (&self.if_none_match, generation.and_then(etag))
            && !if_none_match.precondition_passes(&current)
        {
            return Err(Problem::precondition_failed("If-None-Match: the object is already there"));
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let wrong = |name: &str| {
            Problem::invalid_header(format!("{name}: write it like \"3\", quotes included, or *"))
        };
        Ok(Self {
            if_match: parts.headers.typed_try_get().map_err(|_| wrong("If-Match"))?,
            if_none_match: parts.headers.typed_try_get().map_err(|_| wrong("If-None-Match"))?,
        })
    }
}

fn etag(generation: i64) -> Option<ETag> {
    format!("\"{generation}\"").parse().ok()
}

/// 200 with an object and its version.
#[derive(Debug)]
pub struct Versioned<T> {
    /// The object.
    pub object: T,
    /// Its generation.
    pub generation: i64,
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        headers.extend(etag_header(self.generation));
        (headers, Json(self.object)).into_response()
    }
}

/// 201 with a new object and where it is.
#[derive(Debug)]
pub struct Created<T> {
    /// The object.
    pub object: T,
    /// Its path.
    pub location: String,
    /// Its generation, for an object that can change.
    pub generation: Option<i64>,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        headers.extend(self.generation.and_then(etag_header));
        if let Ok(location) = HeaderValue::try_from(self.location) {
            headers.insert(header::LOCATION, location);
        }
        (StatusCode::CREATED, headers, Json(self.object)).into_response()
    }
}

fn etag_header(generation: i64) -> Option<(header::HeaderName, HeaderValue)> {
    HeaderValue::try_from(format!("\"{generation}\"")).ok().map(|value| (header::ETAG, value))
}
