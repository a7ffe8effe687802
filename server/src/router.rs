//! Every route, in one table; the service and the API document that follow from it.

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::Uri;
use axum::middleware::from_fn;
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;

use crate::app::App;
use crate::http;
use crate::http::body::MAX_BODY_OCTETS;
use crate::http::docs::Document;
use crate::http::problem::Problem;
use crate::http::request::identify;
use crate::http::routes::Routes;
use crate::openapi;

/// Every route of the server.
#[must_use]
pub fn table() -> Routes {
    Routes::default()
        .with(http::health::routes())
        .with(http::docs::routes())
        .with(http::auth::routes())
        .with(http::tokens::routes())
        .with(http::join_tokens::routes())
        .with(http::segments::routes())
        .with(http::nodes::routes())
        .with(http::drains::routes())
        .with(http::checks::routes())
        .with(http::sync_groups::routes())
        .with(http::groups::routes())
        .with(http::explanations::routes())
        .with(http::switchovers::routes())
        .with(http::failovers::routes())
        .with(http::transitions::routes())
        .with(http::audit_events::routes())
        .with(http::enrolment::routes())
        .with(http::agent_session::routes())
}

/// The service that answers requests.
pub fn router(app: App) -> Router {
    let routes = table().into_router(&app);
    routes
        .fallback(async |uri: Uri| Problem::no_such_path(uri.path()))
        .method_not_allowed_fallback(async |request: Request| {
            Problem::method_not_allowed(request.method().as_str())
        })
        .layer(Extension(Document(document_text)))
        .layer(DefaultBodyLimit::max(MAX_BODY_OCTETS))
        .layer(CatchPanicLayer::custom(http::request::after_panic))
        .layer(from_fn(identify))
        .layer(from_fn(http::leftover::take))
        .with_state(app)
}

/// The API document.
#[must_use]
pub fn document() -> OpenApi {
    table().into_document(openapi::preamble())
}

/// The API document as it is committed and served: JSON with a line feed at the end.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn document_text() -> Result<String, serde_json::Error> {
    document().to_pretty_json().map(|text| text + "\n")
}
