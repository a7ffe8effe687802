//! Logging in, and what is kept of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::peer::{Peer, TOKEN, ok, problem, said};

fn log_in(peer: &Peer) -> crate::peer::Said {
    let ca = peer.path("ca.pem");
    let arguments = ["login", "--server", &peer.url(), "--ca", ca.to_str().unwrap(), "--token-file", "-"];
    said(&mut peer.bare(&arguments), &format!("{TOKEN}\n"))
}

#[test]
fn a_login_that_works_is_kept_and_used_by_the_next_command() {
    let peer = Peer::start();
    let caller = json!({"actor": {"kind": "token", "name": "admin", "id": null}, "role": "admin"});
    peer.answers("GET /api/v1/auth/self", ok(caller));
    let login = log_in(&peer);
    assert_eq!((login.code, login.err.as_str()), (0, ""));
    assert!(login.out.contains("as admin (admin)"), "{}", login.out);
    assert!(!login.out.contains(TOKEN));

    let config = peer.path("config.toml");
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);

    // The copy of the CA in the configuration is enough.
    fs::remove_file(peer.path("ca.pem")).unwrap();
    peer.answers("GET /api/v1/segments?limit=500", ok(json!({"items": [], "next_cursor": null})));
    let get = said(&mut peer.bare(&["get", "segments", "-o", "json"]), "");
    assert_eq!((get.code, get.out.as_str()), (0, "[]\n"), "{}", get.err);
    assert_eq!(peer.asked().pop().unwrap().authorization.as_deref(), Some("Bearer a.jwt"));
}

#[test]
fn a_login_that_is_refused_leaves_nothing_behind() {
    let peer = Peer::start();
    let refusal = problem(401, "unauthenticated", "the API token has expired", &[]);
    peer.answers("POST /api/v1/auth/token", refusal);
    let login = log_in(&peer);
    assert_eq!(login.code, 5);
    assert!(login.err.contains("the API token has expired"), "{}", login.err);
    assert!(login.err.contains("next:"), "{}", login.err);
    assert!(!peer.path("config.toml").exists());
}

#[test]
fn without_a_login_the_way_to_one_is_shown() {
    let peer = Peer::start();
    let get = said(&mut peer.bare(&["get", "groups"]), "");
    assert_eq!(get.code, 2);
    assert!(get.err.contains("baton login --server"), "{}", get.err);
}

#[test]
fn a_file_that_is_not_ours_is_not_overwritten() {
    let peer = Peer::start();
    let caller = json!({"actor": {"kind": "token", "name": "admin", "id": null}, "role": "admin"});
    peer.answers("GET /api/v1/auth/self", ok(caller));
    let foreign = "listen = \"127.0.0.1:8443\"\n";
    peer.file("config.toml", foreign);
    let login = log_in(&peer);
    assert_eq!(login.code, 2, "{}", login.out);
    assert!(login.err.contains("is not a configuration of baton"), "{}", login.err);
    assert_eq!(fs::read_to_string(peer.path("config.toml")).unwrap(), foreign);
}
