//! The control half of one agent, with the test as its dataplane.

use std::path::Path;
use std::sync::Arc;

use api_types::channel::{DesiredState, Revision};
use api_types::enrolment::Enrolment;
use api_types::transition::{State, TransitionReason};
use baton_agent::config::Config;
use baton_agent::control::identity::{AgentKey, Identity};
use baton_agent::control::{self, ControlError, Start};
use baton_agent::messages::{Command, Ending, ObservedTransition, Report, Snapshot};
use baton_agent::policy::Policy;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;
use vrrp::{Family, Priority, Vrid};

use crate::authority::Authority;
use crate::eventually::within;

pub(crate) struct Agent {
    pub(crate) boot_id: Uuid,
    pub(crate) commands: mpsc::Receiver<Command>,
    reports: mpsc::Sender<Report>,
    end: oneshot::Sender<Ending>,
    task: JoinHandle<Result<Ending, ControlError>>,
}

/// The configuration of an agent that lives in `directory`.
pub(crate) fn config(directory: &Path, url: &str, more: &str) -> Config {
    let text = format!(
        "state_dir = {state:?}\nsocket = {socket:?}\n[server]\nurl = {url:?}\n{more}",
        state = directory.join("state"),
        socket = directory.join("agent.sock"),
    );
    Config::from_sources(Path::new("agent.toml"), &text, |_| None).unwrap()
}

/// Makes the agent known under an authority, as if it had enrolled.
pub(crate) fn enrolled(config: &Config, authority: &Authority) -> (AgentKey, Identity) {
    let key = AgentKey::load_or_make(&config.state_dir).unwrap();
    let enrolment = Enrolment { node_id: Uuid::new_v4(), node: "lb1".to_owned(), ca_pem: authority.pem() };
    (key, Identity::store(&config.state_dir, enrolment).unwrap())
}

impl Agent {
    /// A new boot.
    pub(crate) async fn start(config: &Config) -> Self {
        Self::start_boot(config, Uuid::new_v4()).await
    }

    /// A worker of a boot, whose dataplane has said how it stands.
    pub(crate) async fn start_boot(config: &Config, boot_id: Uuid) -> Self {
        let agent = Self::spawn(config, Policy::default(), boot_id, 1);
        agent.report(Report::Snapshot(Snapshot::default())).await;
        agent
    }

    /// A new boot whose dataplane has not said anything.
    pub(crate) fn start_mute(config: &Config) -> Self {
        Self::spawn(config, Policy::default(), Uuid::new_v4(), 1)
    }

    /// The second worker of a boot, whose dataplane has not said anything.
    pub(crate) fn start_second(config: &Config, boot_id: Uuid) -> Self {
        Self::spawn(config, Policy::default(), boot_id, 2)
    }

    /// A new boot on a host with this policy.
    pub(crate) async fn start_under(config: &Config, policy: Policy) -> Self {
        let agent = Self::spawn(config, policy, Uuid::new_v4(), 1);
        agent.report(Report::Snapshot(Snapshot::default())).await;
        agent
    }

    fn spawn(config: &Config, policy: Policy, boot_id: Uuid, worker_starts: u64) -> Self {
        let (reports, reports_in) = mpsc::channel(64);
        let (commands_out, commands) = mpsc::channel(4);
        let (end, told) = oneshot::channel();
        let task = tokio::spawn(control::run(Start {
            config: Arc::new(config.clone()),
            policy: Arc::new(policy),
            program: env!("CARGO_BIN_EXE_baton-agent").into(),
            boot_id,
            worker_starts,
            worker_deaths: 0,
            reports: reports_in,
            commands: commands_out,
            end: told,
            parent_gone: oneshot::channel().1,
            predecessor: None,
        }));
        Self { boot_id, commands, reports, end, task }
    }

    pub(crate) async fn report(&self, report: Report) {
        within("the report is taken", self.reports.send(report)).await.unwrap();
    }

    pub(crate) async fn transitions(&self, number: usize) {
        for _ in 0..number {
            self.report(Report::Transition(transition())).await;
        }
    }

    /// What the dataplane is told to run next.
    pub(crate) async fn told_to_apply(&mut self) -> Revision {
        match within("a command", self.commands.recv()).await {
            Some(Command::Apply { revision, .. }) => revision,
            other => panic!("{other:?}"),
        }
    }

    /// Accepts what the dataplane is told to run next.
    pub(crate) async fn apply(&mut self) -> Revision {
        let revision = self.told_to_apply().await;
        self.report(Report::Applied(revision)).await;
        revision
    }

    /// Whether the dataplane has been told something.
    pub(crate) fn was_told_nothing(&mut self) -> bool {
        self.commands.try_recv().is_err()
    }

    /// Stops as on SIGTERM; the dataplane resigns with one last transition.
    pub(crate) async fn stop(mut self) {
        self.end.send(Ending::Stop).unwrap();
        assert_eq!(within("a command", self.commands.recv()).await, Some(Command::Stop));
        let last = ObservedTransition {
            from: State::Active,
            to: State::Initialize,
            reason: TransitionReason::Stopped,
            ..transition()
        };
        within("the report is taken", self.reports.send(Report::Transition(last))).await.unwrap();
        within("the report is taken", self.reports.send(Report::Stopped)).await.unwrap();
        assert_eq!(within("control ends", self.task).await.unwrap().unwrap(), Ending::Stop);
    }

    /// Leaves everything to another worker; the dataplane tells one last transition.
    pub(crate) async fn hand_over(mut self) {
        self.end.send(Ending::HandOver).unwrap();
        assert_eq!(within("a command", self.commands.recv()).await, Some(Command::HandOver));
        within("the report is taken", self.reports.send(Report::Transition(transition()))).await.unwrap();
        within("the report is taken", self.reports.send(Report::Stopped)).await.unwrap();
        assert_eq!(within("control ends", self.task).await.unwrap().unwrap(), Ending::HandOver);
    }

    /// Ends in the middle of whatever it does.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let _ = within("control ends", self.task).await;
    }
}

pub(crate) fn transition() -> ObservedTransition {
    ObservedTransition {
        group_id: Uuid::nil(),
        group: "web".to_owned(),
        family: Family::Ipv4,
        vrid: Vrid::MIN,
        interface: "eth0".to_owned(),
        from: State::Backup,
        to: State::Active,
        reason: TransitionReason::NoResponse,
        priority: Priority::MIN,
        at_boottime_ns: 1,
        last_advertisement: None,
        bound_at_boottime_ns: None,
        announced_at_boottime_ns: None,
        released_at_boottime_ns: None,
        failing_checks: Vec::new(),
    }
}

pub(crate) fn revision(epoch: i64, counter: i64) -> Revision {
    Revision { epoch, counter }
}

pub(crate) fn state(epoch: i64, counter: i64) -> DesiredState {
    DesiredState::new(revision(epoch, counter), Vec::new(), Vec::new()).unwrap()
}
