//! The agent channel: who is let in, what it is told, what becomes of what it says.

use std::time::{Duration, Instant};

use api_types::channel::{
    AgentMessage, GroupReport, MAX_MESSAGE_OCTETS, Revision, SUBPROTOCOL, ServerMessage,
};
use api_types::node::RejectionReason;
use api_types::transition::State;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::{Agent, Channel, Key, PATIENCE, claims, eth0, header};
use crate::listening::Server;

pub(crate) async fn make_group(server: &Server, name: &str, vrid: u8, members: &[&str]) -> Uuid {
    server.put("/api/v1/segments/lan", json!({"name": "lan", "prefixes": ["192.0.2.0/24"]})).await;
    let members: Vec<_> = members
        .iter()
        .enumerate()
        .map(|(rank, node)| json!({"kind": "node", "node": node, "interface": "eth0", "priority": 240 - 20 * rank}))
        .collect();
    let group = json!({"name": name, "segment": "lan", "vrid": vrid, "members": members,
                       "virtual_addresses": [format!("192.0.2.{}/24", 100 + u16::from(vrid))]});
    let group = server.put(&format!("/api/v1/groups/{name}"), group).await;
    group["id"].as_str().unwrap().parse().unwrap()
}

/// Asks until the answer is as wanted, or says what it was.
pub(crate) async fn eventually_shows(server: &Server, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = server.get(path).await;
        if wanted(&answer) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{path} is still {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn conditions(object: &Value) -> Vec<&str> {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().map(|condition| condition["kind"].as_str().unwrap()).collect()
}

async fn refusals(server: &Server) -> Vec<String> {
    let log = server.audit().await;
    let events = log.iter();
    let refused = events.filter(|event| event["outcome"] == "refused" && event["action"] == "authenticate");
    refused.map(|event| event["after"]["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_a_jwt_by_the_key_of_the_node_opens_the_channel() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let other = Agent::enrol(&server, "lb2").await;
    let stranger = Key::generate();
    let now = server.now_s();
    let good = claims(agent.node, now);
    let head = header(agent.node);
    let with = |change: fn(&mut api_types::enrolment::AgentClaims)| {
        let mut changed = good.clone();
        change(&mut changed);
        agent.key.sign(&head, &changed)
    };
    let part = |value: Value| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let body = serde_json::to_value(&good).unwrap();
    let unsigned = part(json!({"alg": "none", "kid": agent.node})) + "." + &part(body.clone()) + ".";
    // The classic confusion: the public key taken as the secret of a MAC.
    let hs256 = jsonwebtoken::encode(
        &Header { kid: Some(agent.node.to_string()), ..Header::new(Algorithm::HS256) },
        &good,
        &EncodingKey::from_secret(agent.key.public()),
    )
    .unwrap();
    let mut without_expiry = body;
    without_expiry.as_object_mut().unwrap().remove("exp");
    let cases = [
        ("by the key of another node", other.key.sign(&head, &good), "signature"),
        ("for another node", other.key.sign(&header(other.node), &good), "speaks for node"),
        ("by a stranger", stranger.sign(&header(Uuid::new_v4()), &claims(Uuid::new_v4(), now)), "not known"),
        ("by a stranger in its name", stranger.sign(&head, &good), "signature"),
        ("for another audience", with(|claims| claims.aud = "baton-api".into()), "audience"),
        ("by another issuer", with(|claims| claims.iss = "baton".into()), "issuer"),
        (
            "expired",
            with(|claims| {
                (claims.iat, claims.nbf, claims.exp) = (claims.iat - 90, claims.nbf - 90, claims.exp - 90)
            }),
            "expired",
        ),
        (
            "from the future",
            with(|claims| {
                (claims.iat, claims.nbf, claims.exp) = (claims.iat + 60, claims.nbf + 60, claims.exp + 60)
            }),
            "not valid yet",
        ),
        ("too long-lived", with(|claims| claims.exp += 1), "longer than 60 seconds"),
        ("without an expiry", agent.key.sign(&head, &without_expiry), "exp"),
        ("with a MAC", hs256, "algorithm"),
        ("unsigned", unsigned, "algorithm"),
        ("no JWT", "garbage".into(), "no header"),
    ];
    for (number, (case, token, reason)) in cases.into_iter().enumerate() {
        let refused = Channel::open(&server, Some(&token), Some(SUBPROTOCOL)).await;
        let response = refused.err().unwrap_or_else(|| panic!("{case}: it was let in"));
        assert_eq!(response.status(), 401, "{case}");
        let problem: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{case}: {problem}");
        assert_eq!(problem["server_time"], json!(server.now()), "{case}");
        let recorded = refusals(&server).await;
        assert_eq!(recorded.len(), number + 1, "{case}: one record more");
        assert!(recorded[0].contains(reason), "{case}: {recorded:?}");
    }
    assert_eq!(server.get("/api/v1/nodes/lb1").await["status"]["connected"], false);
    agent.connect(&server, "192.0.2.1").await;
}

#[tokio::test]
async fn a_connection_without_credential_or_subprotocol_is_refused() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let jwt = agent.jwt(&server);
    for (token, subprotocol, status) in [
        (None, Some(SUBPROTOCOL), 401),
        (Some(jwt.as_str()), None, 400),
        (Some(&jwt), Some("baton.agent.v2"), 400),
    ] {
        let refused = Channel::open(&server, token, subprotocol).await.err().expect("a refusal");
        assert_eq!(refused.status(), status, "{token:?} {subprotocol:?}");
    }
    assert_eq!(refusals(&server).await, Vec::<String>::new(), "nothing was presented that could be wrong");
}

#[tokio::test]
async fn an_agent_is_welcomed_and_told_what_to_run() {
    let server = Server::start().await;
    let (one, two) = (Agent::enrol(&server, "lb1").await, Agent::enrol(&server, "lb2").await);
    let group = make_group(&server, "web", 51, &["lb1", "lb2"]).await;
    let web = server.get("/api/v1/groups/web").await;
    assert_eq!(conditions(&web), ["interface_unverified"]);

    let mut channel = one.connect(&server, "192.0.2.1").await;
    let welcome = channel.welcome.clone().unwrap();
    assert_eq!((welcome.node.as_str(), welcome.server_time), ("lb1", server.now()));
    assert_eq!(welcome.acknowledged, []);
    let state = channel.desired().await;
    assert!(state.is_intact());
    assert_eq!(state.groups.len(), 1);
    let desired = &state.groups[0];
    assert_eq!((desired.id, desired.name.as_str(), desired.interface.as_str()), (group, "web", "eth0"));
    assert_eq!((desired.vrid.get(), desired.priority.get()), (51, 240));
    assert_eq!((desired.peers[0].name.as_str(), desired.peers[0].address), ("lb2", None));

    let node = server.get("/api/v1/nodes/lb1").await;
    let status = &node["status"];
    assert_eq!((&status["connected"], &status["agent_version"]), (&json!(true), &json!("0.1.0-test")));
    assert_eq!(status["boot_id"], json!(one.boot));
    assert_eq!(status["interfaces"], json!([eth0("192.0.2.1")]));
    assert_eq!(status["last_seen_at"], json!(server.now()));
    assert_eq!(status["desired_revision"], json!(state.revision));

    channel.applied(state.revision, &state.digest).await;
    let applied = |node: &Value| node["status"]["applied_revision"] == json!(state.revision);
    eventually_shows(&server, "/api/v1/nodes/lb1", applied).await;

    // Once the peer says where it is, this agent is told, and the other knows from the start.
    let mut other = two.connect(&server, "192.0.2.2").await;
    let told = channel.desired().await;
    assert_eq!(told.groups[0].peers[0].address, Some("192.0.2.2".parse().unwrap()));
    assert!(told.revision > state.revision);
    assert_eq!(other.desired().await.groups[0].peers[0].address, Some("192.0.2.1".parse().unwrap()));
    let web = server.get("/api/v1/groups/web").await;
    assert_eq!(conditions(&web), Vec::<&str>::new(), "every interface is known");
}

#[tokio::test]
async fn a_report_that_changes_no_address_moves_no_revision() {
    let server = Server::start().await;
    let (one, two) = (Agent::enrol(&server, "lb1").await, Agent::enrol(&server, "lb2").await);
    make_group(&server, "web", 51, &["lb1", "lb2"]).await;
    let _first = one.connect(&server, "192.0.2.1").await;
    let mut second = two.connect(&server, "192.0.2.2").await;
    let revisions = async || {
        let revision = async |name: &str| {
            server.get(&format!("/api/v1/nodes/{name}")).await["status"]["desired_revision"].clone()
        };
        (revision("lb1").await, revision("lb2").await)
    };
    let before = revisions().await;
    let mut hello = two.hello("192.0.2.2");
    hello.interfaces[0].carrier = false;
    hello.interfaces.push(eth0("198.51.100.1"));
    hello.interfaces[1].name = "eth1".into();
    let mut again = two.open(&server).await;
    again.say(AgentMessage::Hello(hello)).await;
    assert!(matches!(again.hear().await, ServerMessage::Welcome(_)));
    assert_eq!(u16::from(second.closed().await.code), 4000);
    assert_eq!(revisions().await, before);
}

#[tokio::test]
async fn a_change_through_rest_reaches_the_agent_by_push() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    assert_eq!(channel.desired().await.groups, []);
    // The listener needs a moment after the start of the server; from the second change on the push is measured.
    make_group(&server, "first", 50, &["lb1"]).await;
    let mut last = channel.desired_where(|state| state.groups.len() == 1).await.revision;
    for vrid in 51..56 {
        make_group(&server, &format!("g{vrid}"), vrid, &["lb1"]).await;
        let changed = Instant::now();
        let state =
            channel.desired_where(|state| state.groups.iter().any(|group| group.vrid.get() == vrid)).await;
        assert!(changed.elapsed() < Duration::from_secs(1), "{vrid}: {:?}", changed.elapsed());
        assert!(state.is_intact());
        assert!(state.revision > last);
        last = state.revision;
    }
    server.delete("/api/v1/groups/first").await;
    let state = channel.desired_where(|state| state.groups.len() == 5).await;
    let names: Vec<_> = state.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["g51", "g52", "g53", "g54", "g55"]);
}

#[tokio::test]
async fn an_agent_hears_nothing_of_what_is_not_bound_to_it() {
    let server = Server::start().await;
    let (one, _two) = (Agent::enrol(&server, "lb1").await, Agent::enrol(&server, "lb2").await);
    let mut channel = one.connect(&server, "192.0.2.1").await;
    let before = channel.desired().await;
    make_group(&server, "theirs", 51, &["lb2"]).await;
    make_group(&server, "ours", 52, &["lb1"]).await;
    let state = channel.desired().await;
    assert_eq!(state.groups.len(), 1);
    assert_eq!(state.groups[0].name.as_str(), "ours");
    assert_eq!(state.revision.counter, before.revision.counter + 1);
}

#[tokio::test]
async fn a_refused_state_shows_in_the_node_until_a_newer_one_runs() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    make_group(&server, "web", 51, &["lb1"]).await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    let state = channel.desired().await;
    let reasons = vec![RejectionReason { group: Some("web".into()), detail: "no interface eth0".into() }];
    channel.say(AgentMessage::Rejected { revision: state.revision, reasons: reasons.clone() }).await;
    let node =
        eventually_shows(&server, "/api/v1/nodes/lb1", |node| !node["status"]["rejection"].is_null()).await;
    assert_eq!(node["status"]["rejection"], json!({"revision": state.revision, "reasons": reasons}));
    assert_eq!(conditions(&node), ["config_rejected"]);

    let older = Revision { counter: state.revision.counter - 1, ..state.revision };
    channel.applied(older, "of an older state").await;
    let node = eventually_shows(&server, "/api/v1/nodes/lb1", |node| {
        node["status"]["applied_revision"] == json!(older)
    })
    .await;
    assert_eq!(conditions(&node), ["config_rejected"], "running the older state is what a refusal means");

    make_group(&server, "other", 52, &["lb1"]).await;
    let state = channel.desired().await;
    channel.applied(state.revision, &state.digest).await;
    let node =
        eventually_shows(&server, "/api/v1/nodes/lb1", |node| node["status"]["rejection"].is_null()).await;
    assert_eq!(conditions(&node), Vec::<&str>::new());
    let events: Vec<(String, String)> =
        sqlx::query_as("SELECT kind, phase FROM events WHERE kind = 'config_rejected' ORDER BY id")
            .fetch_all(server.db())
            .await
            .unwrap();
    let event = |phase: &str| ("config_rejected".to_owned(), phase.to_owned());
    assert_eq!(events, [event("began"), event("ended")]);
}

#[tokio::test]
async fn the_newest_session_of_a_node_wins() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut first = agent.connect(&server, "192.0.2.1").await;
    let mut second = agent.connect(&server, "192.0.2.1").await;
    assert_eq!(u16::from(first.closed().await.code), 4000);
    make_group(&server, "web", 51, &["lb1"]).await;
    second.desired_where(|state| state.groups.len() == 1).await;
    let node = server.get("/api/v1/nodes/lb1").await;
    assert_eq!(node["status"]["connected"], true);
    assert_eq!(conditions(&node), Vec::<&str>::new());
}

#[tokio::test]
async fn an_agent_without_a_session_is_a_condition() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    assert_eq!(conditions(&server.get("/api/v1/nodes/lb1").await), ["agent_disconnected"]);
    let channel = agent.connect(&server, "192.0.2.1").await;
    assert_eq!(conditions(&server.get("/api/v1/nodes/lb1").await), Vec::<&str>::new());
    channel.drop_dead();
    let gone = |node: &Value| node["status"]["connected"] == false;
    let node = eventually_shows(&server, "/api/v1/nodes/lb1", gone).await;
    assert_eq!(conditions(&node), ["agent_disconnected"]);
}

#[tokio::test]
async fn the_session_of_a_server_that_died_ends() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut owner = server.owner().await;
    sqlx::query("UPDATE nodes SET session_id = $1, session_server_id = $2")
        .bind(Uuid::new_v4())
        .bind(Uuid::new_v4())
        .execute(&mut owner)
        .await
        .unwrap();
    let node =
        eventually_shows(&server, "/api/v1/nodes/lb1", |node| node["status"]["connected"] == false).await;
    assert_eq!(conditions(&node), ["agent_disconnected"]);
    agent.connect(&server, "192.0.2.1").await;
}

#[tokio::test]
async fn a_lost_listener_costs_time_and_no_change() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    make_group(&server, "web", 51, &["lb1"]).await;
    channel.desired_where(|state| state.groups.len() == 1).await;
    let killed: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND query ILIKE 'LISTEN%'",
    )
    .fetch_one(&mut server.owner().await)
    .await
    .unwrap();
    assert_eq!(killed, 1);
    make_group(&server, "other", 52, &["lb1"]).await;
    channel.desired_where(|state| state.groups.len() == 2).await;
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    server.stop();
    assert_eq!(u16::from(channel.closed().await.code), 1012);
    eventually_shows(&server, "/api/v1/nodes/lb1", |node| node["status"]["connected"] == false).await;
}

#[tokio::test]
async fn the_session_of_a_node_that_is_deleted_ends() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    server.delete("/api/v1/nodes/lb1").await;
    assert_eq!(u16::from(channel.closed().await.code), 4001);
    let refused = Channel::open(&server, Some(&agent.jwt(&server)), Some(SUBPROTOCOL)).await;
    assert_eq!(refused.err().expect("the node is gone").status(), 401);
}

#[tokio::test]
async fn what_breaks_the_rules_ends_the_session() {
    let server = Server::start().await;
    let agent = Agent::enrol(&server, "lb1").await;
    for text in ["garbage", r#"{"type":"goodbye"}"#, r#"{"type":"transitions","transitions":[]}"#] {
        let mut greeted = agent.connect(&server, "192.0.2.1").await;
        greeted.say_text(text.into()).await;
        assert_eq!(u16::from(greeted.closed().await.code), 1008, "{text}");
        let mut silent = agent.open(&server).await;
        silent.say_text(text.into()).await;
        assert_eq!(u16::from(silent.closed().await.code), 1008, "{text} before hello");
    }
    let mut channel = agent.connect(&server, "192.0.2.1").await;
    channel.say_text("x".repeat(MAX_MESSAGE_OCTETS + 1)).await;
    assert_eq!(u16::from(channel.closed().await.code), 1009);
}

#[tokio::test]
async fn the_status_of_a_group_follows_from_the_reports_of_its_members() {
    let server = Server::start().await;
    let (one, two) = (Agent::enrol(&server, "lb1").await, Agent::enrol(&server, "lb2").await);
    let group = make_group(&server, "web", 51, &["lb1", "lb2"]).await;
    let mut first = one.connect(&server, "192.0.2.1").await;
    let mut second = two.connect(&server, "192.0.2.2").await;
    let stands = |state, source: Option<&str>| {
        vec![GroupReport {
            group_id: group,
            state,
            since: server.now(),
            effective_priority: vrrp::Priority::new(240).unwrap(),
            active_source: source.map(|source| source.parse().unwrap()),
            addresses_present: Vec::new(),
        }]
    };
    let active = |names: &'static [&str]| move |group: &Value| group["status"]["active"] == json!(names);
    first.status(&server, "192.0.2.1", stands(State::Active, None)).await;
    second.status(&server, "192.0.2.2", stands(State::Backup, Some("192.0.2.1"))).await;
    let web = eventually_shows(&server, "/api/v1/groups/web", |group| {
        group["status"]["members"][1]["state"] == "backup" && group["status"]["active"] == json!(["lb1"])
    })
    .await;
    assert_eq!(conditions(&web), Vec::<&str>::new());

    second.status(&server, "192.0.2.2", stands(State::Active, None)).await;
    let web = eventually_shows(&server, "/api/v1/groups/web", active(&["lb1", "lb2"])).await;
    assert_eq!(conditions(&web), Vec::<&str>::new(), "a move passes through this");
    server.advance(TimeDelta::seconds(2));
    eventually_shows(&server, "/api/v1/groups/web", |group| conditions(group) == ["two_holders"]).await;

    first.drop_dead();
    let web = eventually_shows(&server, "/api/v1/groups/web", active(&["lb2"])).await;
    assert_eq!(conditions(&web), Vec::<&str>::new(), "the last word of the dead does not count");
    second.status(&server, "192.0.2.2", stands(State::Fault, None)).await;
    eventually_shows(&server, "/api/v1/groups/web", |group| {
        group["status"]["members"][1]["state"] == "fault"
    })
    .await;
    server.advance(TimeDelta::seconds(2));
    let web = eventually_shows(&server, "/api/v1/groups/web", |group| !conditions(group).is_empty()).await;
    assert_eq!(conditions(&web), ["no_holder"]);
}
