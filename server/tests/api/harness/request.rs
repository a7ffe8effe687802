//! Requests through the router, and their answers.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) struct Request {
    router: Router,
    builder: axum::http::request::Builder,
    bearer: Option<String>,
    body: Body,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The body as JSON; `null` when it is none.
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn new(router: Router, method: &str, path: &str) -> Self {
        let builder = axum::http::Request::builder().method(method).uri(path);
        Self { router, builder, bearer: None, body: Body::empty() }
    }

    pub(crate) fn bearer(self, credential: &str) -> Self {
        Self { bearer: Some(format!("Bearer {credential}")), ..self }
    }

    pub(crate) fn anonymous(self) -> Self {
        Self { bearer: None, ..self }
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value), ..self }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header(header::CONTENT_TYPE.as_str(), "application/json").body(body.to_string())
    }

    pub(crate) fn body(self, body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) async fn send(self) -> Answer {
        let Self { router, mut builder, bearer, body } = self;
        if let Some(bearer) = bearer {
            builder = builder.header(header::AUTHORIZATION, bearer);
        }
        let response = router.oneshot(builder.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let octets = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, text, body }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem of that kind, in the form of RFC 9457, and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        assert_eq!(self.body["code"], code, "{}", self.text);
        assert_eq!(self.body["type"], format!("/problems/{code}"));
        assert_eq!(self.body["status"], status);
        assert!(self.body["title"].is_string() && self.body["detail"].is_string(), "{}", self.text);
        assert_eq!(self.body["request_id"].as_str(), self.header("x-request-id"), "{}", self.text);
        &self.body
    }

    /// The pointers of the fields that the problem names.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
    }
}
