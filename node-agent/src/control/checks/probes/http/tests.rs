use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::control::overview::Overview;
use crate::policy::Policy;

/// Answers one request with these octets and then closes; says what was asked.
async fn served_once(answer: Vec<u8>) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4_096];
        let read = stream.read(&mut asked).await.unwrap();
        // Who has heard enough may have gone.
        let _gone = stream.write_all(&answer).await;
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    (target, served)
}

async fn ask(target: SocketAddr, more: Value) -> Outcome {
    let mut probe = json!({"kind": "http", "url": format!("http://{target}/health?x=1")});
    probe.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask_probe(probe).await
}

async fn ask_probe(probe: Value) -> Outcome {
    let http = Http::new(&serde_json::from_value(probe).unwrap())?;
    let (_overview, seen) = watch::channel(Overview::default());
    let host = Host::new(Arc::new(Policy::default()), seen);
    tokio::time::timeout(Duration::from_secs(20), http.run(&host)).await.expect("in time")
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn an_answer_is_judged_by_its_status_and_its_body() {
    let body = json!({"body_match": "^ok"});
    let codes = json!({"expected_status": ["204", "300-399"]});
    for (said, more, wanted) in [
        (answer("200 OK", "ok"), json!({}), Ok("status 200")),
        (answer("503 Down", "ok"), json!({}), Err("status 503")),
        (answer("301 Moved", ""), codes.clone(), Ok("status 301")),
        (answer("200 OK", ""), codes, Err("status 200")),
        (answer("200 OK", "ok then"), body.clone(), Ok("status 200 and body_match found")),
        (
            answer("200 OK", "not ok"),
            body.clone(),
            Err("status 200, but body_match is not found in the body"),
        ),
        (
            b"HTTP/1.1 200 OK\r\n\r\nok until the end".to_vec(),
            body.clone(),
            Ok("status 200 and body_match found"),
        ),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), json!({}), Err("invalid HTTP version parsed")),
    ] {
        let (target, _served) = served_once(said.clone()).await;
        let outcome = ask(target, more).await;
        let (found, wanted, same) = match (&outcome, wanted) {
            (Ok(found), Ok(wanted)) | (Err(found), Err(wanted)) => (found, wanted, true),
            (Ok(found) | Err(found), Ok(wanted) | Err(wanted)) => (found, wanted, false),
        };
        assert!(
            same && *found == format!("{wanted} at {target}"),
            "{}: {outcome:?}",
            String::from_utf8_lossy(&said)
        );
    }
}

#[tokio::test]
async fn the_request_says_whom_it_asks_and_a_redirect_is_not_followed() {
    let (target, served) = served_once(answer("302 Found\r\nLocation: http://127.0.0.1:1/", "")).await;
    assert_eq!(ask(target, json!({"host": "www.example.org"})).await, Err(format!("status 302 at {target}")));
    let asked = served.await.unwrap();
    assert!(asked.starts_with("GET /health?x=1 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("host: www.example.org\r\n"), "{asked}");
}

#[tokio::test]
async fn no_more_of_a_body_is_looked_at_than_64_kib_and_nothing_of_an_endless_head() {
    let far = format!("{}needle", "x".repeat(BODY - 6));
    let too_far = format!("x{far}");
    for (body, wanted) in [(far, true), (too_far, false)] {
        let (target, _served) = served_once(answer("200 OK", &body)).await;
        assert_eq!(ask(target, json!({"body_match": "needle"})).await.is_ok(), wanted, "{}", body.len());
    }
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024));
    let (target, _served) = served_once(head.into_bytes()).await;
    assert!(ask(target, json!({})).await.is_err());
}

#[tokio::test]
async fn a_certificate_is_verified_unless_it_need_not_be() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["www.example.org".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _asked = stream.read(&mut [0; 4_096]).await;
            let _gone = stream.write_all(&answer("200 OK", "ok")).await;
            let _closed = stream.shutdown().await;
        }
    });
    let probe = |verifies: bool| {
        json!({"kind": "http", "url": format!("https://{target}/"), "host": "www.example.org",
               "verify_certificate": verifies})
    };
    assert_eq!(ask_probe(probe(false)).await, Ok(format!("status 200 at {target}")));
    let refused = ask_probe(probe(true)).await.unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
}
