//! The door of the agent channel: proves who the agent is, then hands the connection to its session.

use api_types::audit::Actor;
use api_types::channel::{MAX_MESSAGE_OCTETS, SUBPROTOCOL};
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use utoipa_axum::routes;

use super::authorise::bearer;
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use crate::agents::ingest::agent;
use crate::agents::session;
use crate::app::App;
use crate::auth::{Access, jwt};
use crate::store::StoreError;
use crate::store::audit::{self, Origin, Target};
use crate::store::identities::{self, Enrolled};

/// The route of the agent channel.
#[must_use]
pub fn routes() -> Routes {
    Routes::default().route(Access::Agent, routes!(open_agent_session))
}

/// Opens the channel of an agent.
///
/// It is a WebSocket with the subprotocol `baton.agent.v1`. The agent proves who it is
/// with a JWT that it signed with its own key (EdDSA, `kid` is the id of the node, at most 60 seconds valid).
#[utoipa::path(get, path = "/api/v1/agent/session", tag = "agents",
    responses((status = 101, description = "The connection is a WebSocket from here on")))]
async fn open_agent_session(
    State(app): State<App>,
    origin: Origin,
    headers: HeaderMap,
    _: Query<NoQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let node = match identify(&app, &headers).await {
        Ok(node) => node,
        Err(Refusal::Unchecked(error)) => return Err(error.into()),
        Err(Refusal::Anonymous(reason)) => return Err(Problem::unauthenticated(reason, app.clock.now())),
        Err(Refusal::Refused { actor, reason }) => {
            let now = app.clock.now();
            let target = Target::named("request", "GET /api/v1/agent/session");
            app.refusals.record(&app, actor, origin, "authenticate", target, &reason).await;
            return Err(Problem::unauthenticated(reason, now));
        }
    };
    let upgrade = upgrade.map_err(|error| Problem::invalid_header(error.body_text()))?;
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(MAX_MESSAGE_OCTETS)
        .max_frame_size(MAX_MESSAGE_OCTETS)
        .max_write_buffer_size(2 * MAX_MESSAGE_OCTETS);
    if upgrade.selected_protocol().is_none() {
        let detail = format!("Sec-WebSocket-Protocol must offer {SUBPROTOCOL}");
        return Err(Problem::invalid_header(detail));
    }
    let name = node.name.clone();
    let upgrade = upgrade
        .on_failed_upgrade(move |error| tracing::debug!(node = %name, %error, "an agent's upgrade failed"));
    Ok(upgrade.on_upgrade(move |socket| session::serve(app, node, origin, socket)))
}

/// Why an agent is not let in.
enum Refusal {
    /// It presented nothing.
    Anonymous(&'static str),
    /// It presented something that is not accepted. The actor is the node it claims to be only once that is
    /// proven.
    Refused { actor: Actor, reason: String },
    /// It could not be checked.
    Unchecked(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Unchecked(error)
    }
}

async fn identify(app: &App, headers: &HeaderMap) -> Result<Enrolled, Refusal> {
    let refused = |reason: String| Refusal::Refused { actor: audit::anonymous(), reason };
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        return Err(Refusal::Anonymous("send Authorization: Bearer with a JWT signed by the agent's key"));
    };
    let Some(token) = header.to_str().ok().and_then(bearer) else {
        return Err(refused("the Authorization header is not of the form Bearer <JWT>".to_owned()));
    };
    let not_accepted = |error: jwt::JwtError| refused(format!("the JWT is not accepted: {error}"));
    let id = jwt::key_id(token).map_err(not_accepted)?;
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let node = identities::find_enrolled(&mut conn, id).await?;
    drop(conn);
    let node = node.ok_or_else(|| not_accepted(jwt::JwtError::UnknownKey))?;
    let claims = jwt::verify_agent(token, &node.public_key, app.clock.now()).map_err(not_accepted)?;
    if claims.sub != node.id {
        let reason = format!("the JWT speaks for node {}, and its key is that of another", claims.sub);
        return Err(Refusal::Refused { actor: agent(&node), reason });
    }
    Ok(node)
}
