//! Routes with the access that each declares.
//!
//! A route enters only through [`Routes::route`], which takes the [`Access`] it needs: one without it does not compile.
//! The API document gets its security, its permission and the shape of its refusals from the same call.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::authorise::authorise;
use crate::app::App;
use crate::auth::Access;

/// The name of the security scheme of operators in the API document.
pub const OPERATOR_SCHEME: &str = "operator";
/// The name of the security scheme of agents in the API document.
pub const AGENT_SCHEME: &str = "agent";

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path, with parameters in braces.
    pub path: String,
    /// Who may use it.
    pub access: Access,
}

/// Routes with the access that each declares.
#[derive(Default)]
pub struct Routes {
    documented: Vec<(Access, UtoipaMethodRouter<App>)>,
    pages: Vec<(Access, &'static str, MethodRouter<App>)>,
}

impl Routes {
    /// A route of the API, made by `utoipa_axum::routes!`.
    #[must_use]
    pub fn route(mut self, access: Access, handler: UtoipaMethodRouter<App>) -> Self {
        self.documented.push((access, handler));
        self
    }

    /// A page for people (GET), which the API document leaves out.
    #[must_use]
    pub fn page(mut self, access: Access, path: &'static str, handler: MethodRouter<App>) -> Self {
        self.pages.push((access, path, handler));
        self
    }

    /// These routes and more.
    #[must_use]
    pub fn with(mut self, more: Self) -> Self {
        self.documented.extend(more.documented);
        self.pages.extend(more.pages);
        self
    }

    /// The rows of the table.
    #[must_use]
    pub fn rows(&self) -> Vec<Route> {
        let documented = self.documented.iter().flat_map(|(access, (_, paths, _))| {
            paths.paths.iter().flat_map(|(path, item)| {
                let methods = operations(item).into_iter().map(|(method, _)| method);
                methods.map(|method| Route { method, path: path.clone(), access: *access })
            })
        });
        let pages = self.pages.iter().map(|(access, path, _)| Route {
            method: "GET",
            path: (*path).to_owned(),
            access: *access,
        });
        documented.chain(pages).collect()
    }

    /// The service of these routes, each behind the access it declares.
    pub fn into_router(self, app: &App) -> Router<App> {
        let guarded = |access: Access, handler: MethodRouter<App>| {
            handler.route_layer(from_fn_with_state((app.clone(), access), authorise))
        };
        let mut router = Router::new();
        for (access, (_, paths, handler)) in self.documented {
            for path in paths.paths.keys() {
                router = router.route(path, guarded(access, handler.clone()));
            }
        }
        for (access, path, handler) in self.pages {
            router = router.route(path, guarded(access, handler));
        }
        router
    }

    /// The API document of these routes.
    #[must_use]
    pub fn into_document(self, info: OpenApi) -> OpenApi {
        let mut documents = OpenApiRouter::<App>::with_openapi(info);
        for (access, (schemas, mut paths, handler)) in self.documented {
            for item in paths.paths.values_mut() {
                for operation in operations_mut(item) {
                    declare(access, operation);
                }
            }
            documents = documents.routes((schemas, paths, handler));
        }
        documents.into_openapi()
    }
}

/// Writes into the API document who may use an operation, and what its refusals look like.
fn declare(access: Access, operation: &mut Operation) {
    let bearer = |name: &str| Some(vec![SecurityRequirement::new(name, Vec::<String>::new())]);
    let (security, who) = match access {
        Access::Requires(permission) => (bearer(OPERATOR_SCHEME), permission.as_str()),
        Access::Known => (bearer(OPERATOR_SCHEME), "any"),
        Access::Agent => (bearer(AGENT_SCHEME), "agent"),
        Access::Open(_) => (Some(vec![SecurityRequirement::default()]), "none"),
    };
    operation.security = security;
    operation
        .extensions
        .get_or_insert_default()
        .merge(ExtensionsBuilder::new().add("x-permission", who).build());
    let problem = ResponseBuilder::new()
        .description("A problem: why the request was refused, with every bad field")
        .content(
            api_types::problem::MEDIA_TYPE,
            ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
        )
        .build();
    operation.responses.responses.entry("default".to_owned()).or_insert_with(|| problem.into());
}

fn operations(item: &PathItem) -> Vec<(&'static str, &Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete), ("PATCH", patch)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
        .collect()
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().filter_map(Option::as_mut)
}
