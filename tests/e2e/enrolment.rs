//! Who may become a node: one use of one unexpired token that this server made, and nobody else.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::audit::{AuditEvent, Outcome};
use api_types::auth::JoinToken;
use api_types::node::Node as NodeResource;
use e2e::{BOUND, Lab, Node, Ports, Server, Site, always, binaries, eventually};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Where the secret begins in `baton_join_<32 hex digits>_<43 characters>_<43 characters>`, and where the
/// hash of the CA's key does.
const SECRET_AT: usize = 44;
const PIN_AT: usize = 88;

/// A token of the same form that is another one.
fn with_another_character(token: &str, at: usize) -> String {
    let (before, from) = token.split_at(at);
    let other = if from.starts_with('A') { "B" } else { "A" };
    format!("{before}{other}{}", &from[1..])
}

fn token(site: &Site, node: &str, ttl_ms: i64) -> Result<String> {
    let token: JoinToken = site.api.create("join-tokens", &json!({"node": node, "ttl_ms": ttl_ms}))?;
    token.secret.context("the join token has no secret")
}

fn request(join_token: &str) -> Value {
    json!({"join_token": join_token, "public_key": "A".repeat(43), "agent_version": "0.0.0"})
}

/// Tries to enrol, which must be answered as to a caller that nobody knows, without a word of the token.
fn refused(site: &Site, join_token: &str) -> Result<()> {
    let nobody = site.api.with_bearer(None);
    let problem = nobody.refused(Method::POST, "enrolment", Some(&request(join_token)))?;
    ensure!((problem.status, problem.code.as_str()) == (401, "unauthenticated"), "{problem:?}");
    ensure!(!format!("{problem:?}").contains(join_token), "the token is repeated: {problem:?}");
    Ok(())
}

#[test]
fn used_expired_and_foreign_tokens_are_refused_and_recorded() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1"])?;
        let refusals = || -> Result<usize> {
            let events: Vec<AuditEvent> = site.api.list("audit-events")?;
            let refused =
                |event: &&AuditEvent| event.outcome == Outcome::Refused && event.action.contains("enrol");
            Ok(events.iter().filter(refused).count())
        };
        let before = refusals()?;

        let used = std::fs::read_to_string(site.node("n1")?.host.directory.join("join-token"))?;
        let short_lived = token(&site, "n2", 1_000)?;
        let foreign = with_another_character(&used, SECRET_AT);
        for (what, text) in [("used", used.as_str()), ("foreign", &foreign), ("nonsense", "baton_join_x")] {
            refused(&site, text).context(what)?;
        }
        // An attempt with an unexpired token would use it up, so wait by its own word for its end.
        let expires = site.api.list::<JoinToken>("join-tokens")?;
        let expires_at = expires.iter().find(|one| one.node.as_str() == "n2").context("no token")?.expires_at;
        eventually("the token of n2 has expired", BOUND, || {
            ensure!(chrono::Utc::now() > expires_at.as_datetime(), "not yet");
            Ok(())
        })?;
        refused(&site, &short_lived).context("expired")?;

        let recorded = refusals()? - before;
        ensure!(recorded == 4, "{recorded} of 4 refusals are in the audit log");
        let nodes: Vec<NodeResource> = site.api.list("nodes")?;
        ensure!(nodes.len() == 1 && nodes[0].name.as_str() == "n1", "{nodes:?}");
        Ok(())
    })
}

#[test]
fn an_agent_with_a_used_token_stays_out() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1"])?;
        let used = std::fs::read_to_string(site.node("n1")?.host.directory.join("join-token"))?;
        let host = lab.host("n2", 12, Ports::Both)?;
        let thief = Node::start(&host, &binaries::program("baton-agent")?, &site.server.url(), &used)?;
        eventually("the agent says that its token is refused", BOUND, || {
            let log = thief.log();
            ensure!(log.contains("token"), "{log}");
            Ok(())
        })?;
        always("n1 alone is a node, and connected", Duration::from_secs(1), || {
            let nodes: Vec<NodeResource> = site.api.list("nodes")?;
            ensure!(nodes.len() == 1 && nodes[0].status.connected, "{nodes:?}");
            Ok(())
        })
    })
}

#[test]
fn an_agent_gives_its_token_to_no_server_but_the_one_that_made_it() -> Result<()> {
    Lab::run(|lab| {
        let server = Server::start(lab)?;
        let api = server.api()?;
        let token: JoinToken = api.create("join-tokens", &json!({"node": "n1"}))?;
        let secret = token.secret.context("no secret")?;
        // With another hash of the CA's key, the server is not whom the token names.
        let other = with_another_character(&secret, PIN_AT);
        let host = lab.host("n1", 11, Ports::Both)?;
        let program = binaries::program("baton-agent")?;
        let agent = Node::start(&host, &program, &server.url(), &other)?;
        eventually("the agent refuses the server", BOUND, || {
            let log = agent.log();
            ensure!(log.to_lowercase().contains("certificate"), "{log}");
            Ok(())
        })?;
        let token: JoinToken = api.get(&format!("join-tokens/{}", token.id))?;
        ensure!(token.used_at.is_none(), "the token was given away: {token:?}");
        Ok(())
    })
}

#[test]
fn nobody_without_a_token_reads_or_writes_anything() -> Result<()> {
    Lab::run(|lab| {
        let server = Server::start(lab)?;
        let api = server.api()?;
        let callers = [None, Some("nonsense"), Some("baton_pat_00000000000000000000000000000000_AAAA")];
        for bearer in callers {
            let caller = api.with_bearer(bearer);
            for path in [
                "segments",
                "nodes",
                "groups",
                "failovers",
                "transitions",
                "audit-events",
                "tokens",
                "join-tokens",
                "agent/session",
            ] {
                let reply = caller.send(Method::GET, path, None)?;
                ensure!(reply.status == StatusCode::UNAUTHORIZED, "{bearer:?} GET {path}: {reply:?}");
            }
            let reply = caller.send(Method::PUT, "segments/lan", Some(&json!({})))?;
            ensure!(reply.status == StatusCode::UNAUTHORIZED, "{bearer:?} PUT: {reply:?}");
        }
        Ok(())
    })
}
