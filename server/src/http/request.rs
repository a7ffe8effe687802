//! The outermost layer: gives each request an id, and logs, counts and completes each answer.

use std::any::Any;
use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::problem::Problem;
use crate::store::audit::Origin;

/// Names a request; taken over from the caller when it is sane, and always answered.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_ID_LENGTH: usize = 64;

/// Middleware around every route.
pub async fn identify(mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = given_id(&request).unwrap_or_else(|| Uuid::now_v7().to_string());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let origin = Origin { source: peer.map(|peer| peer.ip().to_canonical()), request_id: Some(id.clone()) };
    request.extensions_mut().insert(origin);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();

    let mut response = next.run(request).await;

    let matched = response.extensions().get::<MatchedRoute>().map(|MatchedRoute(path)| path.clone());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if let Some(cause) = problem.cause() {
            tracing::error!(request_id = %id, %method, path, cause = %chain(cause), "a request failed");
        }
        response = complete(response, problem, &id);
    }
    let status = response.status().as_u16();
    let route = matched.unwrap_or_else(|| "unmatched".to_owned());
    let took = began.elapsed();
    tracing::debug!(request_id = %id, %method, path, status, ?took, source = ?peer, "answered");
    let labels = [("method", method_label(&method)), ("route", route), ("status", status.to_string())];
    metrics::counter!("baton_http_requests_total", &labels).increment(1);
    metrics::histogram!("baton_http_request_duration_seconds", &labels[..2]).record(took.as_secs_f64());
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The route that answered; left in the answer for the metrics, whose labels must not come from the caller.
#[derive(Debug, Clone)]
pub struct MatchedRoute(String);

impl MatchedRoute {
    /// The route of this request.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        request.extensions().get::<MatchedPath>().map(|path| Self(path.as_str().to_owned()))
    }
}

/// Answers a request whose handler panicked.
pub fn after_panic(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(message, "a request handler panicked");
    Problem::panicked().into_response()
}

fn given_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let sane = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    ((1..=MAX_ID_LENGTH).contains(&id.len()) && id.bytes().all(sane)).then(|| id.to_owned())
}

/// The same answer with the id of the request in its body; the headers that others added stay.
fn complete(response: Response, problem: Problem, id: &str) -> Response {
    let mut completed = problem.respond(Some(id));
    for (name, value) in response.headers() {
        if !completed.headers().contains_key(name) && name != axum::http::header::CONTENT_LENGTH {
            completed.headers_mut().append(name, value.clone());
        }
    }
    completed
}

fn method_label(method: &axum::http::Method) -> String {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    }
}

fn chain(error: &(dyn std::error::Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
