//! Whether the server lives, whether it can answer, and its metrics.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa_axum::routes;

use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::metrics;
use crate::store::database;

/// The routes of health and metrics.
#[must_use]
pub fn routes() -> Routes {
    Routes::default()
        .route(Access::Open("probes of a supervisor carry no credential"), routes!(live))
        .route(Access::Open("probes of a load balancer carry no credential"), routes!(ready))
        .route(Access::Requires(Permission::ReadMetrics), routes!(get_metrics))
}

/// How the server stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Health {
    /// Always `ok`; a server that is not answers with a problem.
    status: &'static str,
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/livez", tag = "health",
    responses((status = 200, description = "It lives", body = Health)))]
async fn live(_: Query<NoQuery>) -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether requests can be served: the database answers. It was migrated before the first request was taken.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, description = "It is ready", body = Health)))]
async fn ready(State(app): State<App>, _: Query<NoQuery>) -> Result<Json<Health>, Problem> {
    match database::ping(&app.db).await {
        Ok(()) => Ok(Json(Health { status: "ok" })),
        Err(_) => Err(Problem::unavailable("the database does not answer")),
    }
}

/// The metrics, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain")))]
async fn get_metrics(State(app): State<App>, _: Query<NoQuery>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::render(&app.db))
}
