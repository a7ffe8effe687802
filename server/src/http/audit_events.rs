//! The audit log: who did what, and what happened, in order.

use api_types::Page;
use api_types::audit::AuditEvent;
use axum::Json;
use axum::extract::State;
use utoipa_axum::routes;

use super::history::{HistoryQuery, Recorded};
use super::path::Path;
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::store::audit_events::{self, Filter};
use crate::store::database;

/// The routes of the audit log.
#[must_use]
pub fn routes() -> Routes {
    let read = Access::Requires(Permission::ReadAudit);
    Routes::default().route(read, routes!(list_audit_events)).route(read, routes!(get_audit_event))
}

/// Lists the entries of the audit log, the newest first.
#[utoipa::path(get, path = "/api/v1/audit-events", tag = "audit-events",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 500, description = "Items per page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("group" = Option<String>, Query, description = "Only about the group of this name, its transitions and failovers"),
        ("node" = Option<String>, Query, description = "Only about the node of this name, or reported by it"),
    ),
    responses((status = 200, description = "One page", body = Page<AuditEvent>)))]
async fn list_audit_events(
    State(app): State<App>,
    Query(query): Query<HistoryQuery<i64>>,
) -> Result<Json<Page<AuditEvent>>, Problem> {
    let HistoryQuery { page, of } = query;
    let mut conn = database::begin_filtered(&app.db).await?;
    let filter = Filter { group: of.group.clone(), node: of.node.clone() };
    let rows = audit_events::list(&mut conn, &filter, page.after.map(Recorded::key), page.rows()).await?;
    if rows.is_empty() {
        of.check(&mut conn).await?;
    }
    Ok(Json(page.page(rows, |event| Recorded { at: event.recorded_at, id: event.id })))
}

/// Shows an entry of the audit log.
#[utoipa::path(get, path = "/api/v1/audit-events/{id}", tag = "audit-events",
    params(("id" = i64, Path, description = "The position in the log")),
    responses((status = 200, description = "The entry", body = AuditEvent)))]
async fn get_audit_event(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(id): Path<i64>,
) -> Result<Json<AuditEvent>, Problem> {
    let mut conn = app.db.acquire().await?;
    let found = audit_events::find(&mut conn, id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("audit event", id))
}
