//! Versions of objects over HTTP: the generation as a strong `ETag`, `If-Match` and `If-None-Match: *`.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;

/// What the caller expects the object to be before it is changed. Both headers are optional.
#[derive(Debug)]
pub struct Preconditions {
    if_match: Option<EntityTags>,
    if_none_match: Option<EntityTags>,
}

impl Preconditions {
    /// Whether the object is as expected; `generation` is `None` when there is no such object.
    ///
    /// # Errors
    /// A problem (412) when it is not.
    pub fn check(&self, generation: Option<i64>) -> Result<(), Problem> {
        if let Some(expected) = &self.if_match {
            match generation {
                None => return Err(Problem::precondition_failed("If-Match: there is no such object yet")),
                Some(generation) if !expected.match_strongly(generation) => {
                    return Err(Problem::precondition_failed(format!(
                        "If-Match: the object has changed; its generation is {generation}"
                    )));
                }
                Some(_) => {}
            }
        }
        if let (Some(unexpected), Some(generation)) = (&self.if_none_match, generation)
            && unexpected.match_weakly(generation)
        {
            return Err(Problem::precondition_failed("If-None-Match: the object is already there"));
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self {
            if_match: entity_tags(&parts.headers, header::IF_MATCH, "If-Match")?,
            if_none_match: entity_tags(&parts.headers, header::IF_NONE_MATCH, "If-None-Match")?,
        })
    }
}

/// What `If-Match` and `If-None-Match` hold (RFC 9110 §13.1).
#[derive(Debug, PartialEq, Eq)]
enum EntityTags {
    /// `*`: any version.
    Any,
    /// One of these, as they were written.
    OneOf(Vec<String>),
}

impl EntityTags {
    /// RFC 9110 §8.8.3.2: a weak tag never matches strongly.
    fn match_strongly(&self, generation: i64) -> bool {
        let current = etag(generation);
        matches!(self, Self::Any) || self.listed().any(|tag| tag == current)
    }

    fn match_weakly(&self, generation: i64) -> bool {
        let current = etag(generation);
        matches!(self, Self::Any) || self.listed().any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == current)
    }

    fn listed(&self) -> impl Iterator<Item = &str> {
        let tags = match self {
            Self::Any => [].as_slice(),
            Self::OneOf(tags) => tags,
        };
        tags.iter().map(String::as_str)
    }
}

/// The header `name`, where it is sent; several lines are one list.
fn entity_tags(
    headers: &HeaderMap,
    name: header::HeaderName,
    called: &str,
) -> Result<Option<EntityTags>, Problem> {
    let wrong = || Problem::invalid_header(format!("{called}: write it like \"3\", quotes included, or *"));
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        lines.push(line.to_str().map_err(|_| wrong())?);
    }
    if lines.is_empty() { Ok(None) } else { parse(&lines.join(",")).map(Some).ok_or_else(wrong) }
}

fn parse(text: &str) -> Option<EntityTags> {
    if text.trim() == "*" {
        return Some(EntityTags::Any);
    }
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        // A tag may hold a comma, and no quote.
        let (_, behind) = quoted.split_once('"')?;
        tags.push(rest[..rest.len() - behind.len()].to_owned());
        match behind.trim_start().strip_prefix(',') {
            Some(more) => rest = more,
            None if behind.trim().is_empty() => return Some(EntityTags::OneOf(tags)),
            None => return None,
        }
    }
}

fn etag(generation: i64) -> String {
    format!("\"{generation}\"")
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
    HeaderValue::try_from(etag(generation)).ok().map(|value| (header::ETAG, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_read_as_the_rfc_writes_them_and_not_otherwise() {
        let one_of = |tags: &[&str]| Some(EntityTags::OneOf(tags.iter().map(ToString::to_string).collect()));
        assert_eq!(parse("*"), Some(EntityTags::Any));
        assert_eq!(parse("\"1\""), one_of(&["\"1\""]));
        assert_eq!(parse(" W/\"1\" ,\"a,b\", \"\""), one_of(&["W/\"1\"", "\"a,b\"", "\"\""]));
        for wrong in
            ["", " ", "1", "\"1", "1\"", "w/\"1\"", "W/1", "\"1\" \"2\"", "\"1\",", "\"1\", *", "'1'"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_weak_tag_never_matches_strongly() {
        let tags = parse("W/\"3\", \"4\"").unwrap();
        assert!(!tags.match_strongly(3) && tags.match_weakly(3));
        assert!(tags.match_strongly(4) && tags.match_weakly(4));
        assert!(!tags.match_strongly(5) && !tags.match_weakly(5));
        assert!(EntityTags::Any.match_strongly(5) && EntityTags::Any.match_weakly(5));
    }
}
