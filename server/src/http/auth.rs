//! How operators get a JWT, and see who they are.

use api_types::audit::Actor;
use api_types::auth::{AccessToken, Role, TokenExchange};
use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{AppendHeaders, IntoResponse};
use serde::Serialize;
use utoipa_axum::routes;
use uuid::Uuid;

use super::authorise::Caller;
use super::body::Body;
use super::fields::{Fields, FromFields};
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use crate::app::App;
use crate::auth::jwt::{AUDIENCE, Claims, ISSUER, LIFE_S};
use crate::auth::{Access, AuthenticateError, redeem};
use crate::store::audit::{self, Origin, Target};

/// The routes of authentication.
#[must_use]
pub fn routes() -> Routes {
    Routes::default()
        .route(Access::Open("the API token is in the body"), routes!(exchange_token))
        .route(Access::Known, routes!(get_self))
}

impl FromFields for TokenExchange {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { token: fields.required("token")? })
    }
}

/// Gives a JWT for an API token.
///
/// It is valid for ten minutes, and no longer than the API token.
#[utoipa::path(post, path = "/api/v1/auth/token", tag = "auth", request_body = TokenExchange,
    responses((status = 200, description = "The JWT", body = AccessToken)))]
async fn exchange_token(
    State(app): State<App>,
    origin: Origin,
    _: Query<NoQuery>,
    Body(body): Body<TokenExchange>,
) -> Result<impl IntoResponse, Problem> {
    let now = app.clock.now();
    let token = match redeem(&app, &body.token).await {
        Ok(token) => token,
        Err(AuthenticateError::Store(error)) => return Err(error.into()),
        Err(error) => {
            let target = Target::named("request", "POST /api/v1/auth/token");
            let reason = error.to_string();
            let actor = audit::anonymous();
            app.refusals.record(&app, actor, origin, "authenticate", target, &reason).await;
            return Err(Problem::unauthenticated(reason, now));
        }
    };
    let iat = now.as_datetime().timestamp();
    let exp = token.expires_at.as_datetime().timestamp().min(iat + LIFE_S);
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: token.id,
        role: token.role,
        name: token.name.to_string(),
        iat,
        nbf: iat,
        exp,
        jti: Uuid::new_v4(),
    };
    let access_token = app.signing_keys.sign(&claims).map_err(Problem::internal)?;
    let answer = AccessToken { access_token, token_type: "Bearer".to_owned(), expires_in: exp - iat };
    Ok((AppendHeaders([(CACHE_CONTROL, "no-store")]), Json(answer)))
}

/// Who the caller is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CallerAnswer {
    /// Who.
    actor: Actor,
    /// What it may do.
    role: Role,
}

/// Shows who the caller is and what it may do.
#[utoipa::path(get, path = "/api/v1/auth/self", tag = "auth",
    responses((status = 200, description = "The caller", body = CallerAnswer)))]
async fn get_self(caller: Caller, _: Query<NoQuery>) -> Json<CallerAnswer> {
    Json(CallerAnswer { actor: caller.identity.actor, role: caller.identity.role })
}
