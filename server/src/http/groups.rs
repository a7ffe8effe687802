//! VIP groups: editors say which addresses move between which members. How a group is written is in `write.rs`.

mod body;
mod write;

use api_types::Page;
use api_types::group::{Group, GroupSpec};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::routes;
use uuid::Uuid;

use super::authorise::Caller;
use super::body::DraftBody;
use super::examples;
use super::intent::{Attempt, Written, key_of};
use super::page::PageQuery;
use super::path::{NameOrId, Path};
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use super::versions::{Created, Preconditions, Versioned};
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::domain::conflict::Kind;
use crate::domain::group::GroupDraft;
use crate::store::groups;

/// The routes of groups.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    let write = Access::Requires(Permission::WriteObjects);
    Routes::default()
        .route(read, routes!(list_groups))
        .route(write, routes!(create_group))
        .route(read, routes!(get_group))
        .route(write, routes!(put_group, delete_group))
}

/// Lists the groups, by id.
#[utoipa::path(get, path = "/api/v1/groups", tag = "groups",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<Group>)))]
async fn list_groups(
    State(app): State<App>,
    Query(page): Query<PageQuery<Uuid>>,
) -> Result<Json<Page<Group>>, Problem> {
    let mut conn = app.db.acquire().await?;
    let rows = groups::list(&mut conn, page.after, page.rows()).await?;
    Ok(Json(page.page(rows, |group| group.id)))
}

/// Shows a group, with who is active.
#[utoipa::path(get, path = "/api/v1/groups/{group}", tag = "groups",
    params(("group" = String, Path, description = "The name or id of the group", example = "web")),
    responses((status = 200, description = "The group", body = Group,
        headers(("ETag" = String, description = "Its generation")),
        example = json!(examples::group()))))]
async fn get_group(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
) -> Result<Versioned<Group>, Problem> {
    let key = key_of(Kind::Group, &path)?;
    let mut conn = app.db.acquire().await?;
    let found = groups::find(&mut conn, &key).await?;
    found.map(versioned).ok_or_else(|| Problem::not_found(Kind::Group.as_str(), &path))
}

/// Creates a group, and pushes it to its members.
#[utoipa::path(post, path = "/api/v1/groups", tag = "groups",
    request_body(content = GroupSpec, example = json!(examples::group_spec())),
    responses((status = 201, description = "Created", body = Group,
        headers(("Location" = String, description = "The path of the group"),
            ("ETag" = String, description = "Its generation")),
        example = json!(examples::group()))))]
async fn create_group(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    body: Result<DraftBody<GroupDraft>, Problem>,
) -> Result<Created<Group>, Problem> {
    let name = body.as_ref().ok().and_then(|body| Some(body.draft.name.as_ref()?.to_string()));
    let attempt = Attempt::new(&app, &caller, "group.create", Kind::Group.as_str(), name);
    attempt.outcome(async { write::create(&app, &caller, body?).await }).await
}

/// Replaces a group, or creates it by its name, and pushes it to its members.
///
/// A body that says what the group already is changes nothing. With another name, the group is renamed.
#[utoipa::path(put, path = "/api/v1/groups/{group}", tag = "groups",
    params(
        ("group" = String, Path, description = "The name or id of the group", example = "web"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if it is not there"),
    ),
    request_body(content = GroupSpec, example = json!(examples::group_spec())),
    responses(
        (status = 200, description = "Replaced, or as it was", body = Group,
            headers(("ETag" = String, description = "Its generation")),
            example = json!(examples::group())),
        (status = 201, description = "Created", body = Group,
            headers(("Location" = String, description = "The path of the group"),
                ("ETag" = String, description = "Its generation")),
            example = json!(examples::group()))))]
async fn put_group(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
    body: Result<DraftBody<GroupDraft>, Problem>,
) -> Result<Written<Group>, Problem> {
    let attempt = Attempt::new(&app, &caller, "group.update", Kind::Group.as_str(), Some(path.to_string()));
    attempt.outcome(async { write::put(&app, &caller, &path, &preconditions, body?).await }).await
}

/// Deletes a group. Its members release the addresses.
///
/// Agents do so when they hear of it: one without a session keeps what it holds until it has one again. Until then
/// the `applied_revision` of its node is behind the `desired_revision`.
#[utoipa::path(delete, path = "/api/v1/groups/{group}", tag = "groups",
    params(
        ("group" = String, Path, description = "The name or id of the group", example = "web"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
    ),
    responses((status = 204, description = "Deleted")))]
async fn delete_group(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    let attempt = Attempt::new(&app, &caller, "group.delete", Kind::Group.as_str(), Some(path.to_string()));
    attempt.outcome(write::delete(&app, &caller, &path, &preconditions)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn versioned(group: Group) -> Versioned<Group> {
    Versioned { generation: group.generation, object: group }
}
