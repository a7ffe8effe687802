//! Keys and certificates get old: what is renewed when, and what goes on being accepted.

use baton_server::config::Config;
use baton_server::startup;
use baton_server::tls::Certificate;
use chrono::TimeDelta;

use crate::harness::TestApp;

async fn renewed(app: &TestApp) -> Certificate {
    startup::renew(&app.config, &app.app).await.unwrap()
}

async fn status(app: &TestApp, jwt: &str) -> u16 {
    app.request("GET", "/api/v1/auth/self").bearer(jwt).send().await.status
}

fn key_of(jwt: &str) -> String {
    jsonwebtoken::decode_header(jwt).unwrap().kid.unwrap()
}

#[tokio::test]
async fn a_new_signing_key_leaves_the_jwts_of_the_old_one_valid_until_they_expire() {
    let app = TestApp::start().await;
    let other = app.beside().await;
    app.clock.advance(TimeDelta::days(30) - TimeDelta::minutes(1));
    renewed(&app).await;
    let old = app.exchange(&app.admin).await;
    app.clock.advance(TimeDelta::minutes(2));
    renewed(&app).await;
    let new = app.exchange(&app.admin).await;
    assert_ne!(key_of(&new), key_of(&old), "a key signs for 30 days");
    for server in [&app, &other] {
        assert_eq!((status(server, &old).await, status(server, &new).await), (200, 200));
    }
    app.clock.advance(TimeDelta::minutes(9));
    assert_eq!((status(&app, &old).await, status(&app, &new).await), (401, 200), "ten minutes are over");

    app.clock.advance(TimeDelta::days(1));
    renewed(&app).await;
    let left: Vec<String> =
        sqlx::query_scalar("SELECT id::text FROM signing_keys").fetch_all(&app.app.db).await.unwrap();
    assert_eq!(left, [key_of(&new)], "the old key is forgotten");
}

#[tokio::test]
async fn a_certificate_is_renewed_near_its_end_by_the_same_authority() {
    let app = TestApp::start().await;
    let first = renewed(&app).await;
    app.clock.advance(TimeDelta::days(59));
    let same = renewed(&app).await;
    assert_eq!(same.chain, first.chain, "it has 31 of 90 days left");
    app.clock.advance(TimeDelta::days(2));
    let next = renewed(&app).await;
    assert_ne!(next.chain[0], first.chain[0]);
    assert_eq!((next.chain.len(), &next.chain[1]), (2, &first.chain[1]), "agents trust the authority");
    assert_eq!(next.authority, first.authority);
    next.server_config().unwrap();
}

#[tokio::test]
async fn other_names_get_another_certificate_by_the_same_authority() {
    let app = TestApp::start().await;
    let first = renewed(&app).await;
    let names = vec!["baton.example".to_owned(), "192.0.2.7".to_owned()];
    let config = Config { names: names.clone(), ..app.config.clone() };
    let other = startup::renew(&config, &app.app).await.unwrap();
    assert_ne!(other.chain[0], first.chain[0]);
    assert_eq!(other.authority, first.authority);
    let leaf = webpki::EndEntityCert::try_from(&other.chain[0]).unwrap();
    for name in names {
        let name = rustls_pki_types::ServerName::try_from(name).unwrap();
        leaf.verify_is_valid_for_subject_name(&name).unwrap();
    }
    let reordered = Config { names: vec!["192.0.2.7".to_owned(), "baton.example".to_owned()], ..config };
    let same = startup::renew(&reordered, &app.app).await.unwrap();
    assert_eq!(same.chain, other.chain, "the order of the names is no change");
    assert_eq!(renewed(&app).await.chain, first.chain, "and a server with the old names keeps its own");
}
