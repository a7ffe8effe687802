//! Switchovers: operators move the addresses of a group to one member, and take that back.
//!
//! A switchover is a record. It is requested by POST and never changed by a caller but once: DELETE takes it
//! back, which ends its effect and keeps the record.

use api_types::Page;
use api_types::switchover::{Switchover, SwitchoverSpec, SwitchoverState};
use axum::Json;
use axum::extract::State;
use sqlx::PgConnection;
use utoipa_axum::routes;
use uuid::Uuid;

use super::authorise::Caller;
use super::body::Body;
use super::examples;
use super::fields::{Fields, FromFields};
use super::history::Recorded;
use super::intent::{Attempt, key_of};
use super::page::PageQuery;
use super::path::{NameOrId, Path};
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use super::versions::Created;
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::domain::conflict::Kind;
use crate::domain::switchover::{self, Refusal, Scene};
use crate::store::audit::{self, Target};
use crate::store::groups::{self, Named};
use crate::store::switchovers::{self, New};
use crate::store::{Key, StoreError, conditions, member_reports, members, switchover_records, sync_groups};

/// The routes of switchovers.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    let operate = Access::Requires(Permission::MoveAddresses);
    Routes::default()
        .route(read, routes!(list_switchovers))
        .route(operate, routes!(create_switchover))
        .route(read, routes!(get_switchover))
        .route(operate, routes!(undo_switchover))
}

impl FromFields for SwitchoverSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { to: fields.required("to")? })
    }
}

/// Lists the switchovers of a group, the newest first.
#[utoipa::path(get, path = "/api/v1/groups/{group}/switchovers", tag = "switchovers",
    params(
        ("group" = String, Path, description = "The name or id of the group", example = "web"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<Switchover>)))]
async fn list_switchovers(
    State(app): State<App>,
    Query(page): Query<PageQuery<Recorded<Uuid>>>,
    Path(path): Path<NameOrId>,
) -> Result<Json<Page<Switchover>>, Problem> {
    let mut conn = app.db.acquire().await?;
    let group = find_group(&mut conn, &path).await?;
    let before = page.after.map(Recorded::key);
    let rows = switchover_records::list(&mut conn, group.id, before, page.rows()).await?;
    Ok(Json(page.page(rows, |switchover| Recorded { at: switchover.requested_at, id: switchover.id })))
}

/// Moves the addresses of a group to one of its nodes.
///
/// The node takes over at once, and keeps the addresses until the switchover is taken back, until another one
/// moves them on, or until the node fails: its agent is started anew, or it loses the addresses. A node that
/// has not taken over within 2 seconds is told to let it be, and the switchover is `failed`.
#[utoipa::path(post, path = "/api/v1/groups/{group}/switchovers", tag = "switchovers",
    params(("group" = String, Path, description = "The name or id of the group", example = "web")),
    request_body(content = SwitchoverSpec, example = json!(examples::switchover_spec())),
    responses((status = 201, description = "Requested: the node has been told", body = Switchover,
        headers(("Location" = String, description = "The path of the switchover")),
        example = json!(examples::switchover()))))]
async fn create_switchover(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    body: Result<Body<SwitchoverSpec>, Problem>,
) -> Result<Created<Switchover>, Problem> {
    let attempt =
        Attempt::new(&app, &caller, "switchover.create", Kind::Group.as_str(), Some(path.to_string()));
    attempt.outcome(async { create(&app, &caller, &path, &body?.0).await }).await
}

/// Shows a switchover.
#[utoipa::path(get, path = "/api/v1/groups/{group}/switchovers/{id}", tag = "switchovers",
    params(
        ("group" = String, Path, description = "The name or id of the group", example = "web"),
        ("id" = Uuid, Path, description = "The id of the switchover"),
    ),
    responses((status = 200, description = "The switchover", body = Switchover,
        example = json!(examples::switchover()))))]
async fn get_switchover(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path((path, id)): Path<(NameOrId, Uuid)>,
) -> Result<Json<Switchover>, Problem> {
    let mut conn = app.db.acquire().await?;
    let group = find_group(&mut conn, &path).await?;
    find(&mut conn, group.id, id).await.map(Json)
}

/// Takes a switchover back: from now on priorities say who holds. Its record stays.
///
/// One that is in effect no longer stays as it is.
#[utoipa::path(delete, path = "/api/v1/groups/{group}/switchovers/{id}", tag = "switchovers",
    params(
        ("group" = String, Path, description = "The name or id of the group", example = "web"),
        ("id" = Uuid, Path, description = "The id of the switchover"),
    ),
    responses((status = 200, description = "The switchover, in effect no longer", body = Switchover)))]
async fn undo_switchover(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path((path, id)): Path<(NameOrId, Uuid)>,
) -> Result<Json<Switchover>, Problem> {
    let attempt =
        Attempt::new(&app, &caller, "switchover.undo", Kind::Group.as_str(), Some(path.to_string()));
    attempt.outcome(undo(&app, &caller, &path, id)).await.map(Json)
}

async fn create(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    spec: &SwitchoverSpec,
) -> Result<Created<Switchover>, Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let group = find_group(&mut tx, path).await?;
    let together = sync_groups::together_with(&mut tx, group.id).await?;
    conditions::lock(&mut tx, &together).await?;
    let mut switchover = None;
    for id in &together {
        let one = groups::named(&mut tx, &Key::Id(*id)).await?;
        let one = one.ok_or_else(|| StoreError::inconsistent("groups", id, "it was there a moment ago"))?;
        let begun = begin(&mut tx, app, caller, &one, spec).await?;
        switchover = switchover.or((*id == group.id).then_some(begun));
    }
    let switchover = switchover
        .ok_or_else(|| StoreError::inconsistent("groups", group.id, "it is not together with itself"))?;
    tx.commit().await?;
    app.agents.wake_boosts();
    judge(app, &together).await;
    let location = format!("/api/v1/groups/{}/switchovers/{}", group.id, switchover.id);
    Ok(Created { object: switchover, location, generation: None })
}

/// Begins the switchover of one group, whose conditions are locked.
async fn begin(
    tx: &mut PgConnection,
    app: &App,
    caller: &Caller,
    group: &Named,
    spec: &SwitchoverSpec,
) -> Result<Switchover, Problem> {
    let members = members::of_groups(tx, &[group.id]).await?.remove(&group.id).unwrap_or_default();
    let observed = member_reports::observed(tx, &[group.id]).await?.remove(&group.id).unwrap_or_default();
    let in_effect = switchovers::in_effect(tx, &[group.id]).await?.remove(&group.id);
    let scene =
        Scene { group: &group.name, members: &members, observed: &observed, in_effect: in_effect.as_ref() };
    let plan = switchover::plan(&scene, &spec.to)?;
    let (id, now) = (Uuid::now_v7(), app.clock.now());
    if let Some(earlier) = in_effect {
        let before = find(tx, group.id, earlier.id).await?;
        let reason = format!("a later switchover moves the addresses to {}", plan.to);
        switchovers::finish(tx, earlier.id, SwitchoverState::Superseded, &reason, now).await?;
        let after = find(tx, group.id, earlier.id).await?;
        let entry = caller.did("switchover.supersede", target(group)).before(&before).after(&after);
        audit::record(tx, now, &entry).await?;
    }
    let actor = &caller.identity.actor;
    switchovers::insert(
        tx,
        New { id, group_id: group.id, group: group.name.as_str(), plan: &plan, actor, now },
    )
    .await?;
    let switchover = find(tx, group.id, id).await?;
    audit::record(tx, now, &caller.did("switchover.create", target(group)).after(&switchover)).await?;
    tracing::info!(group = %group.name, from = plan.from, to = plan.to, id = %id, "switchover requested");
    Ok(switchover)
}

async fn undo(app: &App, caller: &Caller, path: &NameOrId, id: Uuid) -> Result<Switchover, Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let group = find_group(&mut tx, path).await?;
    let together = sync_groups::together_with(&mut tx, group.id).await?;
    conditions::lock(&mut tx, &together).await?;
    let before = find(&mut tx, group.id, id).await?;
    if !before.state.is_in_effect() {
        return Ok(before);
    }
    let now = app.clock.now();
    // Those of the other groups of its sync group go the same way.
    let mut others = switchovers::in_effect(&mut tx, &together).await?;
    others.remove(&group.id);
    for other in others.into_values().filter(|other| other.to == before.to) {
        let reason = format!("that of group {}, in the same sync group, was taken back", group.name);
        switchovers::end(&mut tx, other.id, SwitchoverState::Undone, &reason, now).await?;
    }
    switchovers::finish(&mut tx, id, SwitchoverState::Undone, "it was taken back", now).await?;
    let after = find(&mut tx, group.id, id).await?;
    let entry = caller.did("switchover.undo", target(&group)).before(&before).after(&after);
    audit::record(&mut tx, now, &entry).await?;
    tx.commit().await?;
    app.agents.wake_boosts();
    judge(app, &together).await;
    Ok(after)
}

/// Finds the conditions of the group anew, once its members are on their way: the addresses do not wait for
/// it. What fails here is made up for at the next report of a member, and no failure of the request.
async fn judge(app: &App, groups: &[Uuid]) {
    let judged = async {
        let mut tx = app.db.begin().await?;
        member_reports::judge_groups(&mut tx, groups, app.clock.now()).await?;
        tx.commit().await?;
        Ok::<_, StoreError>(())
    };
    if let Err(error) = judged.await {
        tracing::warn!(?groups, %error, "the conditions of a group whose addresses move are not found anew yet");
    }
}

async fn find_group(conn: &mut PgConnection, path: &NameOrId) -> Result<Named, Problem> {
    let found = groups::named(conn, &key_of(Kind::Group, path)?).await?;
    found.ok_or_else(|| Problem::not_found(Kind::Group.as_str(), path))
}

async fn find(conn: &mut PgConnection, group: Uuid, id: Uuid) -> Result<Switchover, Problem> {
    let found: Result<_, StoreError> = switchover_records::find(conn, id).await;
    let found = found?.filter(|switchover| switchover.group_id == group);
    found.ok_or_else(|| Problem::not_found("switchover", id))
}

fn target(group: &Named) -> Target {
    Target::new(Kind::Group.as_str(), group.id, &group.name)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Field(fault) => Self::invalid(vec![fault]),
            Refusal::Conflict(conflict) => conflict.into(),
        }
    }
}
