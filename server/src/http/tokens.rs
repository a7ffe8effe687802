//! API tokens: admins hand them out and take them back.

use std::ops::RangeInclusive;

use api_types::Page;
use api_types::auth::{Token, TokenSpec, default_token_ttl_ms};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use utoipa_axum::routes;
use uuid::Uuid;

use super::authorise::Caller;
use super::body::Body;
use super::fields::{Fields, FromFields};
use super::intent::Attempt;
use super::page::PageQuery;
use super::path::Path;
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use super::versions::Created;
use crate::app::App;
use crate::auth::{Access, Permission, SecretToken};
use crate::store::audit::{self, Target};
use crate::store::tokens;

/// A minute to 366 days.
const TTL_MS: RangeInclusive<i64> = 60_000..=31_622_400_000;

/// The routes of API tokens.
#[must_use]
pub fn routes() -> Routes {
    let manage = Access::Requires(Permission::ManageTokens);
    Routes::default()
        .route(manage, routes!(list_tokens, create_token))
        .route(manage, routes!(get_token, delete_token))
}

impl FromFields for TokenSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name");
        let role = fields.required("role");
        let ttl_ms = fields.optional("ttl_ms", default_token_ttl_ms);
        refuse_ttl(fields, ttl_ms, &TTL_MS);
        Some(Self { name: name?, role: role?, ttl_ms: ttl_ms? })
    }
}

/// Refuses a `ttl_ms` outside `allowed`.
pub(super) fn refuse_ttl(fields: &mut Fields<'_>, ttl_ms: Option<i64>, allowed: &RangeInclusive<i64>) {
    if let Some(ttl_ms) = ttl_ms
        && !allowed.contains(&ttl_ms)
    {
        let (least, most) = (allowed.start(), allowed.end());
        fields.refuse("ttl_ms", format!("{ttl_ms} is not allowed; {least} to {most} are"));
    }
}

/// Lists the API tokens, by id, without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<Token>)))]
async fn list_tokens(
    State(app): State<App>,
    Query(page): Query<PageQuery<Uuid>>,
) -> Result<Json<Page<Token>>, Problem> {
    let mut conn = app.db.acquire().await?;
    let rows = tokens::list(&mut conn, page.after, page.rows()).await?;
    Ok(Json(page.page(rows, |token| token.id)))
}

/// Creates an API token.
///
/// Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = TokenSpec,
    responses((status = 201, description = "Created; `secret` is shown this once", body = Token,
        headers(("Location" = String, description = "The path of the token")))))]
async fn create_token(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    body: Result<Body<TokenSpec>, Problem>,
) -> Result<Created<Token>, Problem> {
    let named = body.as_ref().ok().map(|Body(spec)| spec.name.to_string());
    let attempt = Attempt::new(&app, &caller, "token.create", "token", named);
    attempt.outcome(async { create(&app, &caller, body?.0).await }).await
}

async fn create(app: &App, caller: &Caller, spec: TokenSpec) -> Result<Created<Token>, Problem> {
    let secret = SecretToken::generate(Uuid::now_v7());
    let now = app.clock.now();
    let token = Token {
        id: secret.id(),
        name: spec.name,
        role: spec.role,
        created_at: now,
        expires_at: (now.as_datetime() + TimeDelta::milliseconds(spec.ttl_ms)).into(),
        secret: None,
    };
    let mut tx = app.db.begin().await?;
    tokens::insert(&mut tx, &token, &secret.secret_sha256()).await?;
    let entry = caller.did("token.create", Target::new("token", token.id, &token.name)).after(&token);
    audit::record(&mut tx, now, &entry).await?;
    tx.commit().await?;
    let location = format!("/api/v1/tokens/{}", token.id);
    Ok(Created { object: Token { secret: Some(secret.api_text()), ..token }, location, generation: None })
}

/// Shows an API token, without its secret.
#[utoipa::path(get, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = Uuid, Path, description = "The id of the token")),
    responses((status = 200, description = "The token", body = Token)))]
async fn get_token(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(id): Path<Uuid>,
) -> Result<Json<Token>, Problem> {
    let mut conn = app.db.acquire().await?;
    let stored = tokens::find(&mut conn, id).await?;
    stored.map(|stored| Json(stored.token)).ok_or_else(|| Problem::not_found("token", id))
}

/// Deletes an API token.
///
/// It and every JWT that was given for it are refused from now on.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = Uuid, Path, description = "The id of the token")),
    responses((status = 204, description = "Deleted")))]
async fn delete_token(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let attempt = Attempt::new(&app, &caller, "token.delete", "token", Some(id.to_string()));
    attempt.outcome(delete(&app, &caller, id)).await
}

async fn delete(app: &App, caller: &Caller, id: Uuid) -> Result<StatusCode, Problem> {
    let mut tx = app.db.begin().await?;
    let token = tokens::delete(&mut tx, id).await?.ok_or_else(|| Problem::not_found("token", id))?;
    let entry = caller.did("token.delete", Target::new("token", token.id, &token.name)).before(&token);
    audit::record(&mut tx, app.clock.now(), &entry).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
