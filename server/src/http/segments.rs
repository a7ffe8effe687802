//! Segments: editors say which layer 2 domains there are, and which subnets they carry.

use api_types::Page;
use api_types::segment::{Segment, SegmentSpec};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sqlx::PgConnection;
use utoipa_axum::routes;
use uuid::Uuid;

use super::authorise::Caller;
use super::body::Body;
use super::canonical::Canonical;
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
use crate::domain::segment;
use crate::store::audit::{self, Target};
use crate::store::{Key, StoreError, segments};

/// The routes of segments.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    let write = Access::Requires(Permission::WriteObjects);
    Routes::default()
        .route(read, routes!(list_segments))
        .route(write, routes!(create_segment))
        .route(read, routes!(get_segment))
        .route(write, routes!(put_segment, delete_segment))
}

impl FromFields for SegmentSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.optional("description", String::new);
        let prefixes = fields.list_draft("prefixes", 1..=segment::MAX_PREFIXES);
        let prefixes: Option<Vec<_>> = prefixes.map(|prefixes| {
            prefixes.into_iter().map(|prefix| prefix.map(|Canonical(prefix)| prefix)).collect()
        });
        fields.refuse_all(segment::faults_of(description.as_deref(), prefixes.as_deref()));
        Some(Self {
            name: name?,
            description: description?,
            prefixes: prefixes?.into_iter().collect::<Option<_>>()?,
        })
    }
}

/// Lists the segments, by id.
#[utoipa::path(get, path = "/api/v1/segments", tag = "segments",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<Segment>)))]
async fn list_segments(
    State(app): State<App>,
    Query(page): Query<PageQuery<Uuid>>,
) -> Result<Json<Page<Segment>>, Problem> {
    let mut conn = app.db.acquire().await?;
    let rows = segments::list(&mut conn, page.after, page.rows()).await?;
    Ok(Json(page.page(rows, |segment| segment.id)))
}

/// Shows a segment.
#[utoipa::path(get, path = "/api/v1/segments/{segment}", tag = "segments",
    params(("segment" = String, Path, description = "The name or id of the segment", example = "frontend")),
    responses((status = 200, description = "The segment", body = Segment,
        headers(("ETag" = String, description = "Its generation")),
        example = json!(examples::segment()))))]
async fn get_segment(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
) -> Result<Versioned<Segment>, Problem> {
    let key = key_of(Kind::Segment, &path)?;
    let mut conn = app.db.acquire().await?;
    let found = segments::find(&mut conn, &key).await?;
    found.map(versioned).ok_or_else(|| Problem::not_found(Kind::Segment.as_str(), &path))
}

/// Creates a segment.
#[utoipa::path(post, path = "/api/v1/segments", tag = "segments",
    request_body(content = SegmentSpec, example = json!(examples::segment_spec())),
    responses((status = 201, description = "Created", body = Segment,
        headers(("Location" = String, description = "The path of the segment"),
            ("ETag" = String, description = "Its generation")),
        example = json!(examples::segment()))))]
async fn create_segment(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    body: Result<Body<SegmentSpec>, Problem>,
) -> Result<Created<Segment>, Problem> {
    let name = name_in(&body, |Body(spec)| &spec.name);
    let attempt = Attempt::new(&app, &caller, "segment.create", Kind::Segment.as_str(), name);
    attempt.outcome(async { create(&app, &caller, &body?.0).await }).await
}

/// Replaces a segment, or creates it by its name.
///
/// A body that says what the segment already is changes nothing. A prefix that a virtual address needs cannot go.
#[utoipa::path(put, path = "/api/v1/segments/{segment}", tag = "segments",
    params(
        ("segment" = String, Path, description = "The name or id of the segment", example = "frontend"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if it is not there"),
    ),
    request_body(content = SegmentSpec, example = json!(examples::segment_spec())),
    responses(
        (status = 200, description = "Replaced, or as it was", body = Segment,
            headers(("ETag" = String, description = "Its generation")),
            example = json!(examples::segment())),
        (status = 201, description = "Created", body = Segment,
            headers(("Location" = String, description = "The path of the segment"),
                ("ETag" = String, description = "Its generation")),
            example = json!(examples::segment()))))]
async fn put_segment(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
    body: Result<Body<SegmentSpec>, Problem>,
) -> Result<Written<Segment>, Problem> {
    let attempt =
        Attempt::new(&app, &caller, "segment.update", Kind::Segment.as_str(), Some(path.to_string()));
    attempt.outcome(async { put(&app, &caller, &path, &preconditions, &body?.0).await }).await
}

/// Deletes a segment that no group is on.
#[utoipa::path(delete, path = "/api/v1/segments/{segment}", tag = "segments",
    params(
        ("segment" = String, Path, description = "The name or id of the segment", example = "frontend"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
    ),
    responses((status = 204, description = "Deleted")))]
async fn delete_segment(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    let attempt =
        Attempt::new(&app, &caller, "segment.delete", Kind::Segment.as_str(), Some(path.to_string()));
    attempt.outcome(delete(&app, &caller, &path, &preconditions)).await
}

async fn create(app: &App, caller: &Caller, spec: &SegmentSpec) -> Result<Created<Segment>, Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let segment = insert(&mut tx, app, caller, spec).await?;
    tx.commit().await?;
    Ok(created(segment))
}

async fn put(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    preconditions: &Preconditions,
    spec: &SegmentSpec,
) -> Result<Written<Segment>, Problem> {
    let key = key_of(Kind::Segment, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = segments::find(&mut tx, &key).await?;
    preconditions.check(found.as_ref().map(|segment| segment.generation))?;
    let Some(before) = found else {
        check_creation(Kind::Segment, path, &spec.name)?;
        let segment = insert(&mut tx, app, caller, spec).await?;
        tx.commit().await?;
        return Ok(Written::Created(created(segment)));
    };
    if spec_of(&before) == *spec {
        return Ok(Written::There(versioned(before)));
    }
    check(&mut tx, Some(before.id), spec).await?;
    let addresses = segments::addresses_on(&mut tx, before.id).await?;
    segment::check_prefixes_cover(&spec.prefixes, &addresses)?;
    let now = app.clock.now();
    segments::replace(&mut tx, before.id, spec, now).await?;
    let after = read_back(&mut tx, before.id).await?;
    let target = Target::new(Kind::Segment.as_str(), before.id, &before.name);
    let entry = caller.did("segment.update", target).before(&before).after(&after);
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
    let key = key_of(Kind::Segment, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = segments::find(&mut tx, &key).await?;
    let before = found.ok_or_else(|| Problem::not_found(Kind::Segment.as_str(), path))?;
    preconditions.check(Some(before.generation))?;
    let groups = segments::groups_on(&mut tx, before.id).await?;
    if !groups.is_empty() {
        return Err(Conflict::InUse { kind: Kind::Segment, name: before.name, groups }.into());
    }
    segments::delete(&mut tx, before.id).await?;
    let target = Target::new(Kind::Segment.as_str(), before.id, &before.name);
    let entry = caller.did("segment.delete", target).before(&before);
    audit::record(&mut tx, app.clock.now(), &entry).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn insert(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    spec: &SegmentSpec,
) -> Result<Segment, Problem> {
    check(conn, None, spec).await?;
    let (id, now) = (Uuid::now_v7(), app.clock.now());
    segments::insert(conn, id, spec, now).await?;
    let segment = read_back(conn, id).await?;
    let target = Target::new(Kind::Segment.as_str(), id, &segment.name);
    audit::record(conn, now, &caller.did("segment.create", target).after(&segment)).await?;
    Ok(segment)
}

async fn check(conn: &mut PgConnection, own: Option<Uuid>, spec: &SegmentSpec) -> Result<(), Problem> {
    match segments::find(conn, &Key::Name(spec.name.clone())).await? {
        Some(other) if Some(other.id) != own => {
            Err(Conflict::NameTaken { kind: Kind::Segment, name: other.name }.into())
        }
        Some(_) | None => Ok(()),
    }
}

async fn read_back(conn: &mut PgConnection, id: Uuid) -> Result<Segment, StoreError> {
    let found = segments::find(conn, &Key::Id(id)).await?;
    found.ok_or_else(|| StoreError::inconsistent("segments", id, "it was just written and is not there"))
}

fn spec_of(segment: &Segment) -> SegmentSpec {
    SegmentSpec {
        name: segment.name.clone(),
        description: segment.description.clone(),
        prefixes: segment.prefixes.clone(),
    }
}

fn created(segment: Segment) -> Created<Segment> {
    Created {
        location: format!("/api/v1/segments/{}", segment.id),
        generation: Some(segment.generation),
        object: segment,
    }
}

fn versioned(segment: Segment) -> Versioned<Segment> {
    Versioned { generation: segment.generation, object: segment }
}
