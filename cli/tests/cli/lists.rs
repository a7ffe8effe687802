//! Lists and single objects.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::peer::{Peer, ok, problem, text};

fn segment(name: &str) -> Value {
    json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000001", "name": name, "description": "",
        "prefixes": ["10.77.0.0/24"], "generation": 1, "created_at": "2026-11-22T20:00:00.000000Z",
        "updated_at": "2026-11-22T20:00:00.000000Z", "status": {"groups": 0}, "a_later_field": true,
    })
}

fn page(names: &[&str], next: Option<&str>) -> Value {
    let items: Vec<Value> = names.iter().map(|name| segment(name)).collect();
    json!({"items": items, "next_cursor": next})
}

#[test]
fn a_list_follows_its_cursors_to_the_end() {
    let peer = Peer::start();
    peer.answers("GET /api/v1/segments?limit=500", ok(page(&["a", "b"], Some("x/y+z"))));
    peer.answers("GET /api/v1/segments?limit=500&cursor=x%2Fy%2Bz", ok(page(&["c"], None)));
    let get = peer.baton(&["get", "segments", "-o", "name"]);
    assert_eq!((get.code, get.out.as_str()), (0, "segment/a\nsegment/b\nsegment/c\n"), "{}", get.err);
}

#[test]
fn a_limit_asks_for_no_more_than_that_and_says_that_there_is_more() {
    let peer = Peer::start();
    peer.answers("GET /api/v1/segments?limit=2", ok(page(&["a", "b"], Some("x"))));
    let get = peer.baton(&["get", "segments", "--limit", "2"]);
    assert_eq!(get.out.lines().count(), 3, "{}", get.out);
    assert!(get.err.contains("The oldest 2 segments are shown and there are more"), "{}", get.err);
    assert_eq!(peer.lines(), ["GET /api/v1/segments?limit=2"]);
}

#[test]
fn a_limit_beyond_one_page_takes_only_the_rest_from_the_next() {
    let peer = Peer::start();
    peer.answers("GET /api/v1/segments?limit=500", ok(page(&["a"; 500], Some("x"))));
    peer.answers("GET /api/v1/segments?limit=1&cursor=x", ok(page(&["b"], Some("y"))));
    let get = peer.baton(&["get", "segments", "--limit", "501", "-o", "name"]);
    assert_eq!((get.code, get.out.lines().count()), (0, 501), "{}", get.err);
}

#[test]
fn a_cursor_that_leads_nowhere_ends_the_list_with_an_error() {
    let peer = Peer::start();
    peer.answers("GET /api/v1/segments?limit=500", ok(page(&["a"], Some("x"))));
    peer.answers("GET /api/v1/segments?limit=500&cursor=x", ok(page(&["b"], Some("x"))));
    let get = peer.baton(&["get", "segments"]);
    assert_eq!(get.code, 4);
    assert!(get.err.contains("cursor"), "{}", get.err);
}

#[test]
fn one_object_is_an_object_and_a_list_is_an_array() {
    let peer = Peer::start();
    for _ in 0..2 {
        peer.answers("GET /api/v1/segments/lan", ok(segment("lan")));
    }
    let json: Value =
        serde_json::from_str(&peer.baton(&["get", "segment", "lan", "-o", "json"]).out).unwrap();
    let yaml: Value =
        serde_yaml_ng::from_str(&peer.baton(&["get", "segment", "lan", "-o", "yaml"]).out).unwrap();
    let mut wanted = segment("lan");
    assert_eq!(json, wanted, "with the fields that this version does not know");
    wanted["kind"] = json!("segment");
    assert_eq!(yaml, wanted);

    peer.answers("GET /api/v1/segments?limit=500", ok(page(&["lan"], None)));
    let list: Value = serde_json::from_str(&peer.baton(&["get", "segments", "-o", "json"]).out).unwrap();
    assert_eq!(list, json!([json]));
}

#[test]
fn what_is_typed_stays_one_segment_of_the_path() {
    let peer = Peer::start();
    let get = peer.baton(&["get", "segment", "../tokens?x=1"]);
    assert_eq!(get.code, 3);
    assert!(get.err.contains("no segment is called"), "{}", get.err);
    assert_eq!(peer.lines(), ["GET /api/v1/segments/..%2Ftokens%3Fx=1"]);
}

#[test]
fn an_answer_that_is_not_from_baton_is_shown_as_such() {
    let peer = Peer::start();
    peer.answers("GET /api/v1/segments?limit=500", text(502, "<html>Bad\u{1b}[31m Gateway</html>"));
    let get = peer.baton(&["get", "segments"]);
    assert_eq!(get.code, 4);
    assert!(get.err.contains("502 Bad Gateway, not from Baton: <html>Bad"), "{}", get.err);
    assert!(!get.err.contains('\u{1b}'), "no escape sequences from outside");

    peer.answers("GET /api/v1/segments?limit=500", text(200, "hello"));
    let get = peer.baton(&["get", "segments"]);
    assert_eq!(get.code, 4);
    assert!(get.err.contains("is not understood"), "{}", get.err);
}

#[test]
fn a_role_that_does_not_allow_it_has_its_own_exit_status() {
    let peer = Peer::start();
    let refusal = problem(403, "forbidden", "the role viewer may not read the audit log", &[]);
    peer.answers("GET /api/v1/audit-events?limit=100", refusal);
    let get = peer.baton(&["get", "audit"]);
    assert_eq!(get.code, 5);
    assert!(get.err.contains("may not read the audit log"), "{}", get.err);
}

#[test]
fn a_name_to_filter_by_that_occurs_nowhere_is_one_clear_line() {
    let peer = Peer::start();
    for (option, value) in [("--group", "wbe"), ("--node", "lb9")] {
        let line = format!("GET /api/v1/failovers?limit=100&{}={value}", &option[2..]);
        let detail = format!("no {} has the name \"{value}\"", &option[2..]);
        let pointer = format!("?{}", &option[2..]);
        let summary = format!("{pointer}: {detail}");
        peer.answers(&line, problem(404, "not_found", &summary, &[(&pointer, &detail)]));
        let get = peer.baton(&["get", "failovers", option, value]);
        assert_eq!((get.code, get.out.as_str()), (3, ""));
        assert_eq!(get.err, format!("error: {detail}\n"));
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let peer = Peer::start();
    // More than a pipe holds.
    let names: Vec<String> = (0..5_000).map(|number| format!("segment-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    peer.answers("GET /api/v1/segments?limit=500", ok(page(&names, None)));
    let mut command = peer.bare(&["get", "segments", "-o", "json"]);
    command
        .env("BATON_SERVER", peer.url())
        .env("BATON_CA", peer.path("ca.pem"))
        .env("BATON_TOKEN_FILE", peer.path("token"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}
