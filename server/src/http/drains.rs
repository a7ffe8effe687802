//! Drains: operators take a node out of all its groups, and let it take part again.
//!
//! A drain is an object of its own beside the node, not a field of its specification: whoever applies the
//! node's manifest again does not put it back to work, and who drains needs no right to change
//! specifications.

use api_types::drain::{Drain, DrainSpec};
use api_types::node::Node;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use sqlx::PgConnection;
use utoipa_axum::routes;
use uuid::Uuid;

use super::authorise::Caller;
use super::body::Body;
use super::examples;
use super::fields::{Fields, FromFields};
use super::intent::{Attempt, key_of};
use super::path::{NameOrId, Path};
use super::problem::Problem;
use super::query::{FromParams, NoQuery, Params, Query};
use super::routes::Routes;
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::domain::conflict::Kind;
use crate::domain::drain::{self, Stake};
use crate::store::audit::{self, Target};
use crate::store::{drains, groups, intent, member_reports, nodes};

/// The routes of drains.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    let operate = Access::Requires(Permission::MoveAddresses);
    Routes::default().route(read, routes!(get_drain)).route(operate, routes!(put_drain, delete_drain))
}

impl FromFields for DrainSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let reason = fields.optional("reason", String::new);
        fields.refuse_all(reason.as_deref().map(drain::faults_of).unwrap_or_default());
        Some(Self { reason: reason? })
    }
}

/// How a node is to be drained.
struct DrainQuery {
    force: bool,
}

impl FromParams for DrainQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self { force: params.optional("force")?.unwrap_or_default() })
    }
}

/// Shows the drain of a node that is drained.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/drain", tag = "nodes",
    params(("node" = String, Path, description = "The name or id of the node", example = "lb1")),
    responses((status = 200, description = "The drain", body = Drain, example = json!(examples::drain()))))]
async fn get_drain(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
) -> Result<Json<Drain>, Problem> {
    let mut conn = app.db.acquire().await?;
    let node = find(&mut conn, &path).await?;
    node.status.drain.map(Json).ok_or_else(|| Problem::not_found("drain of node", path))
}

/// Drains a node: it lets go of all addresses without a gap, and takes part in none of its groups until the
/// drain is removed, whatever is restarted meanwhile.
///
/// Refused where that would leave a group without a member that is ready, unless by force; and where the node
/// owns addresses, in any case. Of a node that is drained only the reason is replaced.
#[utoipa::path(put, path = "/api/v1/nodes/{node}/drain", tag = "nodes",
    params(
        ("node" = String, Path, description = "The name or id of the node", example = "lb1"),
        ("force" = Option<bool>, Query, description = "Also where no other member is ready; false by default"),
    ),
    request_body(content = DrainSpec, example = json!(examples::drain_spec())),
    responses(
        (status = 200, description = "It was drained already", body = Drain, example = json!(examples::drain())),
        (status = 201, description = "Drained", body = Drain, example = json!(examples::drain()))))]
async fn put_drain(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<DrainQuery>,
    Path(path): Path<NameOrId>,
    body: Result<Body<DrainSpec>, Problem>,
) -> Result<(StatusCode, Json<Drain>), Problem> {
    let attempt = Attempt::new(&app, &caller, "node.drain", Kind::Node.as_str(), Some(path.to_string()));
    attempt.outcome(async { put(&app, &caller, &path, query.force, body?.0).await }).await
}

/// Removes the drain of a node: it takes part in its groups again. A node that is not drained stays as it is.
#[utoipa::path(delete, path = "/api/v1/nodes/{node}/drain", tag = "nodes",
    params(("node" = String, Path, description = "The name or id of the node", example = "lb1")),
    responses((status = 204, description = "It takes part")))]
async fn delete_drain(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
) -> Result<StatusCode, Problem> {
    let attempt = Attempt::new(&app, &caller, "node.undrain", Kind::Node.as_str(), Some(path.to_string()));
    attempt.outcome(delete(&app, &caller, &path)).await
}

async fn put(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    force: bool,
    spec: DrainSpec,
) -> Result<(StatusCode, Json<Drain>), Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let node = find(&mut tx, path).await?;
    let status = match &node.status.drain {
        Some(before) if before.reason == spec.reason => return Ok((StatusCode::OK, Json(before.clone()))),
        Some(_) => StatusCode::OK,
        None => {
            check(&mut tx, &node, force).await?;
            StatusCode::CREATED
        }
    };
    let now = app.clock.now();
    if status == StatusCode::CREATED {
        intent::touch_nodes(&mut tx, &[node.id]).await?;
    }
    drains::write(&mut tx, node.id, &spec.reason, &caller.identity.actor, now).await?;
    judge(&mut tx, app, node.id).await?;
    let after = drains::of_nodes(&mut tx, &[node.id]).await?.remove(&node.id);
    let after = after.ok_or_else(|| Problem::not_found("drain of node", path))?;
    let entry = caller.did("node.drain", target(&node)).after(&json!({"drain": after, "forced": force}));
    let entry = match &node.status.drain {
        Some(before) => entry.before(&json!({"drain": before})),
        None => entry,
    };
    audit::record(&mut tx, now, &entry).await?;
    tx.commit().await?;
    app.agents.wake_boosts();
    Ok((status, Json(after)))
}

async fn delete(app: &App, caller: &Caller, path: &NameOrId) -> Result<StatusCode, Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let node = find(&mut tx, path).await?;
    let Some(before) = &node.status.drain else { return Ok(StatusCode::NO_CONTENT) };
    intent::touch_nodes(&mut tx, &[node.id]).await?;
    drains::delete(&mut tx, node.id).await?;
    judge(&mut tx, app, node.id).await?;
    let entry = caller.did("node.undrain", target(&node)).before(&json!({"drain": before}));
    audit::record(&mut tx, app.clock.now(), &entry).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check(conn: &mut PgConnection, node: &Node, force: bool) -> Result<(), Problem> {
    let groups = groups::of_node(conn, node.id).await?;
    let ids: Vec<Uuid> = groups.iter().map(|group| group.id).collect();
    let observed = member_reports::observed(conn, &ids).await?;
    let stakes: Vec<_> = groups
        .iter()
        .map(|group| Stake {
            group: &group.name,
            members: &group.members,
            observed: observed.get(&group.id).map(Vec::as_slice).unwrap_or_default(),
        })
        .collect();
    let has_come = node.status.last_seen_at.is_some();
    let capabilities = has_come.then_some(node.status.capabilities.as_slice());
    Ok(drain::check(&node.name, capabilities, &stakes, force)?)
}

/// Finds the conditions anew, and ends the switchovers to a node that is drained.
async fn judge(conn: &mut PgConnection, app: &App, node: Uuid) -> Result<(), Problem> {
    let now = app.clock.now();
    member_reports::judge_node(conn, node, now).await?;
    let groups = member_reports::groups_of(conn, node).await?;
    Ok(member_reports::judge_groups(conn, &groups, now).await?)
}

async fn find(conn: &mut PgConnection, path: &NameOrId) -> Result<Node, Problem> {
    let found = nodes::find(conn, &key_of(Kind::Node, path)?).await?;
    found.ok_or_else(|| Problem::not_found(Kind::Node.as_str(), path))
}

fn target(node: &Node) -> Target {
    Target::new(Kind::Node.as_str(), node.id, &node.name)
}
