//! Reads the query string: unknown, repeated and senseless parameters are refused, all of them in one answer.

use std::fmt::Display;
use std::str::FromStr;

use api_types::problem::FieldProblem;
use axum::extract::{FromRequestParts, Query as AxumQuery};
use axum::http::request::Parts;

use super::problem::Problem;

/// What can be read from a query string.
pub trait FromParams: Sized {
    /// Takes every parameter; `None` when one was wrong, after all that is wrong was noted.
    fn from_params(params: &mut Params) -> Option<Self>;
}

/// The parameters that are being read.
#[derive(Debug)]
pub struct Params {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldProblem>,
}

impl Params {
    /// The parameter `name`; `Some(None)` when it is not there, `None` when it is wrong.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.known.push(name);
        let (taken, rest) =
            std::mem::take(&mut self.pairs).into_iter().partition::<Vec<_>, _>(|(key, _)| key == name);
        self.pairs = rest;
        match taken.as_slice() {
            [] => Some(None),
            [(_, text)] => match text.parse() {
                Ok(value) => Some(Some(value)),
                Err(error) => {
                    self.refuse(name, error.to_string());
                    None
                }
            },
            [_, _, ..] => {
                self.refuse(name, "is given more than once");
                None
            }
        }
    }

    /// Notes that the parameter `name` is wrong, for a rule that its type does not know.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.errors.push(FieldProblem { pointer: format!("?{name}"), detail: detail.into() });
    }

    fn refuse_unknown(&mut self) {
        let known = self.known.join(", ");
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.refuse(
                &name,
                if known.is_empty() {
                    "is not known; this takes no parameters".to_owned()
                } else {
                    format!("is not known here; known are: {known}")
                },
            );
        }
    }
}

/// The query string of a request, read as `T`. Routes that take no parameters use [`NoQuery`].
#[derive(Debug)]
pub struct Query<T>(pub T);

/// A query string without parameters.
#[derive(Debug)]
pub struct NoQuery;

impl FromParams for NoQuery {
    fn from_params(_: &mut Params) -> Option<Self> {
        Some(Self)
    }
}

impl<S: Send + Sync, T: FromParams> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let AxumQuery(pairs) =
            AxumQuery::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|error| {
                Problem::invalid_query(vec![FieldProblem {
                    pointer: "?".to_owned(),
                    detail: error.body_text(),
                }])
            })?;
        let mut params = Params { pairs, known: Vec::new(), errors: Vec::new() };
        let read = T::from_params(&mut params);
        params.refuse_unknown();
        read.filter(|_| params.errors.is_empty())
            .map(Self)
            .ok_or_else(|| Problem::invalid_query(params.errors))
    }
}
