//! JWTs that are refused, and what is left behind in the audit log.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::TestApp;

/// The header and the claims of a JWT.
fn parts(jwt: &str) -> (Value, Value) {
    let mut parts = jwt.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn signed(header: &Value, claims: &Value, key: &Ed25519KeyPair) -> String {
    let text = unsigned(header, claims);
    let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// Puts a key of our own among the server's, so that a test can sign what the server never would.
async fn known_key(app: &TestApp) -> (Ed25519KeyPair, String) {
    let key = Ed25519KeyPair::generate().unwrap();
    let id = uuid::Uuid::now_v7();
    sqlx::query("INSERT INTO signing_keys VALUES ($1, $2, $3, now() - interval '10 years')")
        .bind(id)
        .bind(key.public_key().as_ref())
        .bind(&[0_u8][..])
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    app.clock.advance(TimeDelta::seconds(2));
    (key, id.to_string())
}

async fn status(app: &TestApp, jwt: &str) -> u16 {
    app.request("GET", "/api/v1/auth/self").bearer(jwt).send().await.status
}

/// Refused with 401 and one entry in the audit log, which blames nobody and says why.
async fn refused_and_recorded(app: &TestApp, jwt: &str, what: &str) {
    let before = app.audit().await.len();
    assert_eq!(status(app, jwt).await, 401, "{what}");
    let entries = app.audit().await;
    assert_eq!(entries.len(), before + 1, "{what} is recorded once");
    let entry = &entries[0];
    assert_eq!((&entry["action"], &entry["outcome"]), (&json!("authenticate"), &json!("refused")), "{what}");
    assert_eq!(entry["actor"]["kind"], "anonymous", "{what}");
    assert!(entry["after"]["reason"].is_string(), "{what}: {entry}");
}

#[tokio::test]
async fn a_jwt_is_as_good_as_its_token_for_ten_minutes() {
    let app = TestApp::start().await;
    let editor = app.token("writer", "editor").await;
    let request = app.request("POST", "/api/v1/auth/token").anonymous();
    let answer = request.json(&json!({"token": editor})).send().await;
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 600);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let jwt = answer.body["access_token"].as_str().unwrap();
    let (header, claims) = parts(jwt);
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(claims["aud"], "baton-api");

    let me = app.request("GET", "/api/v1/auth/self").bearer(jwt).send().await;
    assert_eq!(
        me.body,
        json!({"actor": {"kind": "token", "name": "writer", "id": claims["sub"]}, "role": "editor"})
    );
    app.clock.advance(TimeDelta::seconds(614));
    assert_eq!(status(&app, jwt).await, 200, "a clock may be 15 s off");
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(status(&app, jwt).await, 401);
}

#[tokio::test]
async fn a_jwt_never_outlives_its_token() {
    let app = TestApp::start().await;
    let created =
        app.post("/api/v1/tokens", json!({"name": "short", "role": "viewer", "ttl_ms": 60_000})).await;
    let jwt = app.exchange(created.body["secret"].as_str().unwrap()).await;
    let (_, claims) = parts(&jwt);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    app.clock.advance(TimeDelta::seconds(60));
    assert_eq!(status(&app, &jwt).await, 401, "no leeway beyond the token itself");
}

#[tokio::test]
async fn only_eddsa_by_a_known_key_is_accepted() {
    let app = TestApp::start().await;
    let (header, claims) = parts(&app.exchange(&app.admin).await);
    let stranger = Ed25519KeyPair::generate().unwrap();

    let mut none = header.clone();
    none["alg"] = json!("none");
    let mut hmac = header.clone();
    hmac["alg"] = json!("HS256");
    let mut unknown = header.clone();
    unknown["kid"] = json!(uuid::Uuid::nil());
    for (what, jwt) in [
        ("no signature", format!("{}.", unsigned(&none, &claims))),
        ("HMAC with the public key", hmac_signed(&app, &hmac, &claims).await),
        ("another key under a known id", signed(&header, &claims, &stranger)),
        ("another key under its own id", signed(&unknown, &claims, &stranger)),
    ] {
        refused_and_recorded(&app, &jwt, what).await;
    }
}

/// The classic attack: the public key, which everybody may know, as the secret of an HMAC.
async fn hmac_signed(app: &TestApp, header: &Value, claims: &Value) -> String {
    let public: Vec<u8> =
        sqlx::query_scalar("SELECT public_key FROM signing_keys").fetch_one(&app.app.db).await.unwrap();
    let text = unsigned(header, claims);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public);
    let tag = aws_lc_rs::hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

#[tokio::test]
async fn every_claim_must_be_there_and_right() {
    let app = TestApp::start().await;
    let (mut header, _) = parts(&app.exchange(&app.admin).await);
    let (key, id) = known_key(&app).await;
    header["kid"] = json!(id);
    let (_, good) = parts(&app.exchange(&app.admin).await);
    assert_eq!(status(&app, &signed(&header, &good, &key)).await, 200, "the key is known");

    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let iat = good["iat"].as_i64().unwrap();
    let mut wrong = vec![
        ("another audience", with("aud", json!("baton-agent-session"))),
        ("another issuer", with("iss", json!("somebody"))),
        ("expired", with("exp", json!(iat - 16))),
        ("not yet", with("nbf", json!(iat + 16))),
        ("issued in the future", with("iat", json!(iat + 16))),
        ("too long a life", with("exp", json!(iat + 601))),
        ("an expiry that is no number", with("exp", json!("tomorrow"))),
        ("a subject that is no token", with("sub", json!(uuid::Uuid::nil()))),
    ];
    for name in ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        wrong.push(("a claim is missing", claims));
    }
    for (what, claims) in wrong {
        refused_and_recorded(&app, &signed(&header, &claims, &key), &format!("{what}: {claims}")).await;
    }
}

#[tokio::test]
async fn a_header_that_says_more_than_it_must_is_refused() {
    let app = TestApp::start().await;
    let (mut header, _) = parts(&app.exchange(&app.admin).await);
    let (key, id) = known_key(&app).await;
    header["kid"] = json!(id);
    let (_, claims) = parts(&app.exchange(&app.admin).await);
    for (name, value) in [
        ("jku", json!("https://attacker.example/keys")),
        ("x5u", json!("https://attacker.example/cert")),
        ("jwk", json!({"kty": "OKP"})),
        ("crit", json!(["exp"])),
        ("typ", json!("JWT")),
        ("kid", json!("../../etc/passwd")),
    ] {
        let mut header = header.clone();
        header[name] = value;
        refused_and_recorded(&app, &signed(&header, &claims, &key), name).await;
    }
    header.as_object_mut().unwrap().remove("typ");
    refused_and_recorded(&app, &signed(&header, &claims, &key), "typ is missing").await;
}
