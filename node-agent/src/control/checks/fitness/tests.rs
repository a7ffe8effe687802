use api_types::channel::{DesiredState, Revision};
use api_types::check::Track;
use serde_json::{Value, json};

use super::*;
use crate::control::test_data;

fn check(name: &str, probe: Value) -> CheckSpec {
    serde_json::from_value(json!({"name": name, "probe": probe})).unwrap()
}

/// A state whose group `web` tracks these checks.
fn state(checks: Vec<CheckSpec>) -> DesiredState {
    let mut group = test_data::group().desired;
    group.track = checks
        .iter()
        .map(|check| serde_json::from_value::<Track>(json!({"check": check.name})).unwrap())
        .collect();
    DesiredState::new(Revision { epoch: 1, counter: 1 }, vec![group], checks).unwrap()
}

fn policy() -> Policy {
    toml::from_str(
        "check_targets = [\"10.0.0.0/8\"]\ncheck_files = [\"/run/app/\"]\n\
         [scripts.pg]\npath = \"/etc/baton/scripts/pg\"\n",
    )
    .unwrap()
}

fn own() -> Vec<Interface> {
    vec![Interface {
        name: "eth0".to_owned(),
        mac: None,
        up: true,
        carrier: true,
        addresses: vec!["192.0.2.3/24".parse().unwrap()],
    }]
}

fn refused(checks: Vec<CheckSpec>) -> Vec<String> {
    refusals(&state(checks), &policy(), Some(&own())).into_iter().map(|reason| reason.detail).collect()
}

#[test]
fn checks_that_the_policy_allows_may_run() {
    let allowed = vec![
        check("a", json!({"kind": "tcp", "port": 80})),
        check("b", json!({"kind": "tcp", "address": "192.0.2.3", "port": 80})),
        check("c", json!({"kind": "http", "url": "https://10.1.2.3:8443/x", "host": "www.example.org:8443"})),
        check("d", json!({"kind": "http", "url": "http://[::1]/", "body_match": "^ok [0-9]+$"})),
        check("e", json!({"kind": "file", "path": "/run/app/up"})),
        check("f", json!({"kind": "script", "script": "pg"})),
        check("g", json!({"kind": "process", "process": "haproxy"})),
        check("h", json!({"kind": "interface", "interface": "eth9"})),
    ];
    assert_eq!(refused(allowed), [""; 0]);
}

#[test]
fn whoever_asks_for_everything_is_told_which_check_which_field_and_what_is_allowed() {
    for (probe, wanted) in [
        (
            json!({"kind": "script", "script": "rm"}),
            "script: the policy of this host declares no script rm: it declares pg",
        ),
        (
            json!({"kind": "file", "path": "/etc/shadow"}),
            "path: the policy of this host does not allow \"/etc/shadow\": allowed is /run/app/",
        ),
        (
            json!({"kind": "file", "path": "/run/app/../../etc/shadow"}),
            "path: the policy of this host does not",
        ),
        (
            json!({"kind": "tcp", "address": "192.0.2.4", "port": 22}),
            "address: the policy of this host does not allow checks to connect to 192.0.2.4: allowed are loopback, \
             the host's own addresses, 10.0.0.0/8",
        ),
        (json!({"kind": "http", "url": "http://169.254.169.254/latest"}), "url: the policy of this host"),
        (
            json!({"kind": "tcp", "address": "::ffff:192.0.2.4", "port": 22}),
            "address: the policy of this host",
        ),
        (json!({"kind": "tcp", "address": "0.0.0.0", "port": 22}), "address: the policy of this host"),
        (
            json!({"kind": "http", "url": "http://127.0.0.1/", "body_match": "ok("}),
            "body_match: \"ok(\" is no regular expression: unclosed group",
        ),
        (
            json!({"kind": "http", "url": "http://127.0.0.1/", "body_match": "(a{1000}){1000}"}),
            "body_match: \"(a{1000}){1000}\" is no regular expression: Compiled regex exceeds size limit",
        ),
        (json!({"kind": "http", "url": "http://127.0.0.1/", "host": "a\r\nX: y"}), "host: "),
        (json!({"kind": "process", "process": "../x"}), "process: \"../x\" is no name of a program"),
        (json!({"kind": "interface", "interface": "../x"}), "interface: \"../x\" is no name of an interface"),
    ] {
        let refused = refused(vec![check("greedy", probe.clone())]);
        assert_eq!(refused.len(), 1, "{probe}: {refused:?}");
        assert!(refused[0].starts_with(&format!("check greedy: {wanted}")), "{probe}: {refused:?}");
    }
}

#[test]
fn a_reason_names_a_group_and_a_check_that_is_not_there_is_told_too() {
    let mut state = state(vec![check("greedy", json!({"kind": "script", "script": "x"}))]);
    state.groups[0].track.push(serde_json::from_value(json!({"check": "missing"})).unwrap());
    let reasons = refusals(&state, &policy(), Some(&own()));
    assert!(reasons.iter().all(|reason| reason.group.as_deref() == Some("web")));
    assert_eq!(reasons[1].detail, "track: there is no check missing");
    let twice =
        vec![check("a", json!({"kind": "tcp", "port": 1})), check("a", json!({"kind": "tcp", "port": 2}))];
    assert_eq!(refused(twice), ["check a: there are two of this name"]);
    let many = (0..=MOST).map(|n| check(&format!("c{n}"), json!({"kind": "tcp", "port": 1}))).collect();
    assert_eq!(refused(many), ["checks: 1001 of them: allowed are at most 1000"]);
}

#[test]
fn before_the_addresses_of_the_host_are_known_only_what_they_may_decide_is_let_pass() {
    let unknown = state(vec![check("a", json!({"kind": "tcp", "address": "192.0.2.4", "port": 22}))]);
    assert_eq!(refusals(&unknown, &policy(), None), []);
    let never = state(vec![check("a", json!({"kind": "script", "script": "x"}))]);
    assert_eq!(refusals(&never, &policy(), None).len(), 1);
}
