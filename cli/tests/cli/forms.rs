//! The forms of output, of what a real server answers.

use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::server::Server;

/// A segment, a node, a check and a group, named after the test.
fn trio(name: &str, vrid: u8) -> String {
    format!(
        "\
kind: segment
name: {name}
prefixes: [10.{vrid}.0.0/24]
---
kind: node
name: {name}
---
kind: group
name: {name}
description: \"no: 'yes' # {{}}\"
segment: {name}
vrid: {vrid}
preempt_mode: false
virtual_addresses: [10.{vrid}.0.100/24, 10.{vrid}.0.101/24]
members:
  - {{kind: node, node: {name}, interface: eth0, priority: 240}}
  - {{kind: external, name: old, address: 10.{vrid}.0.9, priority: 100}}
track: [{{check: {name}, weight: -30}}]
---
kind: check
name: {name}
probe: {{kind: http, url: \"http://127.0.0.1:8080/\", body_match: \"^'ok': [{{}}] #\"}}
"
    )
}

/// What the API itself answers.
fn api(server: &Server, path: &str) -> Value {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(server.path("state/ca.pem")).unwrap()).unwrap();
    let token = std::fs::read_to_string(server.path("state/admin-token")).unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
        let request = client.get(format!("{}/api/v1/{path}", server.url()));
        let request = request.header(AUTHORIZATION, format!("Bearer {}", token.trim()));
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    })
}

#[test]
fn json_and_yaml_are_what_the_api_answers() {
    let server = Server::start();
    server.applied(&trio("forms", 21));
    for (kind, path) in [("segment", "segments"), ("node", "nodes"), ("group", "groups"), ("check", "checks")]
    {
        let wanted = api(&server, &format!("{path}/forms"));
        let json: Value = serde_json::from_str(&server.done(&["get", kind, "forms", "-o", "json"])).unwrap();
        assert_eq!(json, wanted, "{kind}");
        let yaml: Value =
            serde_yaml_ng::from_str(&server.done(&["get", kind, "forms", "-o", "yaml"])).unwrap();
        let mut manifest = wanted.clone();
        manifest["kind"] = json!(kind);
        assert_eq!(yaml, manifest, "{kind}: the object, and its kind in front");
    }
    for (kind, path) in [
        ("segments", "segments"),
        ("nodes", "nodes"),
        ("groups", "groups"),
        ("checks", "checks"),
        ("audit", "audit-events"),
        ("failovers", "failovers"),
        ("transitions", "transitions"),
        ("tokens", "tokens"),
        ("join-tokens", "join-tokens"),
    ] {
        let wanted = &api(&server, path)["items"];
        let json: Value = serde_json::from_str(&server.done(&["get", kind, "-o", "json"])).unwrap();
        assert_eq!(&json, wanted, "{kind}");
    }
    let yaml: Value = serde_yaml_ng::from_str(&server.done(&["get", "audit", "-o", "yaml"])).unwrap();
    assert_eq!(yaml, api(&server, "audit-events")["items"]);
}

#[test]
fn what_get_shows_as_yaml_can_be_applied_and_changes_nothing() {
    let server = Server::shared();
    let name = "1e3";
    server.applied(&trio(&format!("\"{name}\""), 22));
    for kind in ["segment", "node", "group", "check"] {
        let shown = server.done(&["get", kind, name, "-o", "yaml"]);
        assert!(shown.starts_with(&format!("kind: {kind}\n")), "{shown}");
        assert_eq!(server.applied(&shown), format!("{kind}/{name}  unchanged\n"));
    }

    let group = server.done(&["get", "group", name, "-o", "yaml"]);
    let edited = server.applied(&group.replace("priority: 240", "priority: 230"));
    assert_eq!(edited, "group/1e3  updated\n    members[1e3].priority: 240 -> 230\n");

    let all: Vec<String> = ["segments", "nodes", "groups", "checks"]
        .iter()
        .map(|kind| server.done(&["get", kind, "-o", "yaml"]))
        .collect();
    let applied = server.applied(&all.join("---\n"));
    assert!(
        applied.lines().count() >= 4 && applied.lines().all(|line| line.ends_with(" unchanged")),
        "{applied}"
    );
}

#[test]
fn wide_tables_have_a_line_for_each_object_and_more_columns_than_narrow_ones() {
    let server = Server::shared();
    server.applied(&trio("wide", 23));
    for (kind, column) in
        [("segments", "DESCRIPTION"), ("nodes", "INTERFACES"), ("groups", "MEMBERS"), ("audit", "DETAIL")]
    {
        let (narrow, wide) = (server.done(&["get", kind]), server.done(&["get", kind, "-o", "wide"]));
        let (narrow_title, wide_title) = (narrow.lines().next().unwrap(), wide.lines().next().unwrap());
        assert!(!narrow_title.contains(column), "{narrow_title}");
        assert!(wide_title.contains(column), "{wide_title}");
        for title in narrow_title.split_whitespace() {
            assert!(wide_title.contains(title), "{kind}: {title} is missing in {wide_title}");
        }
    }
    let group = server.done(&["get", "group", "wide", "-o", "wide"]);
    assert_eq!(group.lines().count(), 2, "{group}");
    assert!(server.done(&["get", "group", "wide"]).lines().nth(1).unwrap().contains("/24  ?  "), "no agent");
    assert!(group.contains("wide=240 old=100") && group.contains("no: 'yes' # {}"), "{group}");
}

#[test]
fn the_audit_log_tells_what_was_changed_and_by_which_times_it_is_ordered() {
    let server = Server::shared();
    server.applied(&trio("audited", 24));
    server.applied(&trio("audited", 24).replace("priority: 240", "priority: 230"));
    let arguments = ["get", "audit", "--group", "audited", "-o", "wide"];
    let log = server.done(&arguments);
    let update = log.lines().nth(1).unwrap();
    assert!(
        update.contains("group.update") && update.contains("members[audited].priority: 240 -> 230"),
        "{log}"
    );
    let refused = server.baton(&["delete", "group", "never-there"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    let refusal = server.done(&["get", "audit", "--limit", "500", "-o", "wide"]);
    assert!(refusal.contains("  not_found: there is no group \"never-there\"  "), "{refusal}");
    let times: Vec<&str> = log.lines().skip(1).map(|line| line.split_at(24).0).collect();
    assert!(times.len() >= 2 && times.is_sorted_by(|newer, older| newer >= older), "{log}");
}

#[test]
fn a_name_to_filter_by_that_occurs_nowhere_is_told_in_one_line() {
    let server = Server::shared();
    for kind in ["failovers", "transitions", "audit"] {
        for option in ["--group", "--node"] {
            let get = server.baton(&["get", kind, option, "nowhere"]);
            assert_eq!((get.code, get.out.as_str()), (3, ""), "{kind} {option}: {}", get.err);
            let line = get.err.strip_prefix(&format!("error: no {} ", &option[2..])).unwrap();
            assert!(line.contains("\"nowhere\"") && line.ends_with('\n'), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}

#[test]
fn a_list_that_is_cut_says_how_many_are_shown_and_how_to_see_the_rest() {
    let server = Server::shared();
    server.applied(&trio("cut", 25));
    let rest =
        "The newest 2 audit events are shown and there are more: --limit N shows N, --all shows all.\n";
    for form in ["table", "wide", "json", "yaml", "name"] {
        let cut = server.baton(&["get", "audit", "--limit", "2", "-o", form]);
        assert_eq!((cut.code, cut.err.as_str()), (0, rest), "{form}");
    }
    let all = server.baton(&["get", "audit", "--all", "-o", "name"]);
    assert!(all.out.lines().count() > 2 && all.err.is_empty(), "{}{}", all.out, all.err);
}
