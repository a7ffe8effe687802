//! Nodes: editors say which hosts there are; the rest is what their agents report.

use api_types::Page;
use api_types::node::{Node, NodeSpec};
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
use super::intent::{Attempt, Written, check_creation, key_of, name_in};
use super::page::PageQuery;
use super::path::{NameOrId, Path};
use super::problem::Problem;
use super::query::{FromParams, NoQuery, Params, Query};
use super::routes::Routes;
use super::versions::{Created, Preconditions, Versioned};
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::domain::conflict::{Conflict, Kind};
use crate::domain::node;
use crate::store::audit::{self, Target};
use crate::store::events::Subject;
use crate::store::{Key, StoreError, conditions, intent, member_reports, nodes};

/// The routes of nodes.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    let write = Access::Requires(Permission::WriteObjects);
    Routes::default()
        .route(read, routes!(list_nodes))
        .route(write, routes!(create_node))
        .route(read, routes!(get_node))
        .route(write, routes!(put_node, delete_node))
}

impl FromFields for NodeSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.optional("description", String::new);
        fields.refuse_all(node::faults_of(description.as_deref()));
        Some(Self { name: name?, description: description? })
    }
}

/// How a node is to be deleted.
struct DeleteQuery {
    force: bool,
}

impl FromParams for DeleteQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self { force: params.optional("force")?.unwrap_or_default() })
    }
}

/// Lists the nodes, by id.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "nodes",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<Node>)))]
async fn list_nodes(
    State(app): State<App>,
    Query(page): Query<PageQuery<Uuid>>,
) -> Result<Json<Page<Node>>, Problem> {
    let mut conn = app.db.acquire().await?;
    let rows = nodes::list(&mut conn, page.after, page.rows()).await?;
    Ok(Json(page.page(rows, |node| node.id)))
}

/// Shows a node.
#[utoipa::path(get, path = "/api/v1/nodes/{node}", tag = "nodes",
    params(("node" = String, Path, description = "The name or id of the node", example = "lb1")),
    responses((status = 200, description = "The node", body = Node,
        headers(("ETag" = String, description = "Its generation")),
        example = json!(examples::node()))))]
async fn get_node(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
) -> Result<Versioned<Node>, Problem> {
    let key = key_of(Kind::Node, &path)?;
    let mut conn = app.db.acquire().await?;
    let found = nodes::find(&mut conn, &key).await?;
    found.map(versioned).ok_or_else(|| Problem::not_found(Kind::Node.as_str(), &path))
}

/// Creates a node. Its agent enrols later, with a join token for the name.
#[utoipa::path(post, path = "/api/v1/nodes", tag = "nodes",
    request_body(content = NodeSpec, example = json!(examples::node_spec())),
    responses((status = 201, description = "Created", body = Node,
        headers(("Location" = String, description = "The path of the node"),
            ("ETag" = String, description = "Its generation")),
        example = json!(examples::node()))))]
async fn create_node(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    body: Result<Body<NodeSpec>, Problem>,
) -> Result<Created<Node>, Problem> {
    let name = name_in(&body, |Body(spec)| &spec.name);
    let attempt = Attempt::new(&app, &caller, "node.create", Kind::Node.as_str(), name);
    attempt.outcome(async { create(&app, &caller, &body?.0).await }).await
}

/// Replaces a node, or creates it by its name.
///
/// A body that says what the node already is changes nothing. With another name, the node is renamed.
#[utoipa::path(put, path = "/api/v1/nodes/{node}", tag = "nodes",
    params(
        ("node" = String, Path, description = "The name or id of the node", example = "lb1"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if it is not there"),
    ),
    request_body(content = NodeSpec, example = json!(examples::node_spec())),
    responses(
        (status = 200, description = "Replaced, or as it was", body = Node,
            headers(("ETag" = String, description = "Its generation")),
            example = json!(examples::node())),
        (status = 201, description = "Created", body = Node,
            headers(("Location" = String, description = "The path of the node"),
                ("ETag" = String, description = "Its generation")),
            example = json!(examples::node()))))]
async fn put_node(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
    body: Result<Body<NodeSpec>, Problem>,
) -> Result<Written<Node>, Problem> {
    let attempt = Attempt::new(&app, &caller, "node.update", Kind::Node.as_str(), Some(path.to_string()));
    attempt.outcome(async { put(&app, &caller, &path, &preconditions, &body?.0).await }).await
}

/// Deletes a node that is a member of no group, and ends the session of its agent.
///
/// An agent whose node is gone goes on with what it runs, and nobody can tell it to let go of an address. So a node
/// whose agent has not applied its desired revision is deleted only by force.
#[utoipa::path(delete, path = "/api/v1/nodes/{node}", tag = "nodes",
    params(
        ("node" = String, Path, description = "The name or id of the node", example = "lb1"),
        ("force" = Option<bool>, Query,
            description = "Also when its agent has not applied its desired revision; false by default"),
        ("If-Match" = Option<String>, Header, description = "Only if its ETag is this one"),
    ),
    responses((status = 204, description = "Deleted")))]
async fn delete_node(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<DeleteQuery>,
    Path(path): Path<NameOrId>,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    let attempt = Attempt::new(&app, &caller, "node.delete", Kind::Node.as_str(), Some(path.to_string()));
    attempt.outcome(delete(&app, &caller, &path, query.force, &preconditions)).await
}

async fn create(app: &App, caller: &Caller, spec: &NodeSpec) -> Result<Created<Node>, Problem> {
    let mut tx = app.intent.begin(&app.db).await?;
    let node = insert(&mut tx, app, caller, spec).await?;
    tx.commit().await?;
    Ok(created(node))
}

async fn put(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    preconditions: &Preconditions,
    spec: &NodeSpec,
) -> Result<Written<Node>, Problem> {
    let key = key_of(Kind::Node, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = nodes::find(&mut tx, &key).await?;
    preconditions.check(found.as_ref().map(|node| node.generation))?;
    let Some(before) = found else {
        check_creation(Kind::Node, path, &spec.name)?;
        let node = insert(&mut tx, app, caller, spec).await?;
        tx.commit().await?;
        return Ok(Written::Created(created(node)));
    };
    if (&before.name, &before.description) == (&spec.name, &spec.description) {
        return Ok(Written::There(versioned(before)));
    }
    check(&mut tx, Some(before.id), spec).await?;
    let now = app.clock.now();
    if before.name != spec.name {
        let peers = nodes::with_peers(&mut tx, before.id).await?;
        intent::touch_nodes(&mut tx, &peers).await?;
    }
    nodes::replace(&mut tx, before.id, spec, now).await?;
    if before.name != spec.name {
        let groups = member_reports::groups_of(&mut tx, before.id).await?;
        member_reports::judge_groups(&mut tx, &groups, now).await?;
    }
    let after = read_back(&mut tx, before.id).await?;
    let target = Target::new(Kind::Node.as_str(), before.id, &before.name);
    audit::record(&mut tx, now, &caller.did("node.update", target).before(&before).after(&after)).await?;
    tx.commit().await?;
    Ok(Written::There(versioned(after)))
}

async fn delete(
    app: &App,
    caller: &Caller,
    path: &NameOrId,
    force: bool,
    preconditions: &Preconditions,
) -> Result<StatusCode, Problem> {
    let key = key_of(Kind::Node, path)?;
    let mut tx = app.intent.begin(&app.db).await?;
    let found = nodes::find(&mut tx, &key).await?;
    let before = found.ok_or_else(|| Problem::not_found(Kind::Node.as_str(), path))?;
    preconditions.check(Some(before.generation))?;
    let groups = nodes::groups_of(&mut tx, before.id).await?;
    if !groups.is_empty() {
        return Err(Conflict::InUse { kind: Kind::Node, name: before.name, groups }.into());
    }
    let is_behind = node::is_behind(&before.status);
    if is_behind && !force {
        let (desired, applied) = (before.status.desired_revision, before.status.applied_revision);
        return Err(Conflict::AgentBehind { name: before.name, desired, applied }.into());
    }
    let now = app.clock.now();
    intent::touch_nodes(&mut tx, &[before.id]).await?;
    conditions::settle(&mut tx, Subject::Node(before.id), &[], now).await?;
    nodes::delete(&mut tx, before.id).await?;
    let target = Target::new(Kind::Node.as_str(), before.id, &before.name);
    let entry = caller.did("node.delete", target).before(&before);
    let entry = if is_behind { entry.after(&json!({"forced": true})) } else { entry };
    audit::record(&mut tx, now, &entry).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn insert(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    spec: &NodeSpec,
) -> Result<Node, Problem> {
    check(conn, None, spec).await?;
    let (id, now) = (Uuid::now_v7(), app.clock.now());
    nodes::insert(conn, id, spec, now).await?;
    let node = read_back(conn, id).await?;
    let target = Target::new(Kind::Node.as_str(), id, &node.name);
    audit::record(conn, now, &caller.did("node.create", target).after(&node)).await?;
    Ok(node)
}

async fn check(conn: &mut PgConnection, own: Option<Uuid>, spec: &NodeSpec) -> Result<(), Problem> {
    if let Some(other) = nodes::find(conn, &Key::Name(spec.name.clone())).await?
        && Some(other.id) != own
    {
        return Err(Conflict::NameTaken { kind: Kind::Node, name: other.name }.into());
    }
    let groups = nodes::groups_with_external(conn, &spec.name).await?;
    if !groups.is_empty() {
        return Err(Conflict::ExternalNameTaken { name: spec.name.clone(), groups }.into());
    }
    Ok(())
}

async fn read_back(conn: &mut PgConnection, id: Uuid) -> Result<Node, StoreError> {
    let found = nodes::find(conn, &Key::Id(id)).await?;
    found.ok_or_else(|| StoreError::inconsistent("nodes", id, "it was just written and is not there"))
}

fn created(node: Node) -> Created<Node> {
    Created {
        location: format!("/api/v1/nodes/{}", node.id),
        generation: Some(node.generation),
        object: node,
    }
}

fn versioned(node: Node) -> Versioned<Node> {
    Versioned { generation: node.generation, object: node }
}
