//! Why the addresses of a group are where they are.

use api_types::explanation::Explanation;
use axum::Json;
use axum::extract::State;
use utoipa_axum::routes;

use super::intent::key_of;
use super::path::{NameOrId, Path};
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use crate::app::App;
use crate::auth::{Access, Permission};
use crate::domain::conflict::Kind;
use crate::domain::explain::{self, Scene};
use crate::store::failover_records::{self, Filter};
use crate::store::{groups, member_reports};

/// The routes of explanations.
#[must_use]
pub fn routes() -> Routes {
    Routes::default().route(Access::Requires(Permission::ReadObjects), routes!(get_explanation))
}

/// Explains why a member holds the addresses of a group, and what happens if it fails.
#[utoipa::path(get, path = "/api/v1/groups/{group}/explanation", tag = "groups",
    params(("group" = String, Path, description = "The name or id of the group", example = "web")),
    responses((status = 200, description = "The explanation", body = Explanation)))]
async fn get_explanation(
    State(app): State<App>,
    _: Query<NoQuery>,
    Path(path): Path<NameOrId>,
) -> Result<Json<Explanation>, Problem> {
    let key = key_of(Kind::Group, &path)?;
    let mut conn = app.db.acquire().await?;
    let found = groups::find(&mut conn, &key).await?;
    let group = found.ok_or_else(|| Problem::not_found(Kind::Group.as_str(), &path))?;
    let observed =
        member_reports::observed(&mut conn, &[group.id]).await?.remove(&group.id).unwrap_or_default();
    let filter = Filter { group: Some(group.name.to_string()), member: None };
    let last = failover_records::list(&mut conn, &filter, None, 1).await?;
    let last = last.iter().find(|failover| failover.group_id == group.id);
    Ok(Json(explain::explain(&Scene { group: &group, observed: &observed, last })))
}
