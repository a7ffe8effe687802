//! Checks: editors say what agents look at on their hosts. How one is read is in `body.rs`.

mod body;

use api_types::Page;
use api_types::check::{Check, CheckSpec};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sqlx::PgConnection;
use utoipa_axum::routes;
use uuid::Uuid;

use super::authorise::Caller;
use super::body::Body;
use super::examples;
use super::intent::{Attempt, Written, check_creation, key_of, name_in};
use super::page::PageQuery;
use super::path::{NameOrId, Path};
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use super::versions::{Created, Preconditions, Versioned};
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::domain::conflict::{Conflict, Kind};
use crate::store::audit::{self, Target};
use crate::store::{Key, StoreError, checks, intent, tracked_checks};

/// The routes of checks.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    let write = Access::Requires(Permission::WriteObjects);
    Routes::default()
        .route(read, routes!(list_checks))
        .route(write, routes!(create_check))
        .route(read, routes!(get_check))
        .route(write, routes!(put_check, delete_check))
}

/// Lists the checks, by id.
#[utoipa::path(get, path = "/api/v1/checks", tag = "checks",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<Check>)))]
async fn list_checks(
    State(app): State<App>,
    Query(page): Query<PageQuery<Uuid>>,
) -> Result<Json<Page<Check>>, Problem> {
    let mut conn = app.db.acquire().await?;
    let rows = checks::list(&mut conn, page.after, page.rows()).await?;
    Ok(Json(page.page(rows, |check| check.id)))
}

/// Shows a check.
#[utoipa::path(get, path = "/api/v1/checks/{check}", tag = "checks",
    params(("check" = String, Path, description = "The name or id of the check", example = "nginx")),
    responses((status = 200, description = "The check", body = Check,
        headers(("ETag" = String, description = "Its generation")),
        example = json!(examples::check()))))]
async fn get_check(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
) -> Result<Versioned<Check>, Problem> {
    let key = key_of(Kind::Check, &path)?;
    let mut conn = app.db.acquire().await?;
    let found = checks::find(&mut conn, &key).await?;
    found.map(versioned).ok_or_else(|| Problem::not_found(Kind::Check.as_str(), &path))
}

/// Creates a check.
#[utoipa::path(post, path = "/api/v1/checks", tag = "checks",
    request_body(content = CheckSpec, example = json!(examples::check_spec())),
    responses((status = 201, description = "Created", body = Check,
        headers(("Location" = String, description = "The path of the check"),
            ("ETag" = String, description = "Its generation")),
        example = json!(examples::check()))))]
async fn create_check(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    body: Result<Body<CheckSpec>, Problem>,
) -> Result<Created<Check>, Problem> {
    let name = name_in(&body, |Body(spec)| &spec.name);
    let attempt = Attempt::new(&app, &caller, "check.create", Kind::Check.as_str(), name);
    attempt.outcome(async { create(&app, &caller, &body?.0).await }).await
}

/// Replaces a check, or creates it by its name, and pushes it to the nodes that run it.
///
/// A body that says what the check already is changes nothing. With another name, the check is renamed.
#[utoipa::path(put, path = "/api/v1/checks/{check}", tag = "checks",
    params(
        ("check" = String, Path, description = "The name or id of the check", example = "nginx"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if it is not there"),
    ),
    request_body(content = CheckSpec, example = json!(examples::check_spec())),
    responses(
        (status = 200, description = "Replaced, or as it was", body = Check,
            headers(("ETag" = String, description = "Its generation")),
            example = json!(examples::check())),
        (status = 201, description = "Created", body = Check,
            headers(("Location" = String, description = "The path of the check"),
                ("ETag" = String, description = "Its generation")),
            example = json!(examples::check()))))]
async fn put_check(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
    body: Result<Body<CheckSpec>, Problem>,
) -> Result<Written<Check>, Problem> {
    let attempt = Attempt::new(&app, &caller, "check.update", Kind::Check.as_str(), Some(path.to_string()));
    attempt.outcome(async { put(&app, &caller, &path, &preconditions, &body?.0).await }).await
}

/// Deletes a check that no group tracks.
#[utoipa::path(delete, path = "/api/v1/checks/{check}", tag = "checks",
    params(
        ("check" = String, Path, description = "The name or id of the check", example = "nginx"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
    ),
    responses((status = 204, description = "Deleted")))]
async fn delete_check(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    let attempt = Attempt::new(&app, &caller, "check.delete", Kind::Check.as_str(), Some(path.to_string()));
    attempt.outcome(delete(&app, &caller, &path, &preconditions)).await
}

async fn create(app: &App, caller: &Caller, spec: &CheckSpec) -> Result<Created<Check>, Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let check = insert(&mut tx, app, caller, spec).await?;
    tx.commit().await?;
    Ok(created(check))
}

async fn put(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    preconditions: &Preconditions,
    spec: &CheckSpec,
) -> Result<Written<Check>, Problem> {
    let key = key_of(Kind::Check, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = checks::find(&mut tx, &key).await?;
    preconditions.check(found.as_ref().map(|check| check.generation))?;
    let Some(before) = found else {
        check_creation(Kind::Check, path, &spec.name)?;
        let check = insert(&mut tx, app, caller, spec).await?;
        tx.commit().await?;
        return Ok(Written::Created(created(check)));
    };
    if before.spec() == *spec {
        return Ok(Written::There(versioned(before)));
    }
    check_name(&mut tx, Some(before.id), spec).await?;
    let touched = tracked_checks::nodes_running(&mut tx, before.id).await?;
    intent::touch_nodes(&mut tx, &touched).await?;
    let now = app.clock.now();
    checks::replace(&mut tx, before.id, spec, now).await?;
    let after = read_back(&mut tx, before.id).await?;
    let target = Target::new(Kind::Check.as_str(), before.id, &before.name);
    let entry = caller.did("check.update", target).before(&before).after(&after);
    audit::record(&mut tx, now, &entry).await?;
    tx.commit().await?;
    Ok(Written::There(versioned(after)))
}

async fn delete(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    preconditions: &Preconditions,
) -> Result<StatusCode, Problem> {
    let key = key_of(Kind::Check, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = checks::find(&mut tx, &key).await?;
    let before = found.ok_or_else(|| Problem::not_found(Kind::Check.as_str(), path))?;
    preconditions.check(Some(before.generation))?;
    let groups = tracked_checks::groups_tracking(&mut tx, before.id).await?;
    if !groups.is_empty() {
        return Err(Conflict::InUse { kind: Kind::Check, name: before.name, groups }.into());
    }
    checks::delete(&mut tx, before.id).await?;
    let target = Target::new(Kind::Check.as_str(), before.id, &before.name);
    let entry = caller.did("check.delete", target).before(&before);
    audit::record(&mut tx, app.clock.now(), &entry).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn insert(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    spec: &CheckSpec,
) -> Result<Check, Problem> {
    check_name(conn, None, spec).await?;
    let (id, now) = (Uuid::now_v7(), app.clock.now());
    checks::insert(conn, id, spec, now).await?;
    let check = read_back(conn, id).await?;
    let target = Target::new(Kind::Check.as_str(), id, &check.name);
    audit::record(conn, now, &caller.did("check.create", target).after(&check)).await?;
    Ok(check)
}

async fn check_name(conn: &mut PgConnection, own: Option<Uuid>, spec: &CheckSpec) -> Result<(), Problem> {
    match checks::find(conn, &Key::Name(spec.name.clone())).await? {
        Some(other) if Some(other.id) != own => {
            Err(Conflict::NameTaken { kind: Kind::Check, name: other.name }.into())
        }
        Some(_) | None => Ok(()),
    }
}

async fn read_back(conn: &mut PgConnection, id: Uuid) -> Result<Check, StoreError> {
    let found = checks::find(conn, &Key::Id(id)).await?;
    found.ok_or_else(|| StoreError::inconsistent("checks", id, "it was just written and is not there"))
}

fn created(check: Check) -> Created<Check> {
    Created {
        location: format!("/api/v1/checks/{}", check.id),
        generation: Some(check.generation),
        object: check,
    }
}

fn versioned(check: Check) -> Versioned<Check> {
    Versioned { generation: check.generation, object: check }
}
