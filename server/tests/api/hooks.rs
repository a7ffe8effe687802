//! Hooks: what operators write, what agents are told, and what they say of them.

use api_types::channel::{GroupReport, MemberDetails};
use api_types::hook::{HookStatus, HookTime};
use api_types::transition::State;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::intent::{group, with, written};
use crate::listening::{Server, conditions, eventually_shows};
use crate::pair::Pair;

const WEB: &str = "/api/v1/groups/web";

fn pre_active() -> Value {
    json!({"hook": "commit", "timeout_ms": 1500})
}

fn hooks() -> Value {
    json!([{"on": "backup", "hook": "resync", "timeout_ms": 30_000}, {"on": "fault", "hook": "resync", "timeout_ms": 10}])
}

fn hooked(group: Value) -> Value {
    with(with(group, "pre_active", pre_active()), "hooks", hooks())
}

#[tokio::test]
async fn hooks_are_returned_as_they_were_written() {
    let api = TestApp::with_a_group().await;
    let wanted = hooked(group("web"));
    let changed = api.put(WEB, &wanted).await.is(200);
    assert_eq!((changed.etag(), written(&changed.body)), ("\"2\"", wanted.clone()));
    assert_eq!(api.get("/api/v1/groups").await.body["items"][0]["hooks"], hooks());
    assert_eq!(api.put(WEB, &wanted).await.is(200).etag(), "\"2\"", "nothing changed");
    let short = with(
        with(group("web"), "pre_active", json!({"hook": "commit"})),
        "hooks",
        json!([{"on": "master", "hook": "x"}]),
    );
    let changed = api.put(WEB, &short).await.is(200);
    assert_eq!(changed.body["pre_active"]["timeout_ms"], 2_000);
    assert_eq!(changed.body["hooks"], json!([{"on": "active", "hook": "x", "timeout_ms": 30_000}]));
    let changed = api.put(WEB, &group("web")).await.is(200);
    assert_eq!((&changed.body["pre_active"], &changed.body["hooks"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn a_bad_hook_is_refused_with_the_field_and_what_is_allowed() {
    let api = TestApp::with_a_group().await;
    let twice = json!([{"on": "backup", "hook": "a"}, {"on": "backup", "hook": "a"}]);
    for (field, value, pointer, detail) in [
        ("hooks", json!([{"on": "backup", "hook": "/bin/sh -c reboot"}]), "/hooks/0/hook", "is not a name"),
        ("hooks", json!([{"on": "born", "hook": "a"}]), "/hooks/0/on", "is not known: allowed are"),
        ("hooks", json!([{"on": "backup", "hook": "a", "args": []}]), "/hooks/0/args", "is not known here"),
        (
            "hooks",
            json!([{"on": "backup", "hook": "a", "timeout_ms": 9}]),
            "/hooks/0/timeout_ms",
            "allowed are 10 to 600000",
        ),
        ("hooks", twice, "/hooks/1/hook", "allowed is each once in a state"),
        ("pre_active", json!("commit"), "/pre_active", "must be an object"),
        ("pre_active", json!({"timeout_ms": 10}), "/pre_active/hook", "is required"),
    ] {
        let refused = api.put(WEB, &with(group("web"), field, value)).await.is(422);
        let errors = refused.body["errors"].as_array().unwrap();
        assert_eq!(errors[0]["pointer"], pointer, "{errors:?}");
        assert!(errors[0]["detail"].as_str().unwrap().contains(detail), "{errors:?}");
    }
    assert_eq!(api.get(WEB).await.etag(), "\"1\"");
}

#[tokio::test]
async fn only_an_agent_that_knows_hooks_is_told_of_them() {
    let mut pair = Pair::able(Server::start().await, &["hooks"]).await;
    let web = written(&pair.server.get(WEB).await);
    pair.server.put(WEB, hooked(web)).await;
    let told = pair.first.desired_where(|state| state.groups[0].pre_active.is_some()).await;
    assert!(told.is_intact());
    assert_eq!((json!(told.groups[0].pre_active), json!(told.groups[0].hooks)), (pre_active(), hooks()));

    let mut older = pair.one.connect_able(&pair.server, "192.0.2.1", &[]).await;
    let told = older.desired().await;
    assert!(told.is_intact() && told.groups[0].pre_active.is_none() && told.groups[0].hooks.is_empty());
    let unaware = |group: &Value| conditions(group).contains(&"hooks_not_run");
    eventually_shows(&pair.server, WEB, unaware).await;
}

#[tokio::test]
async fn a_hook_that_fails_is_shown_and_is_a_condition() {
    let mut pair = Pair::able(Server::start().await, &["hooks"]).await;
    let web = written(&pair.server.get(WEB).await);
    pair.server.put(WEB, hooked(web)).await;
    let failed = HookStatus {
        on: HookTime::Backup,
        hook: "resync".into(),
        runs: 4,
        exit_code: Some(3),
        detail: "exit status 3: no peer".into(),
        succeeded: Some(false),
        ended_at: Some(chrono::DateTime::UNIX_EPOCH.into()),
    };
    let details = MemberDetails { hooks: vec![failed.clone()], ..MemberDetails::default() };
    let said =
        GroupReport { details: Some(details), ..pair.stands(State::Backup, Some("192.0.2.1")).remove(0) };
    pair.second.status(&pair.server, "192.0.2.2", vec![said]).await;
    let shown = |web: &Value| web["status"]["members"][1]["hooks"] == json!([failed]);
    eventually_shows(&pair.server, WEB, shown).await;
    pair.server.advance(TimeDelta::seconds(3));
    let web = eventually_shows(&pair.server, WEB, |web| conditions(web).contains(&"hook_failed")).await;
    let all = web["status"]["conditions"].as_array().unwrap();
    let said = all.iter().find(|condition| condition["kind"] == "hook_failed").unwrap();
    assert_eq!(said["detail"], "resync (on backup) fails on lb2: exit status 3: no peer");
}
