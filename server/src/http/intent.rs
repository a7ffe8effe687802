//! What writing segments, nodes and groups has in common.

use std::future::Future;

use api_types::Name;
use api_types::problem::FieldProblem;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::authorise::Caller;
use super::path::NameOrId;
use super::problem::Problem;
use super::versions::{Created, Versioned};
use crate::app::App;
use crate::domain::conflict::Kind;
use crate::store::Key;
use crate::store::audit::Target;

/// The key that a path names; not found when no object can have it.
pub(super) fn key_of(kind: Kind, path: &NameOrId) -> Result<Key, Problem> {
    match path {
        NameOrId::Id(id) => Ok(Key::Id(*id)),
        NameOrId::Name(text) => {
            path.as_name().map(Key::Name).ok_or_else(|| Problem::not_found(kind.as_str(), text))
        }
    }
}

/// What is wrong with the name of an object that PUT would create: it can only be the one in the path. Not found,
/// when the path is an id, which nobody chooses.
pub(super) fn creation_fault(
    kind: Kind,
    path: &NameOrId,
    name: Option<&Name>,
) -> Result<Option<FieldProblem>, Problem> {
    match (path, name) {
        (NameOrId::Id(id), _) => Err(Problem::not_found(kind.as_str(), id)),
        (NameOrId::Name(text), Some(name)) if text != name.as_str() => Ok(Some(FieldProblem {
            pointer: "/name".to_owned(),
            detail: format!(
                "is \"{name}\", but there is no {kind} {text:?} to rename: to create one, both must be the same"
            ),
        })),
        (NameOrId::Name(_), _) => Ok(None),
    }
}

/// Whether PUT may create the object that its path names and that is not there.
pub(super) fn check_creation(kind: Kind, path: &NameOrId, name: &Name) -> Result<(), Problem> {
    match creation_fault(kind, path, Some(name))? {
        Some(fault) => Err(Problem::invalid(vec![fault])),
        None => Ok(()),
    }
}

/// What a request is about to do, for the audit log.
pub(super) struct Attempt<'a> {
    app: &'a App,
    caller: &'a Caller,
    action: &'static str,
    target: Target,
}

impl<'a> Attempt<'a> {
    /// `caller` tries to do `action` to the object of this kind that is called `name`, where it is known.
    pub(super) fn new(
        app: &'a App,
        caller: &'a Caller,
        action: &'static str,
        kind: &'static str,
        name: Option<String>,
    ) -> Self {
        Self { app, caller, action, target: Target { kind, id: None, name } }
    }

    /// The outcome, after a refusal was recorded. What succeeds is recorded in its own transaction; a failure of
    /// the server is no refusal.
    pub(super) async fn outcome<T>(
        self,
        change: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let Self { app, caller, action, target } = self;
        let outcome = change.await;
        if let Err(problem) = &outcome
            && problem.status().is_client_error()
        {
            let (actor, origin) = (caller.identity.actor.clone(), caller.origin.clone());
            let reason = format!("{}: {}", problem.code(), problem.detail());
            app.refusals.record(app, actor, origin, action, target, &reason).await;
        }
        outcome
    }
}

/// The name that a body gives its object, where the body could be read.
pub(super) fn name_in<T>(body: &Result<T, Problem>, name: impl FnOnce(&T) -> &Name) -> Option<String> {
    body.as_ref().ok().map(|body| name(body).to_string())
}

/// What PUT did: 201 with a new object, or 200 with one that was there.
pub(super) enum Written<T> {
    /// It was not there before.
    Created(Created<T>),
    /// It was there before, and may have been replaced.
    There(Versioned<T>),
}

impl<T: Serialize> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Created(created) => created.into_response(),
            Self::There(there) => there.into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_the_one_in_the_path_is_shown_as_it_was_written() {
        let name: Name = "web".parse().unwrap();
        let fault = creation_fault(Kind::Group, &NameOrId::Name("site".to_owned()), Some(&name)).unwrap();
        let wanted =
            "is \"web\", but there is no group \"site\" to rename: to create one, both must be the same";
        assert_eq!(
            fault.map(|fault| (fault.pointer, fault.detail)),
            Some(("/name".to_owned(), wanted.to_owned()))
        );
    }
}
