//! Reads path parameters; what cannot be a key of anything is simply not found.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use api_types::Name;
use axum::extract::{FromRequestParts, Path as AxumPath};
use axum::http::request::Parts;
use serde::de::{Deserialize, Deserializer};
use uuid::Uuid;

use super::problem::Problem;

/// The parameter of a path; a tuple of them where it has several.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: for<'de> Deserialize<'de> + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = AxumPath::<T>::from_request_parts(parts, state).await;
        path.map(|AxumPath(key)| Self(key)).map_err(|_| Problem::no_such_path(parts.uri.path()))
    }
}

/// How a path names an object: by its id or by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameOrId {
    /// By id.
    Id(Uuid),
    /// By what may be its name.
    Name(String),
}

impl NameOrId {
    /// The name, when it is one that an object can have.
    #[must_use]
    pub fn as_name(&self) -> Option<Name> {
        match self {
            Self::Id(_) => None,
            Self::Name(text) => text.parse().ok(),
        }
    }
}

impl FromStr for NameOrId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Uuid::parse_str(text).map_or_else(|_| Self::Name(text.to_owned()), Self::Id))
    }
}

impl<'de> Deserialize<'de> for NameOrId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for NameOrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}
