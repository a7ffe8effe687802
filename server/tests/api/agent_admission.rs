//! Who is let in to the agent channel.

use api_types::channel::SUBPROTOCOL;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::{Agent, Channel, Key, claims, header};
use crate::listening::Server;
use crate::pair::two_agents;

async fn refusals(server: &Server) -> Vec<String> {
    let log = server.audit().await;
    let events = log.iter();
    let refused = events.filter(|event| event["outcome"] == "refused" && event["action"] == "authenticate");
    refused.map(|event| event["after"]["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_a_jwt_by_the_key_of_the_node_opens_the_channel() {
    let server = Server::start().await;
    let (agent, other) = two_agents(&server).await;
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
