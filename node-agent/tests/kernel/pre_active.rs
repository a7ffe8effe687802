//! A member with a `pre_active` hook: nobody hears of its addresses before the hook has succeeded.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::State;
use serde_json::json;

use crate::agent::Agent;
use crate::asker::Asker;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::router::{Router, VIP, group};
use crate::wire::Capture;

/// A group whose hook is `commit`.
fn gated(mac_mode: MacMode) -> DesiredGroup {
    let pre_active = serde_json::from_value(json!({"hook": "commit", "timeout_ms": 20_000})).expect("a hook");
    let options = ProtocolOptions { mac_mode, ..ProtocolOptions::default() };
    DesiredGroup { pre_active: Some(pre_active), options, ..group(240) }
}

/// The agent of the first host, whose `commit` is this script. It knows its directory as `$1`.
fn start(lab: &Lab, group: DesiredGroup, script: &str) -> Agent {
    Agent::start_group(lab, 1, group, |command, directory| {
        let program = directory.join("commit");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        let policy = directory.join("policy.toml");
        let text = format!("[hooks.commit]\npath = {program:?}\nargs = [{directory:?}]\nuser = \"root\"\n");
        fs::write(&policy, text).expect("written");
        command.env("BATON_AGENT_POLICY_FILE", policy);
    })
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[test]
fn a_member_holds_and_advertises_and_is_silent_until_its_hook_has_succeeded() {
    for mac_mode in [MacMode::Interface, MacMode::Virtual] {
        let lab = Lab::alone(3);
        let capture = Capture::start(&lab, 3, "arp[6:2] = 2 or proto 112");
        let _asker = Asker::start(&lab, 3, VIP);
        let script = "echo run >> $1/runs; while [ ! -e $1/go ]; do sleep 0.01; done";
        let agent = start(&lab, gated(mac_mode), script);
        let holds = || agent.status().pointer("/groups/0/addresses_present/0").is_some();
        eventually("it has bound the address", holds, |holds| *holds);
        capture.sees(10, &["10.66.0.1 > 224.0.0.18"]);
        let runs = agent.directory.path().join("runs");
        eventually("the hook runs", || lines(&runs), |runs| *runs == 1);
        assert_eq!(capture.with(&["is-at"]).len(), 0, "{mac_mode:?}: nobody has heard of the address");

        fs::write(agent.directory.path().join("go"), "").expect("written");
        eventually("it answers", || capture.with(&["is-at"]).len(), |answers| *answers > 3);
        let hook = || agent.status().pointer("/groups/0/hooks/0").cloned();
        let succeeded = |hook: &Option<serde_json::Value>| {
            hook.as_ref().is_some_and(|hook| hook["on"] == "pre_active" && hook["exit_code"] == 0)
        };
        eventually("the status says so", hook, succeeded);

        let announced = || agent.status().pointer("/groups/0/counters/announcements_sent").cloned();
        eventually("it has been announced", announced, |sent| sent.as_ref().is_some_and(|sent| *sent != 0));

        // The next worker goes on with what answers, and asks nobody again.
        let before = agent.worker().expect("a worker");
        agent.kill_worker();
        eventually(
            "another worker",
            || agent.worker(),
            |worker| worker.is_some_and(|worker| worker != before),
        );
        let is_active =
            |status: &serde_json::Value| status.pointer("/groups/0/state") == Some(&"active".into());
        eventually("it is Active", || agent.status(), is_active);
        let answers = capture.with(&["is-at"]).len();
        eventually("it still answers", || capture.with(&["is-at"]).len(), |more| *more > answers + 3);
        assert_eq!(lines(&runs), 1, "{mac_mode:?}: the hook has run once");
    }
}

#[test]
fn a_member_whose_hook_fails_resigns_and_was_never_heard_of() {
    let lab = Lab::alone(3);
    let rival = Router::running(&lab, 2, group(200));
    rival.reaches(State::Active, 1);
    let capture = Capture::start(&lab, 3, "arp[6:2] = 2 or proto 112");
    let _asker = Asker::start(&lab, 3, VIP);
    eventually("the rival answers", || capture.with(&["is-at 02:00:00:00:00:02"]).len(), |many| *many > 3);
    let agent = start(&lab, gated(MacMode::Interface), "exit 3");
    let fault =
        || agent.status().pointer("/groups/0/fault").and_then(|fault| Some(fault.as_str()?.to_owned()));
    let says = eventually("it is in fault", fault, Option::is_some);
    assert_eq!(says.as_deref(), Some("the pre_active hook has failed: commit: exit status 3"));
    capture.sees(1, &["10.66.0.1 > 224.0.0.18", "prio 0"]);
    eventually(
        "the rival holds again",
        || rival.group().map(|group| group.state),
        |state| *state == Some(State::Active),
    );
    let answers = || capture.with(&["is-at 02:00:00:00:00:02"]).len();
    let before = answers();
    eventually("and answers", answers, |more| *more > before + 3);
    assert_eq!(capture.with(&["is-at 02:00:00:00:00:01"]).len(), 0);
}
