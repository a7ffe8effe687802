//! Failovers: which moves there were, why, and how long nobody answered.

use api_types::Page;
use api_types::failover::Failover;
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
use crate::store::failover_records::{self, Filter};

/// The routes of failovers.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadObjects);
    Routes::default().route(read, routes!(list_failovers)).route(read, routes!(get_failover))
}

/// Lists the failovers, the newest first.
#[utoipa::path(get, path = "/api/v1/failovers", tag = "failovers",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("group" = Option<String>, Query, description = "Only of the group of this name"),
        ("node" = Option<String>, Query, description = "Only from or to the member of this name"),
    ),
    responses((status = 200, description = "One page", body = Page<Failover>)))]
async fn list_failovers(
    State(app): State<App>,
    Query(query): Query<HistoryQuery<Uuid>>,
) -> Result<Json<Page<Failover>>, Problem> {
    let HistoryQuery { page, of } = query;
    let mut conn = database::begin_filtered(&app.db).await?;
    let filter = Filter { group: of.group.clone(), member: of.node.clone() };
    let rows = failover_records::list(&mut conn, &filter, page.after.map(Recorded::key), page.rows()).await?;
    if rows.is_empty() {
        of.check(&mut conn).await?;
    }
    Ok(Json(page.page(rows, |failover| Recorded { at: failover.recorded_at, id: failover.id })))
}

/// Shows a failover.
#[utoipa::path(get, path = "/api/v1/failovers/{id}", tag = "failovers",
    params(("id" = Uuid, Path, description = "The id of the failover")),
    responses((status = 200, description = "The failover", body = Failover)))]
async fn get_failover(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(id): Path<Uuid>,
) -> Result<Json<Failover>, Problem> {
    let mut conn = app.db.acquire().await?;
    let found = failover_records::find(&mut conn, id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("failover", id))
}
