//! Enrolment: a new agent hands in its public key with a join token, once.

use api_types::enrolment::{Enrolment as EnrolmentAnswer, EnrolmentRequest};
use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::PgConnection;
use thiserror::Error;
use utoipa_axum::routes;

use super::body::Body;
use super::fields::{Fields, FromFields};
use super::problem::Problem;
use super::query::{NoQuery, Query};
use crate::agents::ingest::agent;
use crate::app::App;
use crate::auth::{Access, SecretToken, TokenPrefix};
use crate::router::Routes;
use crate::store::audit::{self, Entry, Origin, Target};
use crate::store::identities::{self, Enrolled, Enrolment};
use crate::store::join_tokens::{self, StoredJoinToken};
use api_types::Timestamp;
use api_types::problem::FieldProblem;

const AGENT_VERSION_MAX_CHARS: usize = 64;

/// The route of enrolment.
#[must_use]
pub fn routes() -> Routes {
    Routes::default().route(Access::Open("the join token is in the body"), routes!(enrol_agent))
}

impl FromFields for EnrolmentRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let join_token = fields.required("join_token");
        let public_key: Option<String> = fields.required("public_key");
        let agent_version: Option<String> = fields.required("agent_version");
        if public_key.as_deref().is_some_and(|key| decode_key(key).is_none()) {
            fields
                .refuse("public_key", "must be the 32 octets of an Ed25519 key in base64url without padding");
        }
        if agent_version.as_deref().is_some_and(|text| text.chars().count() > AGENT_VERSION_MAX_CHARS) {
            fields
                .refuse("agent_version", format!("at most {AGENT_VERSION_MAX_CHARS} characters are allowed"));
        }
        Some(Self { join_token: join_token?, public_key: public_key?, agent_version: agent_version? })
    }
}

/// Gives the agent of a host its identity. The join token can be used once, and only for the node it names; the
/// node is created when it is not there. A node that has enrolled before gets the new key instead of the old.
#[utoipa::path(post, path = "/api/v1/enrolment", tag = "agents", request_body = EnrolmentRequest,
    responses((status = 200, description = "The agent has its identity", body = EnrolmentAnswer)))]
async fn enrol_agent(
    State(app): State<App>,
    origin: Origin,
    _: Query<NoQuery>,
    Body(request): Body<EnrolmentRequest>,
) -> Result<Json<EnrolmentAnswer>, Problem> {
    let now = app.clock.now();
    let public_key = decode_key(&request.public_key).ok_or_else(|| key_problem("is no key"))?;
    let mut tx = app.db.begin().await?;
    let token = match usable_token(&mut tx, &request.join_token, now).await? {
        Ok(token) => token,
        Err(refusal) => {
            drop(tx);
            return Err(record_refusal(&app, origin, now, &refusal).await);
        }
    };
    let node = &token.token.node;
    let (id, created, replaced) = match identities::enrol(&mut tx, node, &public_key, now).await? {
        Enrolment::Done { id, created, replaced } => (id, created, replaced),
        Enrolment::KeyTaken => {
            return Err(key_problem(
                "belongs to the agent of another node: each agent makes a key of its own",
            ));
        }
    };
    if !join_tokens::mark_used(&mut tx, token.token.id, now).await? {
        let refusal = Refusal::used(&token);
        drop(tx);
        return Err(record_refusal(&app, origin, now, &refusal).await);
    }
    let enrolled = Enrolled { id, name: node.clone(), public_key };
    let facts = serde_json::json!({
        "join_token_id": token.token.id,
        "agent_version": request.agent_version,
        "node_created": created,
        "key_replaced": replaced,
        "public_key": request.public_key,
    });
    let entry =
        Entry::done(agent(&enrolled), origin, "node.enrol", Target::new("node", id, node)).after(&facts);
    audit::record(&mut tx, now, &entry).await?;
    tx.commit().await?;
    metrics::counter!("baton_enrolments_total").increment(1);
    Ok(Json(EnrolmentAnswer {
        node_id: id,
        node: node.to_string(),
        ca_pem: app.authority.certificate_pem.clone(),
    }))
}

fn decode_key(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn key_problem(detail: &str) -> Problem {
    Problem::invalid(vec![FieldProblem { pointer: "/public_key".to_owned(), detail: detail.to_owned() }])
}

/// Why a join token is refused, and the node it was made for where that is proven.
struct Refusal {
    reason: Reason,
    node: Option<String>,
}

#[derive(Debug, Error)]
enum Reason {
    #[error("the join token is not of the form baton_join_…")]
    Malformed,
    #[error("the join token is not known here")]
    Unknown,
    #[error("the join token was used already; make another one")]
    Used,
    #[error("the join token has expired; make another one")]
    Expired,
}

impl Refusal {
    fn used(token: &StoredJoinToken) -> Self {
        Self { reason: Reason::Used, node: Some(token.token.node.to_string()) }
    }
}

/// The join token with this text, locked, if it may be used now.
async fn usable_token(
    conn: &mut PgConnection,
    text: &str,
    now: Timestamp,
) -> Result<Result<StoredJoinToken, Refusal>, Problem> {
    let refused = |reason| Ok(Err(Refusal { reason, node: None }));
    let Some(presented) = SecretToken::parse(TokenPrefix::Join, text) else {
        return refused(Reason::Malformed);
    };
    let stored = join_tokens::find_and_lock(conn, presented.id()).await?;
    let Some(token) = stored.filter(|stored| presented.matches(&stored.secret_sha256)) else {
        return refused(Reason::Unknown);
    };
    if token.token.used_at.is_some() {
        return Ok(Err(Refusal::used(&token)));
    }
    if token.token.expires_at <= now {
        let node = Some(token.token.node.to_string());
        return Ok(Err(Refusal { reason: Reason::Expired, node }));
    }
    Ok(Ok(token))
}

async fn record_refusal(app: &App, origin: Origin, now: Timestamp, refusal: &Refusal) -> Problem {
    let target = match &refusal.node {
        Some(node) => Target::named("node", node),
        None => Target::named("request", "POST /api/v1/enrolment"),
    };
    let reason = refusal.reason.to_string();
    app.refusals.record(app, audit::anonymous(), origin, "node.enrol", target, &reason).await;
    Problem::unauthenticated(reason, now)
}
