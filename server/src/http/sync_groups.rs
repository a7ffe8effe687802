//! Sync groups: editors say which groups are to be active on one node, all of them or none.

use api_types::sync_group::{MAX_GROUPS, SyncGroup, SyncGroupSpec};
use api_types::{Name, Page};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sqlx::PgConnection;
use utoipa_axum::routes;
use uuid::Uuid;

use super::authorise::Caller;
use super::body::Body;
use super::examples;
use super::fields::{Fields, FromFields};
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
use crate::domain::faults::{Faults, check_description};
use crate::domain::sync_group;
use crate::store::audit::{self, Target};
use crate::store::{Key, StoreError, groups, intent, members, sync_groups};

/// The routes of sync_groups.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    let write = Access::Requires(Permission::WriteObjects);
    Routes::default()
        .route(read, routes!(list_sync_groups))
        .route(write, routes!(create_sync_group))
        .route(read, routes!(get_sync_group))
        .route(write, routes!(put_sync_group, delete_sync_group))
}

/// Lists the sync_groups, by id.
#[utoipa::path(get, path = "/api/v1/sync-groups", tag = "sync groups",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<SyncGroup>)))]
async fn list_sync_groups(
    State(app): State<App>,
    Query(page): Query<PageQuery<Uuid>>,
) -> Result<Json<Page<SyncGroup>>, Problem> {
    let mut conn = app.db.acquire().await?;
    let rows = sync_groups::list(&mut conn, page.after, page.rows()).await?;
    Ok(Json(page.page(rows, |sync_group| sync_group.id)))
}

/// Shows a sync group.
#[utoipa::path(get, path = "/api/v1/sync-groups/{sync_group}", tag = "sync groups",
    params(("sync_group" = String, Path, description = "The name or id of the sync group", example = "edge")),
    responses((status = 200, description = "The check", body = SyncGroup,
        headers(("ETag" = String, description = "Its generation")),
        example = json!(examples::sync_group()))))]
async fn get_sync_group(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
) -> Result<Versioned<SyncGroup>, Problem> {
    let key = key_of(Kind::SyncGroup, &path)?;
    let mut conn = app.db.acquire().await?;
    let found = sync_groups::find(&mut conn, &key).await?;
    found.map(versioned).ok_or_else(|| Problem::not_found(Kind::SyncGroup.as_str(), &path))
}

/// Creates a sync group.
#[utoipa::path(post, path = "/api/v1/sync-groups", tag = "sync groups",
    request_body(content = SyncGroupSpec, example = json!(examples::sync_group_spec())),
    responses((status = 201, description = "Created", body = SyncGroup,
        headers(("Location" = String, description = "The path of the sync group"),
            ("ETag" = String, description = "Its generation")),
        example = json!(examples::sync_group()))))]
async fn create_sync_group(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    body: Result<Body<SyncGroupSpec>, Problem>,
) -> Result<Created<SyncGroup>, Problem> {
    let name = name_in(&body, |Body(spec)| &spec.name);
    let attempt = Attempt::new(&app, &caller, "sync_group.create", Kind::SyncGroup.as_str(), name);
    attempt.outcome(async { create(&app, &caller, &body?.0).await }).await
}

/// Replaces a sync group, or creates it by its name, and pushes it to the nodes of its groups.
///
/// A body that says what the sync group already is changes nothing. With another name, the sync group is renamed.
#[utoipa::path(put, path = "/api/v1/sync-groups/{sync_group}", tag = "sync groups",
    params(
        ("sync_group" = String, Path, description = "The name or id of the sync group", example = "edge"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if it is not there"),
    ),
    request_body(content = SyncGroupSpec, example = json!(examples::sync_group_spec())),
    responses(
        (status = 200, description = "Replaced, or as it was", body = SyncGroup,
            headers(("ETag" = String, description = "Its generation")),
            example = json!(examples::sync_group())),
        (status = 201, description = "Created", body = SyncGroup,
            headers(("Location" = String, description = "The path of the sync group"),
                ("ETag" = String, description = "Its generation")),
            example = json!(examples::sync_group()))))]
async fn put_sync_group(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
    body: Result<Body<SyncGroupSpec>, Problem>,
) -> Result<Written<SyncGroup>, Problem> {
    let attempt =
        Attempt::new(&app, &caller, "sync_group.update", Kind::SyncGroup.as_str(), Some(path.to_string()));
    attempt.outcome(async { put(&app, &caller, &path, &preconditions, &body?.0).await }).await
}

/// Deletes a sync group. Its groups stay where they are, and move one by one from now on.
#[utoipa::path(delete, path = "/api/v1/sync-groups/{sync_group}", tag = "sync groups",
    params(
        ("sync_group" = String, Path, description = "The name or id of the sync group", example = "edge"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
    ),
    responses((status = 204, description = "Deleted")))]
async fn delete_sync_group(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    let attempt =
        Attempt::new(&app, &caller, "sync_group.delete", Kind::SyncGroup.as_str(), Some(path.to_string()));
    attempt.outcome(delete(&app, &caller, &path, &preconditions)).await
}

async fn create(app: &App, caller: &Caller, spec: &SyncGroupSpec) -> Result<Created<SyncGroup>, Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let sync_group = insert(&mut tx, app, caller, spec).await?;
    tx.commit().await?;
    Ok(created(sync_group))
}

async fn put(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    preconditions: &Preconditions,
    spec: &SyncGroupSpec,
) -> Result<Written<SyncGroup>, Problem> {
    let key = key_of(Kind::SyncGroup, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = sync_groups::find(&mut tx, &key).await?;
    preconditions.check(found.as_ref().map(|sync_group| sync_group.generation))?;
    let Some(before) = found else {
        check_creation(Kind::SyncGroup, path, &spec.name)?;
        let sync_group = insert(&mut tx, app, caller, spec).await?;
        tx.commit().await?;
        return Ok(Written::Created(created(sync_group)));
    };
    if before.spec() == in_order(spec) {
        return Ok(Written::There(versioned(before)));
    }
    let groups = check(&mut tx, Some(&before), spec).await?;
    let left = ids_of(&mut tx, &before).await?;
    touch(&mut tx, groups.iter().chain(&left)).await?;
    let now = app.clock.now();
    sync_groups::replace(&mut tx, before.id, spec, &groups, now).await?;
    let after = read_back(&mut tx, before.id).await?;
    let target = Target::new(Kind::SyncGroup.as_str(), before.id, &before.name);
    let entry = caller.did("sync_group.update", target).before(&before).after(&after);
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
    let key = key_of(Kind::SyncGroup, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = sync_groups::find(&mut tx, &key).await?;
    let before = found.ok_or_else(|| Problem::not_found(Kind::SyncGroup.as_str(), path))?;
    preconditions.check(Some(before.generation))?;
    let left = ids_of(&mut tx, &before).await?;
    touch(&mut tx, left.iter()).await?;
    sync_groups::delete(&mut tx, before.id).await?;
    let target = Target::new(Kind::SyncGroup.as_str(), before.id, &before.name);
    let entry = caller.did("sync_group.delete", target).before(&before);
    audit::record(&mut tx, app.clock.now(), &entry).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn insert(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    spec: &SyncGroupSpec,
) -> Result<SyncGroup, Problem> {
    let groups = check(conn, None, spec).await?;
    touch(conn, groups.iter()).await?;
    let (id, now) = (Uuid::now_v7(), app.clock.now());
    sync_groups::insert(conn, id, spec, &groups, now).await?;
    let sync_group = read_back(conn, id).await?;
    let target = Target::new(Kind::SyncGroup.as_str(), id, &sync_group.name);
    audit::record(conn, now, &caller.did("sync_group.create", target).after(&sync_group)).await?;
    Ok(sync_group)
}

/// The specification as it is answered.
fn in_order(spec: &SyncGroupSpec) -> SyncGroupSpec {
    let mut spec = spec.clone();
    spec.groups.sort();
    spec
}

/// The ids of its groups, which exist, fit together and are in no other sync group. `own` is what it was before.
async fn check(
    conn: &mut PgConnection,
    own: Option<&SyncGroup>,
    spec: &SyncGroupSpec,
) -> Result<Vec<Uuid>, Problem> {
    let mut faults = Faults::default();
    let (mut ids, mut specs) = (Vec::new(), Vec::new());
    for (position, name) in spec.groups.iter().enumerate() {
        match groups::find(conn, &Key::Name(name.clone())).await? {
            Some(group) => {
                ids.push(group.id);
                specs.push(group.spec());
            }
            None => faults.add(
                format!("/groups/{position}"),
                format_args!("there is no group {name}: allowed is the name of one that exists"),
            ),
        }
    }
    let together: Vec<_> = specs.iter().collect();
    if together.len() == spec.groups.len()
        && let Some((position, detail)) = sync_group::fault_of(&together)
    {
        faults.add(format!("/groups/{position}"), detail);
    }
    let faults = faults.into_fields();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    if let Some(other) = sync_groups::find(conn, &Key::Name(spec.name.clone())).await?
        && own.is_none_or(|own| own.id != other.id)
    {
        return Err(Conflict::NameTaken { kind: Kind::SyncGroup, name: other.name }.into());
    }
    let taken = sync_groups::of_groups(conn, &ids).await?;
    for (position, (id, group)) in ids.iter().zip(&spec.groups).enumerate() {
        if let Some(other) = taken.get(id).filter(|other| own.is_none_or(|own| own.name != **other)) {
            let (group, sync_group) = (group.clone(), other.clone());
            return Err(Conflict::GroupTaken { position, group, sync_group }.into());
        }
    }
    Ok(ids)
}

/// The ids of the groups that it has.
async fn ids_of(conn: &mut PgConnection, sync_group: &SyncGroup) -> Result<Vec<Uuid>, StoreError> {
    match sync_group.groups.first() {
        None => Ok(Vec::new()),
        Some(first) => match groups::named(conn, &Key::Name(first.clone())).await? {
            Some(first) => sync_groups::together_with(conn, first.id).await,
            None => Ok(Vec::new()),
        },
    }
}

/// A new revision for every node of these groups.
async fn touch(conn: &mut PgConnection, groups: impl Iterator<Item = &Uuid>) -> Result<(), StoreError> {
    let mut nodes = Vec::new();
    for group in groups {
        nodes.extend(members::node_ids_of(conn, *group).await?);
    }
    nodes.sort_unstable();
    nodes.dedup();
    intent::touch_nodes(conn, &nodes).await
}

async fn read_back(conn: &mut PgConnection, id: Uuid) -> Result<SyncGroup, StoreError> {
    let found = sync_groups::find(conn, &Key::Id(id)).await?;
    found.ok_or_else(|| StoreError::inconsistent("sync_groups", id, "it was just written and is not there"))
}

fn created(sync_group: SyncGroup) -> Created<SyncGroup> {
    Created {
        location: format!("/api/v1/sync-groups/{}", sync_group.id),
        generation: Some(sync_group.generation),
        object: sync_group,
    }
}

fn versioned(sync_group: SyncGroup) -> Versioned<SyncGroup> {
    Versioned { generation: sync_group.generation, object: sync_group }
}

impl FromFields for SyncGroupSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.optional("description", String::new);
        if let Some(description) = &description {
            let mut faults = Faults::default();
            check_description(description, &mut faults);
            fields.refuse_all(faults.into_fields());
        }
        let groups: Option<Vec<Option<Name>>> = fields.list_draft("groups", 2..=MAX_GROUPS);
        let groups = groups.and_then(|groups| groups.into_iter().collect::<Option<Vec<_>>>());
        let mut faults = Faults::default();
        for (position, name) in groups.iter().flatten().enumerate() {
            if groups.iter().flatten().take(position).any(|before| before == name) {
                faults.add(
                    format!("/groups/{position}"),
                    format_args!("{name} stands there already: allowed is each group once"),
                );
            }
        }
        fields.refuse_all(faults.into_fields());
        Some(Self { name: name?, description: description?, groups: groups? })
    }
}
