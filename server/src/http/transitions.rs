//! Transitions: each change of a member's state, as its agent reported it.

use api_types::Page;
use api_types::transition::Transition;
use axum::Json;
use axum::extract::State;
use utoipa_axum::routes;
use uuid::Uuid;

use super::history::{HistoryQuery, Recorded};
use super::path::Path;
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::store::database;
use crate::store::transitions::{self, Filter};

/// The routes of transitions.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    Routes::default().route(read, routes!(list_transitions)).route(read, routes!(get_transition))
}

/// Lists the transitions, the newest first.
#[utoipa::path(get, path = "/api/v1/transitions", tag = "transitions",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("group" = Option<String>, Query, description = "Only of the group of this name"),
        ("node" = Option<String>, Query, description = "Only reported by the node of this name"),
    ),
    responses((status = 200, description = "One page", body = Page<Transition>)))]
async fn list_transitions(
    State(app): State<App>,
    Query(query): Query<HistoryQuery<Uuid>>,
) -> Result<Json<Page<Transition>>, Problem> {
    let HistoryQuery { page, of } = query;
    let mut conn = database::begin_filtered(&app.db).await?;
    let filter = Filter { group: of.group.clone(), node: of.node.clone() };
    let rows = transitions::list(&mut conn, &filter, page.after.map(Recorded::key), page.rows()).await?;
    if rows.is_empty() {
        of.check(&mut conn).await?;
    }
    Ok(Json(page.page(rows, |transition| Recorded { at: transition.recorded_at, id: transition.id })))
}

/// Shows a transition.
#[utoipa::path(get, path = "/api/v1/transitions/{id}", tag = "transitions",
    params(("id" = Uuid, Path, description = "The id of the transition")),
    responses((status = 200, description = "The transition", body = Transition)))]
async fn get_transition(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(id): Path<Uuid>,
) -> Result<Json<Transition>, Problem> {
    let mut conn = app.db.acquire().await?;
    let found = transitions::find(&mut conn, id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("transition", id))
}
