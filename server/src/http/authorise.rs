//! Lets a request through to its route, or refuses it. Every route stands behind this.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::request::MatchedRoute;
use crate::app::App;
use crate::auth::{Access, AuthenticateError, Identity, allows, authenticate};
use crate::store::audit::{self, Entry, Origin, Target};

/// The operator who makes the request, and from where. Only routes that require a known caller have one.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is and what it may do.
    pub identity: Identity,
    /// Where the request came from.
    pub origin: Origin,
}

impl Caller {
    /// An entry of the audit log: this caller did `action` to `target`.
    #[must_use]
    pub fn did(&self, action: &'static str, target: Target) -> Entry {
        Entry::done(self.identity.actor.clone(), self.origin.clone(), action, target)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal(NoCaller))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a route without an identified caller asks for one: its access is open")]
struct NoCaller;

/// Middleware around each route, with the access that the route table gives it.
pub async fn authorise(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = MatchedRoute::of(&request);
    let mut response = match admit(&app, access, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

async fn admit(app: &App, access: Access, request: &mut Request) -> Result<(), Problem> {
    let permission = match access {
        Access::Open(_) | Access::Agent => return Ok(()),
        Access::Known => None,
        Access::Requires(permission) => Some(permission),
    };
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    let what = Target::named("request", format!("{} {}", request.method(), request.uri().path()));
    let identity = match identify(app, request.headers()).await {
        Ok(identity) => identity,
        Err(Refusal { problem, recorded: None }) => return Err(problem),
        Err(Refusal { problem, recorded: Some(reason) }) => {
            let actor = audit::anonymous();
            app.refusals.record(app, actor, origin, "authenticate", what, &reason).await;
            return Err(problem);
        }
    };
    if let Some(permission) = permission
        && !allows(identity.role, permission)
    {
        let reason = format!(
            "the role {} does not have the permission {}",
            identity.role.as_str(),
            permission.as_str()
        );
        app.refusals.record(app, identity.actor, origin, "authorise", what, &reason).await;
        return Err(Problem::forbidden(reason));
    }
    request.extensions_mut().insert(Caller { identity, origin });
    Ok(())
}

/// An attempt that failed, and what of it goes into the audit log: nothing when no credential was presented, or
/// when it could not be checked.
struct Refusal {
    problem: Problem,
    recorded: Option<String>,
}

async fn identify(app: &App, headers: &HeaderMap) -> Result<Identity, Refusal> {
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        let detail = "send Authorization: Bearer with a JWT or an API token";
        return Err(Refusal { problem: Problem::unauthenticated(detail, app.clock.now()), recorded: None });
    };
    let Some(credential) = header.to_str().ok().and_then(bearer) else {
        let detail = "the Authorization header is not of the form Bearer <token>";
        return Err(refused(app, detail.to_owned()));
    };
    authenticate(app, credential).await.map_err(|error| match error {
        AuthenticateError::Store(error) => Refusal { problem: error.into(), recorded: None },
        AuthenticateError::Keys(error) => Refusal { problem: Problem::internal(error), recorded: None },
        error @ (AuthenticateError::UnknownToken
        | AuthenticateError::ExpiredToken
        | AuthenticateError::Jwt(_)
        | AuthenticateError::Revoked) => refused(app, error.to_string()),
    })
}

fn refused(app: &App, reason: String) -> Refusal {
    Refusal { problem: Problem::unauthenticated(reason.clone(), app.clock.now()), recorded: Some(reason) }
}

/// The credential in an `Authorization` header of the scheme `Bearer` (RFC 6750 §2.1).
#[must_use]
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, credential) = header.split_once(' ')?;
    let credential = credential.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !credential.is_empty()).then_some(credential)
}
