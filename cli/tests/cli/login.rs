//! Logging in, and what is kept of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::peer::{Peer, TOKEN, ok, problem, said};
use crate::server::Server;

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
    assert_eq!(
        login.err,
        format!(
            "error: not logged in, and nothing was stored: the API token on standard input is not accepted \
             by {}: the API token has expired; log in with a new one, which an admin makes with `baton token \
             create NAME --role ROLE` (request req-1)\n",
            peer.url()
        )
    );
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

#[test]
fn a_login_at_a_real_server_is_refused_with_the_file_that_is_wrong() {
    let (server, peer) = (Server::shared(), Peer::start());
    let ca = server.path("state/ca.pem");
    let log_in = |ca: &Path, url: &str, token: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.env_clear().env("BATON_CONFIG", peer.path("config.toml")).args(["login", "--server", url]);
        said(command.arg("--ca").arg(ca).arg("--token-file").arg(token), "")
    };
    let secret = server.done(&["token", "create", "removed", "--role", "viewer", "--quiet"]);
    server.done(&["delete", "token", "removed"]);
    let removed = peer.file("removed", &secret);
    let admin = server.path("state/admin-token");

    let another = peer.path("ca.pem");
    let elsewhere = "https://127.0.0.1:1";
    let cases = [
        (&another, server.url(), &admin, 4, format!("is signed by no CA in {}; give", another.display())),
        (
            &ca,
            server.url(),
            &removed,
            5,
            format!("the API token in {} is not accepted by", removed.display()),
        ),
        (&removed, server.url(), &admin, 2, format!("{} holds no certificate", removed.display())),
        (&ca, server.url(), &ca, 2, format!("there is no API token in {}", ca.display())),
        (&ca, elsewhere, &admin, 4, "nothing listens there".to_owned()),
    ];
    for (ca, url, token, code, wanted) in cases {
        let login = log_in(ca, url, token);
        assert_eq!((login.code, login.out.as_str()), (code, ""), "{}", login.err);
        assert!(login.err.contains(&wanted), "{wanted}: {}", login.err);
        assert!(!peer.path("config.toml").exists());
    }
    let login = log_in(&ca, server.url(), &admin);
    assert_eq!((login.code, login.err.as_str()), (0, ""));
}

#[test]
fn the_version_is_that_of_the_program_and_of_the_server_where_it_answers() {
    let (server, peer) = (Server::shared(), Peer::start());
    let own = concat!("baton ", env!("CARGO_PKG_VERSION"), "\n");
    let both = format!("{own}server {} at {}\n", env!("CARGO_PKG_VERSION"), server.url());
    assert_eq!(server.done(&["version"]), both);
    assert_eq!(server.done(&["--version"]), own);

    let nowhere = said(&mut peer.bare(&["version"]), "");
    assert_eq!((nowhere.code, nowhere.out), (0, format!("{own}server not known: not logged in\n")));
    let silent = said(&mut peer.at("https://127.0.0.1:1", &["version"]), "");
    let gone = "server not known: https://127.0.0.1:1 cannot be reached: nothing listens there\n";
    assert_eq!((silent.code, silent.out), (0, format!("{own}{gone}")));
}

#[test]
fn what_has_no_end_is_refused_at_once_wherever_it_is_named() {
    let peer = Peer::start();
    for (device, input) in [("/dev/zero", ""), ("/dev/urandom", ""), ("-", &*"x".repeat(5_000))] {
        let mut login = peer.bare(&["login", "--server", &peer.url(), "--token-file", device]);
        let login = said(&mut login, input);
        assert_eq!(login.code, 2, "{}", login.err);
        assert!(login.err.contains("there is no API token "), "{}", login.err);
        assert!(login.err.contains("more than 4 KiB"), "{}", login.err);
    }
    let mut get = peer.bare(&["get", "groups"]);
    let get = said(get.env("BATON_SERVER", peer.url()).env("BATON_TOKEN_FILE", "/dev/zero"), "");
    assert_eq!(get.code, 2, "{}", get.err);
    assert!(get.err.contains("there is no API token in /dev/zero"), "{}", get.err);

    let apply = peer.baton(&["apply", "-f", "/dev/zero"]);
    assert_eq!(apply.code, 2, "{}", apply.err);
    assert!(
        apply.err.contains("/dev/zero cannot be read\n  because: it holds more than 4 MiB"),
        "{}",
        apply.err
    );
    assert_eq!(peer.lines(), Vec::<String>::new());
}

#[test]
fn a_wrong_url_is_said_to_be_wrong_whether_or_not_there_is_a_token() {
    let peer = Peer::start();
    for (url, wanted) in [
        ("foo", "is not the URL of a server: write it like https://baton.example:8443"),
        ("http://127.0.0.1:1", "the URL must begin with https://"),
        ("https://127.0.0.1:1/api", "write it like https://baton.example:8443, with nothing behind the port"),
    ] {
        let get = said(peer.bare(&["get", "groups"]).env("BATON_SERVER", url), "");
        let login = ["login", "--server", url, "--token-file", "/nonexistent"];
        for said in [get, said(&mut peer.bare(&login), "")] {
            assert_eq!(said.code, 2, "{}", said.err);
            assert!(said.err.contains(wanted), "{url}: {}", said.err);
        }
    }
}
