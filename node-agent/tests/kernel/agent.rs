//! The real agent, parent and worker, in a namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use api_types::channel::{DesiredGroup, DesiredState, Revision};
use api_types::check::CheckSpec;
use baton_agent::config::{Config, FenceSettings};
use baton_agent::control::desired_state::{Assignment, DesiredStateStore};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::eventually::eventually;
use crate::freezer::Freezer;
use crate::lab::Lab;
use crate::router::{VIP, group};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_baton-agent");

/// The real agent in a namespace, started from a desired state on disk, with no server to reach.
pub(crate) struct Agent {
    pub(crate) parent: Child,
    pub(crate) directory: TempDir,
}

impl Agent {
    pub(crate) fn start(lab: &Lab, host: u8, priority: u8) -> Self {
        Self::start_with(lab, host, priority, |_, _| {})
    }

    /// Starts it without a capability that root has.
    pub(crate) fn start_without(lab: &Lab, host: u8, priority: u8, capability: &str) -> Self {
        Self::start_with(lab, host, priority, |command, _| {
            command.args(["setpriv", &format!("--bounding-set=-{capability}"), "--"]);
        })
    }

    pub(crate) fn start_with(
        lab: &Lab,
        host: u8,
        priority: u8,
        prepare: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        Self::start_group(lab, host, group(priority), prepare)
    }

    pub(crate) fn start_group(
        lab: &Lab,
        host: u8,
        group: DesiredGroup,
        prepare: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        Self::start_groups(lab, host, vec![group], prepare)
    }

    pub(crate) fn start_groups(
        lab: &Lab,
        host: u8,
        groups: Vec<DesiredGroup>,
        prepare: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        Self::start_fenced(lab, host, groups, FenceSettings::default(), prepare)
    }

    /// Starts it with these fences.
    pub(crate) fn start_fenced(
        lab: &Lab,
        host: u8,
        groups: Vec<DesiredGroup>,
        fences: FenceSettings,
        prepare: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        Self::start_checking(lab, host, groups, Vec::new(), fences, prepare)
    }

    /// Starts it with these checks. What its policy is stands in `policy.toml` of its directory.
    pub(crate) fn start_checking(
        lab: &Lab,
        host: u8,
        groups: Vec<DesiredGroup>,
        checks: Vec<CheckSpec>,
        fences: FenceSettings,
        prepare: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let state = DesiredState::new(Revision { epoch: 1, counter: 1 }, groups, checks).expect("JSON");
        let assignment = Assignment { origin: None, state };
        DesiredStateStore::new(directory.path()).save(&assignment).expect("stored");
        let path = directory.path().display();
        let text = format!(
            "state_dir = \"{path}\"\nsocket = \"{path}/agent.sock\"\npolicy_file = \"{path}/policy.toml\"\n\
             [server]\nurl = \"https://10.66.0.250:8443\"\n"
        );
        let config = Config::from_sources(Path::new("agent.toml"), &text, |_| None).expect("a configuration");
        let text = Config { fences, ..config }.to_toml().expect("TOML");
        fs::write(directory.path().join("agent.toml"), text).expect("written");
        let parent = run(lab, host, directory.path(), prepare);
        Self { parent, directory }
    }

    /// Starts it with these fences and its state on a disk that can hang, and waits until it holds.
    pub(crate) fn start_on_disk(lab: &Lab, group: DesiredGroup, fences: FenceSettings) -> (Self, Freezer) {
        let mut disk = None;
        let agent = Self::start_fenced(lab, 1, vec![group], fences, |command, directory| {
            let state = directory.join("state");
            disk = Some(Freezer::mount(&directory.join("image"), &state));
            fs::copy(directory.join("desired-state"), state.join("desired-state")).expect("copied");
            command.env("BATON_AGENT_STATE_DIR", &state);
        });
        eventually("it holds", || lab.has(1, VIP), |has| *has);
        (agent, disk.expect("mounted"))
    }

    /// Its disk hangs and its worker dies: the next one cannot even open its journal, since it would have to
    /// make the directory first.
    pub(crate) fn kill_worker_as_disk_hangs(&self, disk: &Freezer) {
        fs::remove_dir_all(self.directory.path().join("state/journal")).expect("removed");
        disk.freeze();
        self.kill_worker();
    }

    pub(crate) fn start_again(&mut self, lab: &Lab, host: u8) {
        self.parent = run(lab, host, self.directory.path(), |_, _| {});
    }

    /// The process id of the worker that lives now.
    pub(crate) fn worker(&self) -> Option<i32> {
        self.workers().into_iter().next()
    }

    /// The process ids of all workers that live: two while one hands over to the next.
    pub(crate) fn workers(&self) -> Vec<i32> {
        workers_of(&self.config_file())
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.directory.path().join("agent.toml")
    }

    /// What `baton-agent status` answers; null while there is no answer.
    pub(crate) fn status(&self) -> serde_json::Value {
        let output = Command::new(PROGRAM)
            .arg("--config")
            .arg(self.config_file())
            .args(["status", "-o", "json"])
            .output();
        serde_json::from_slice(&output.expect("the status runs").stdout).unwrap_or_default()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// What the journal has of the first group, in order: the state before, the state after, the reason.
    pub(crate) fn transitions(&self) -> Vec<String> {
        let mut files: Vec<_> = fs::read_dir(self.directory.path().join("journal"))
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        files.sort();
        let text: String = files
            .iter()
            .map(|path| String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned())
            .collect();
        let word = |record: &str, name: &str| {
            let value = record.split(&format!("\"{name}\":\"")).nth(1).unwrap_or_default();
            value.split('"').next().unwrap_or_default().to_owned()
        };
        let records = text.split("{\"boot_id\"").skip(1).filter(|record| record.contains("\"reason\""));
        records.map(|record| ["from", "to", "reason"].map(|name| word(record, name)).join(" ")).collect()
    }

    pub(crate) fn kill_worker(&self) -> i32 {
        let worker = eventually("a worker", || self.worker(), Option::is_some).expect("a worker");
        kill(Pid::from_raw(worker), Signal::SIGKILL).expect("killed");
        worker
    }

    pub(crate) fn kill_parent(&mut self) {
        self.parent.kill().expect("killed");
        self.parent.wait().expect("reaped");
    }

    pub(crate) fn stop(&mut self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(i32::try_from(self.parent.id()).expect("a pid")), signal).expect("sent");
        eventually("the agent ends", || self.parent.try_wait().expect("a child"), Option::is_some)
            .expect("ended")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _killed = self.parent.kill();
        let _reaped = self.parent.wait();
        while let Some(worker) = self.worker() {
            let _killed = kill(Pid::from_raw(worker), Signal::SIGKILL);
        }
    }
}

fn run(lab: &Lab, host: u8, directory: &Path, prepare: impl FnOnce(&mut Command, &Path)) -> Child {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &lab.host(host)]);
    prepare(&mut command, directory);
    command
        .args([PROGRAM, "run", "--config"])
        .arg(directory.join("agent.toml"))
        .stderr(fs::File::options().create(true).append(true).open(directory.join("log")).expect("a log"))
        .stdout(Stdio::null())
        .spawn()
        .expect("the agent starts")
}

/// The workers that were started with this configuration, as `/proc` shows them. A program that one of them
/// starts bears its command line for a moment, until it is run.
fn workers_of(config: &Path) -> Vec<i32> {
    let Some(config) = config.to_str() else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_worker = |entry: &fs::DirEntry| {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments: Vec<_> = command.split(|octet| *octet == 0).collect();
        arguments.contains(&b"worker".as_slice()) && arguments.contains(&config.as_bytes())
    };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let found: Vec<i32> = processes.filter(is_worker).filter_map(number).collect();
    let is_a_workers = |process: &i32| parent_of(*process).is_none_or(|parent| found.contains(&parent));
    found.iter().copied().filter(|process| !is_a_workers(process)).collect()
}

/// The process that started this one, or has inherited it.
fn parent_of(process: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}
