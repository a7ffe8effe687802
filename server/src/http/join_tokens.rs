//! Join tokens: admins hand them out, a new agent uses one to enrol.

use std::ops::RangeInclusive;

use api_types::Page;
use api_types::auth::{JoinToken, JoinTokenSpec, default_join_token_ttl_ms};
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
use super::tokens::refuse_ttl;
use super::versions::Created;
use crate::app::App;
use crate::auth::{Access, Permission, SecretToken};
use crate::store::audit::{self, Target};
use crate::store::join_tokens;

/// A second to a day.
const TTL_MS: RangeInclusive<i64> = 1_000..=86_400_000;

/// The routes of join tokens.
#[must_use]
pub fn routes() -> Routes {
    let manage = Access::Requires(Permission::ManageJoinTokens);
    Routes::default()
        .route(manage, routes!(list_join_tokens, create_join_token))
        .route(manage, routes!(get_join_token, delete_join_token))
}

impl FromFields for JoinTokenSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let node = fields.required("node");
        let ttl_ms = fields.optional("ttl_ms", default_join_token_ttl_ms);
        refuse_ttl(fields, ttl_ms, &TTL_MS);
        Some(Self { node: node?, ttl_ms: ttl_ms? })
    }
}

/// Lists the join tokens, by id, without their secrets.
#[utoipa::path(get, path = "/api/v1/join-tokens", tag = "join-tokens",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<JoinToken>)))]
async fn list_join_tokens(
    State(app): State<App>,
    Query(page): Query<PageQuery<Uuid>>,
) -> Result<Json<Page<JoinToken>>, Problem> {
    let mut conn = app.db.acquire().await?;
    let rows = join_tokens::list(&mut conn, page.after, page.rows()).await?;
    Ok(Json(page.page(rows, |token| token.id)))
}

/// Creates a join token. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/join-tokens", tag = "join-tokens", request_body = JoinTokenSpec,
    responses((status = 201, description = "Created; `secret` is shown this once", body = JoinToken,
        headers(("Location" = String, description = "The path of the join token")))))]
async fn create_join_token(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    body: Result<Body<JoinTokenSpec>, Problem>,
) -> Result<Created<JoinToken>, Problem> {
    let named = body.as_ref().ok().map(|Body(spec)| spec.node.to_string());
    let attempt = Attempt::new(&app, &caller, "join_token.create", "join_token", named);
    attempt.outcome(async { create(&app, &caller, body?.0).await }).await
}

async fn create(app: &App, caller: &Caller, spec: JoinTokenSpec) -> Result<Created<JoinToken>, Problem> {
    let secret = SecretToken::generate(Uuid::now_v7());
    let now = app.clock.now();
    let token = JoinToken {
        id: secret.id(),
        node: spec.node,
        created_at: now,
        expires_at: (now.as_datetime() + TimeDelta::milliseconds(spec.ttl_ms)).into(),
        used_at: None,
        secret: None,
    };
    let mut tx = app.db.begin().await?;
    join_tokens::insert(&mut tx, &token, &secret.secret_sha256()).await?;
    let entry =
        caller.did("join_token.create", Target::new("join_token", token.id, &token.node)).after(&token);
    audit::record(&mut tx, now, &entry).await?;
    tx.commit().await?;
    let location = format!("/api/v1/join-tokens/{}", token.id);
    let text = secret.join_text(&app.authority.spki_sha256);
    Ok(Created { object: JoinToken { secret: Some(text), ..token }, location, generation: None })
}

/// Shows a join token, without its secret.
#[utoipa::path(get, path = "/api/v1/join-tokens/{id}", tag = "join-tokens",
    params(("id" = Uuid, Path, description = "The id of the join token")),
    responses((status = 200, description = "The join token", body = JoinToken)))]
async fn get_join_token(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(id): Path<Uuid>,
) -> Result<Json<JoinToken>, Problem> {
    let mut conn = app.db.acquire().await?;
    let stored = join_tokens::find(&mut conn, id).await?;
    stored.map(|stored| Json(stored.token)).ok_or_else(|| Problem::not_found("join token", id))
}

/// Deletes a join token; it can no longer be used.
#[utoipa::path(delete, path = "/api/v1/join-tokens/{id}", tag = "join-tokens",
    params(("id" = Uuid, Path, description = "The id of the join token")),
    responses((status = 204, description = "Deleted")))]
async fn delete_join_token(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let attempt = Attempt::new(&app, &caller, "join_token.delete", "join_token", Some(id.to_string()));
    attempt.outcome(delete(&app, &caller, id)).await
}

async fn delete(app: &App, caller: &Caller, id: Uuid) -> Result<StatusCode, Problem> {
    let mut tx = app.db.begin().await?;
    let token =
        join_tokens::delete(&mut tx, id).await?.ok_or_else(|| Problem::not_found("join token", id))?;
    let entry =
        caller.did("join_token.delete", Target::new("join_token", token.id, &token.node)).before(&token);
    audit::record(&mut tx, app.clock.now(), &entry).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
