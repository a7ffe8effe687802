//! What the API document (OpenAPI 3.1) says beside its paths, which come from the table that the router serves.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};

use crate::http::routes::{AGENT_SCHEME, OPERATOR_SCHEME};

/// The document without its paths.
pub(crate) fn preamble() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Baton")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi_description.md")))
        .license(Some(
            LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build(),
        ))
        .build();
    let bearer = |description: &str| {
        SecurityScheme::Http(
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build(),
        )
    };
    let components = ComponentsBuilder::new()
        .schema(api_types::problem::Problem::name(), <api_types::problem::Problem as PartialSchema>::schema())
        .schema(
            api_types::problem::FieldProblem::name(),
            <api_types::problem::FieldProblem as PartialSchema>::schema(),
        )
        .security_scheme(
            OPERATOR_SCHEME,
            bearer("A JWT from POST /api/v1/auth/token, or an API token itself."),
        )
        .security_scheme(AGENT_SCHEME, bearer("A JWT that the agent signed with its own key."))
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}
