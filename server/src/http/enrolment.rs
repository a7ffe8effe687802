//! Enrolment: a new agent hands in its public key with a join token, once.

use api_types::enrolment::{Enrolment as EnrolmentAnswer, EnrolmentRequest};
use api_types::problem::FieldProblem;
use api_types::{Name, Timestamp};
use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::PgConnection;
use thiserror::Error;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::Body;
use super::fields::{Fields, FromFields};
use super::problem::Problem;
use super::query::{NoQuery, Query};
use super::routes::Routes;
use crate::agents::ingest::agent;
use crate::app::App;
use crate::auth::{Access, SecretToken, TokenPrefix};
use crate::store::StoreError;
use crate::store::audit::{self, Entry, Origin, Target};
use crate::store::identities::{self, Enrolled, Enrolment};
use crate::store::join_tokens::{self, StoredJoinToken};

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

/// Gives the agent of a host its identity.
///
/// The join token can be used once, and only for the node it names; the
/// node is created when it is not there. A node that has enrolled before gets the new key instead of the old. An
/// agent that did not get the answer sends the same request again: while the token has not expired, the same key
/// gets the same identity.
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
    // Who has no good token does not wait for a turn, and does not make others wait.
    let mut conn = app.db.acquire().await?;
    let standing = standing_of(&mut conn, &request.join_token, &public_key, now).await?;
    drop(conn);
    if let Err(answer) = usable(&app, &origin, standing, now).await {
        return answer;
    }
    let mut change = app.intent.begin(&app.db).await?;
    let standing = standing_of(&mut change, &request.join_token, &public_key, now).await?;
    let token = match usable(&app, &origin, standing, now).await {
        Ok(token) => token,
        Err(answer) => return answer,
    };
    let node = &token.token.node;
    let (id, created, replaced) = match identities::enrol(&mut change, node, &public_key, now).await? {
        Enrolment::Done { id, created, replaced } => (id, created, replaced),
        Enrolment::KeyTaken => {
            return Err(key_problem(
                "belongs to the agent of another node: each agent makes a key of its own",
            ));
        }
    };
    if !join_tokens::mark_used(&mut change, token.token.id, now).await? {
        return Err(StoreError::inconsistent("join_tokens", token.token.id, "it is locked and gone").into());
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
    audit::record(&mut change, now, &entry).await?;
    change.commit().await?;
    metrics::counter!("baton_enrolments_total").increment(1);
    Ok(answer(&app, id, node))
}

fn answer(app: &App, node_id: Uuid, node: &Name) -> Json<EnrolmentAnswer> {
    let ca_pem = app.authority.certificate_pem.clone();
    Json(EnrolmentAnswer { node_id, node: node.to_string(), ca_pem })
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
    node: Option<Name>,
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

/// How a join token stands.
enum Standing {
    /// It may be used now.
    Fresh(StoredJoinToken),
    /// It was used by this very agent, which did not get the answer.
    Answered { id: Uuid, node: Name },
    /// It may not be used.
    Refused(Refusal),
}

/// How the join token with this text stands for an agent with this key. A transaction keeps it locked.
async fn standing_of(
    conn: &mut PgConnection,
    text: &str,
    public_key: &[u8; 32],
    now: Timestamp,
) -> Result<Standing, Problem> {
    let refused = |reason, node| Ok(Standing::Refused(Refusal { reason, node }));
    let Some(presented) = SecretToken::parse(TokenPrefix::Join, text) else {
        return refused(Reason::Malformed, None);
    };
    let stored = join_tokens::find_and_lock(conn, presented.id()).await?;
    let Some(stored) = stored.filter(|stored| presented.matches(&stored.secret_sha256)) else {
        return refused(Reason::Unknown, None);
    };
    let node = stored.token.node.clone();
    let expired = stored.token.expires_at <= now;
    if stored.token.used_at.is_some() {
        return match identities::enrolled_with(conn, &node, public_key).await? {
            Some(id) if !expired => Ok(Standing::Answered { id, node }),
            Some(_) | None => refused(Reason::Used, Some(node)),
        };
    }
    if expired {
        return refused(Reason::Expired, Some(node));
    }
    Ok(Standing::Fresh(stored))
}

/// The join token, when it may be used now; else the answer. A refusal is recorded.
async fn usable(
    app: &App,
    origin: &Origin,
    standing: Standing,
    now: Timestamp,
) -> Result<StoredJoinToken, Result<Json<EnrolmentAnswer>, Problem>> {
    let Refusal { reason, node } = match standing {
        Standing::Fresh(token) => return Ok(token),
        Standing::Answered { id, node } => return Err(Ok(answer(app, id, &node))),
        Standing::Refused(refusal) => refusal,
    };
    let target = match node {
        Some(node) => Target::named("node", node),
        None => Target::named("request", "POST /api/v1/enrolment"),
    };
    let reason = reason.to_string();
    app.refusals.record(app, audit::anonymous(), origin.clone(), "node.enrol", target, &reason).await;
    Err(Err(Problem::unauthenticated(reason, now)))
}
