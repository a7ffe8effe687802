//! The API document, and a page to read it with. Everything on the page comes from this server.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Path as AxumPath;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa_axum::routes;
use utoipa_swagger_ui::Config;

use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use crate::auth::Access;

/// The page uses its own scripts and styles, inline styles and inline images; nothing from elsewhere.
const PAGE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// How the API document is written; whoever knows every route gives it to the service as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Document(pub fn() -> Result<String, serde_json::Error>);

/// The routes of the API document.
#[must_use]
pub fn routes() -> Routes {
    let open = Access::Open("the API is no secret");
    Routes::default()
        .route(open, routes!(get_openapi))
        .page(open, "/docs", get(async || Redirect::permanent("/docs/")))
        .page(open, "/docs/", get(async || file("")))
        .page(open, "/docs/{*file}", get(async |AxumPath(path): AxumPath<String>| file(&path)))
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "health",
    responses((status = 200, description = "The OpenAPI document", body = serde_json::Value)))]
async fn get_openapi(
    _: Query<NoQuery>,
    Extension(Document(text)): Extension<Document>,
) -> Result<impl IntoResponse, Problem> {
    let text = text().map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], text))
}

fn file(path: &str) -> Response {
    let config = Arc::new(Config::from("/api/v1/openapi.json").validator_url("none"));
    match utoipa_swagger_ui::serve(path, config) {
        Ok(Some(file)) => {
            let headers = [
                (CONTENT_TYPE, file.content_type.as_str()),
                (CONTENT_SECURITY_POLICY, PAGE_POLICY),
                (CACHE_CONTROL, "no-cache"),
            ];
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) | Err(_) => Problem::no_such_path(&format!("/docs/{path}")).into_response(),
    }
}
