//! Servers that cannot be reached or must not be trusted.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use serde_json::json;

use crate::peer::{Peer, ok, said};

#[test]
fn a_server_of_another_ca_is_refused_before_the_token_is_sent() {
    let (peer, stranger) = (Peer::start(), Peer::start());
    fs::copy(stranger.path("ca.pem"), peer.path("ca.pem")).unwrap();
    let status = peer.baton(&["status"]);
    assert_eq!(status.code, 4);
    let (server, ca) = (peer.url(), peer.path("ca.pem"));
    assert_eq!(
        status.err,
        format!(
            "error: {server} cannot be trusted: its certificate is signed by no CA in {}; give the CA of \
             this server with --ca FILE or BATON_CA (a server with a CA of its own writes it to ca.pem in \
             its state directory)\n",
            ca.display()
        )
    );
    assert_eq!(peer.lines(), Vec::<String>::new());
}

#[test]
fn without_a_ca_file_a_private_ca_is_not_trusted() {
    let peer = Peer::start();
    let status = said(&mut peer.at(&peer.url(), &["status"]), "");
    assert_eq!(status.code, 4, "{}", status.err);
    assert!(status.err.contains("signed by no CA in the store of this machine"), "{}", status.err);
}

#[test]
fn the_cas_of_the_machine_count_only_where_no_ca_is_given() {
    let (peer, stranger) = (Peer::start(), Peer::start());
    for list in ["groups", "nodes"] {
        let empty = ok(json!({"items": [], "next_cursor": null}));
        peer.answers(&format!("GET /api/v1/{list}?limit=500"), empty);
    }
    let machine = |command: &mut Command| said(command.env("SSL_CERT_FILE", peer.path("ca.pem")), "");
    let given = machine(peer.at(&peer.url(), &["status"]).env("BATON_CA", stranger.path("ca.pem")));
    assert_eq!(given.code, 4, "{}", given.err);
    assert!(given.err.contains("signed by no CA in"), "{}", given.err);

    let none = machine(&mut peer.at(&peer.url(), &["status"]));
    assert_eq!(none.code, 0, "{}", none.err);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let peer = Peer::named("baton.example");
    let status = peer.baton(&["status"]);
    assert_eq!(status.code, 4);
    assert_eq!(
        status.err,
        format!(
            "error: {} cannot be trusted: its certificate is for baton.example, not for 127.0.0.1; use one \
             of these names in --server or BATON_SERVER, or add 127.0.0.1 to `names` in server.toml\n",
            peer.url()
        )
    );
}

#[test]
fn tls_before_1_3_is_not_spoken() {
    let old = Peer::speaking(&rustls::version::TLS12);
    let status = old.baton(&["status"]);
    assert_eq!(status.code, 4);
    assert!(status.err.contains("it does not speak TLS 1.3"), "{}", status.err);
    assert_eq!(old.lines(), Vec::<String>::new());
}

#[test]
fn a_port_without_a_server_is_told_from_one_that_speaks_no_tls() {
    let peer = Peer::start();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    let ask = || {
        let mut command = peer.at(&format!("https://{address}"), &["status"]);
        said(command.env("BATON_CA", peer.path("ca.pem")), "")
    };

    let plain = thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = unused.accept().unwrap();
        // Reads the greeting first, so that the answer is not lost to a reset.
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let spoken = ask();
    plain.join().unwrap();
    assert_eq!(spoken.code, 4);
    assert!(spoken.err.contains("it does not speak TLS"), "{}", spoken.err);

    let silent = ask();
    assert_eq!(silent.code, 4);
    assert!(silent.err.contains("nothing listens there"), "{}", silent.err);
}

#[test]
fn a_url_without_tls_is_refused_as_wrong_usage() {
    let peer = Peer::start();
    let status = said(&mut peer.at("http://127.0.0.1:1", &["status"]), "");
    assert_eq!(status.code, 2);
    assert!(status.err.contains("in the clear"), "{}", status.err);
}
