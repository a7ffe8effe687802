//! Hooks: real programs follow what a dataplane, played by the test, says of its groups.

use std::fs;

use api_types::channel::DesiredState;
use api_types::hook::HookStatus;
use api_types::transition::State;
use baton_agent::config::Config;
use baton_agent::messages::{Command, Entrance, GroupSnapshot, Report, Snapshot};
use baton_agent::policy::Policy;
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::agent::{Agent, config, enrolled, revision};
use crate::authority::Authority;
use crate::checks::snapshot;
use crate::desired_state::group;
use crate::eventually::{eventually, within};
use crate::local::status_that;
use crate::programs::Programs;
use crate::server::Server;

/// An agent with a host that declares the hooks `note`, which writes down when it runs, and `commit`, which succeeds
/// once there is a file `go`, and has nothing but its directory as an argument.
struct Scene {
    programs: Programs,
    config: Config,
    agent: Agent,
    state: DesiredState,
    _directory: TempDir,
}

impl Scene {
    async fn start(commit: &str) -> Self {
        let (directory, programs) = (tempdir().unwrap(), Programs::new());
        let authority = Authority::new();
        let config = config(directory.path(), "https://127.0.0.1:1", "");
        enrolled(&config, &authority);
        let note = programs.script(
            "note",
            "echo $BATON_GROUP $BATON_STATE $BATON_VIRTUAL_ADDRESSES >> $1/notes; test ! -e $1/fails",
        );
        let commit = programs.script("commit", commit);
        let place = programs.0.path();
        let policy: Policy = serde_json::from_value(json!({"hooks": {
            "note": {"path": note, "args": [place], "user": "root"},
            "commit": {"path": commit, "args": [place], "user": "root"},
        }}))
        .unwrap();
        let mut desired = group(1);
        desired.hooks = serde_json::from_value(json!([
            {"on": "backup", "hook": "note"}, {"on": "active", "hook": "note"}]))
        .unwrap();
        desired.pre_active = Some(serde_json::from_value(json!({"hook": "commit"})).unwrap());
        let state = DesiredState::new(revision(1, 1), vec![desired], Vec::new()).unwrap();
        let agent = Agent::start_under(&config, policy).await;
        Self { programs, config, agent, state, _directory: directory }
    }

    async fn stands(&self, state: State, since_boottime_ns: u64, entrance: Option<Entrance>) {
        let group = GroupSnapshot { state, since_boottime_ns, entrance, ..snapshot(&self.state) };
        let snapshot = Snapshot { groups: vec![group], ..Snapshot::default() };
        self.agent.report(Report::Snapshot(snapshot)).await;
    }

    async fn waits(&self, attempt: u64) {
        let entrance = Entrance { attempt, since_boottime_ns: attempt, open: false };
        self.stands(State::Active, attempt, Some(entrance)).await;
    }

    fn notes(&self) -> Vec<String> {
        let notes = fs::read_to_string(self.programs.0.path().join("notes")).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }

    /// What the dataplane is told of the hook that it waits for.
    async fn told(&mut self) -> (u64, Result<(), String>) {
        loop {
            if let Some(Command::PreActive { attempt, outcome, .. }) =
                within("a command", self.agent.commands.recv()).await
            {
                return (attempt, outcome);
            }
        }
    }

    async fn status(&self, what: &str, holds: impl Fn(&[HookStatus]) -> bool) {
        status_that(&self.config, what, |status| status.groups.iter().any(|group| holds(&group.hooks))).await;
    }
}

#[tokio::test]
async fn a_hook_runs_in_its_state_until_it_succeeds() {
    let scene = Scene::start("true").await;
    fs::write(scene.programs.0.path().join("fails"), "").unwrap();
    scene.stands(State::Backup, 1, None).await;
    let seen = eventually("it runs again", || scene.notes(), |notes| notes.len() >= 2).await;
    assert_eq!(seen[0], "customer-0001-web-frontend backup 10.0.0.17/8");
    scene
        .status("the failure is shown", |hooks| {
            hooks[0].exit_code == Some(1) && hooks[0].succeeded == Some(false)
        })
        .await;
    fs::remove_file(scene.programs.0.path().join("fails")).unwrap();
    scene.status("so is the success", |hooks| hooks[0].exit_code == Some(0)).await;
    scene.stands(State::Active, 2, None).await;
    eventually(
        "the other state has its hook",
        || scene.notes().last().cloned(),
        |last| last.as_ref().is_some_and(|last| last.contains(" active ")),
    )
    .await;
    scene.agent.stop().await;
}

#[tokio::test]
async fn a_member_that_waits_is_told_once_how_its_hook_went() {
    let mut scene = Scene::start("test -e $1/go").await;
    scene.waits(3).await;
    assert_eq!(scene.told().await, (3, Err("commit: exit status 1".to_owned())));
    fs::write(scene.programs.0.path().join("go"), "").unwrap();
    scene.waits(4).await;
    assert_eq!(scene.told().await, (4, Ok(())));
    assert_eq!(scene.notes(), [] as [&str; 0], "the hook of the state comes after that");
    scene.stands(State::Active, 4, None).await;
    eventually("it has come", || scene.notes().len(), |notes| *notes == 1).await;
    scene.agent.stop().await;
}

#[tokio::test]
async fn a_hook_that_nobody_waits_for_any_longer_is_ended_before_the_next_one_runs() {
    let scene = Scene::start(
        "echo commit >> $1/notes; trap 'echo ended >> $1/notes; exit 0' TERM; while :; do sleep 0.01; done",
    )
    .await;
    scene.waits(3).await;
    eventually("it runs", || scene.notes(), |notes| notes.len() == 1).await;
    scene.stands(State::Backup, 9, None).await;
    let notes = eventually("the next one has run", || scene.notes(), |notes| notes.len() == 3).await;
    assert_eq!(notes[..2], ["commit", "ended"]);
    scene.agent.stop().await;
}

#[tokio::test]
async fn a_state_with_a_hook_that_the_host_does_not_declare_is_refused() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    let mut desired = group(1);
    desired.hooks = serde_json::from_value(json!([{"on": "backup", "hook": "reboot"}])).unwrap();
    session.desire(DesiredState::new(revision(1, 1), vec![desired], Vec::new()).unwrap()).await;
    assert_eq!(
        session.rejected().await.1,
        "hooks/0/hook: the policy of this host declares no hook reboot: it declares none"
    );
    assert!(agent.was_told_nothing(), "the dataplane hears nothing of it");
    agent.stop().await;
}
