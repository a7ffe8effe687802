//! A node: a host with a `baton-agent`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use api_types::agent_status::LocalStatus;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::binaries;
use crate::command::output_of;
use crate::eventually::eventually;
use crate::host::Host;
use crate::process::{Process, is_alive};

/// The policy of a host, in its directory. It is not there unless a test writes it.
const POLICY: &str = "policy.toml";
const TIME_TO_STOP: Duration = Duration::from_secs(15);
const TIME_TO_DIE: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub struct Node {
    /// Where it runs.
    pub host: Host,
    program: PathBuf,
    configuration: PathBuf,
    /// What every agent's configuration says.
    basic: String,
    agent: RefCell<Option<Process>>,
}

impl Node {
    /// Writes the configuration of an agent that will enrol with `join_token`, and starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(host: &Host, program: &Path, server_url: &str, join_token: &str) -> Result<Self> {
        let directory = &host.directory;
        let (configuration, token) = (directory.join("agent.toml"), directory.join("join-token"));
        fs::write(&token, join_token)?;
        let basic = format!(
            "state_dir = {:?}\nsocket = {:?}\npolicy_file = {:?}\n\n\
             [server]\nurl = \"{server_url}\"\njoin_token_file = {token:?}\n",
            directory.join("state"),
            directory.join("agent.sock"),
            directory.join(POLICY),
        );
        let agent = RefCell::default();
        let node = Self { host: host.clone(), program: program.to_owned(), configuration, basic, agent };
        node.configure("")?;
        node.restart()?;
        Ok(node)
    }

    /// Adds `sections` to its configuration, in place of what was added before. The agent reads it at its next
    /// start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, sections: &str) -> Result<()> {
        fs::write(&self.configuration, format!("{}\n{sections}", self.basic)).context("cannot configure")
    }

    /// Where the agent looks for the policy of its host, when it starts.
    #[must_use]
    pub fn policy_file(&self) -> PathBuf {
        self.host.directory.join(POLICY)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.host.name
    }

    /// Starts the agent again after [`Node::stop`] or [`Node::kill`], with the state it has on disk.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&self) -> Result<()> {
        let mut command = self.host.namespace.command(&self.program);
        command.args(["run", "--config"]).arg(&self.configuration);
        let log = self.host.directory.join("agent.log");
        *self.agent.borrow_mut() = Some(Process::spawn("baton-agent", &mut command, &log)?);
        Ok(())
    }

    /// Asks the agent to stop and waits until its processes are gone.
    ///
    /// # Errors
    /// When they still run after 15 s, or it ends with a failure.
    pub fn stop(&self) -> Result<()> {
        let Some(mut agent) = self.agent.borrow_mut().take() else { return Ok(()) };
        let worker = self.worker_of(agent.pid())?;
        let status = agent.stop(TIME_TO_STOP)?;
        ensure!(status.success(), "the agent of {} ended with {status}:\n{}", self.name(), agent.log_tail());
        ensure!(!is_alive(worker), "the worker of {} outlives its parent's end", self.name());
        Ok(())
    }

    /// Kills every process on the host, as when its power fails. What the kernel holds stays.
    ///
    /// # Errors
    /// When one does not die.
    pub fn kill(&self) -> Result<()> {
        let mut dying = BTreeSet::new();
        eventually(&format!("every process of {} is dead", self.name()), TIME_TO_DIE, || {
            dying.extend(self.host.namespace.processes());
            dying.retain(|pid| is_alive(*pid));
            for pid in &dying {
                let _died_meanwhile = kill(*pid, Signal::SIGKILL);
            }
            ensure!(dying.is_empty(), "{dying:?} lived");
            Ok(())
        })?;
        self.agent.borrow_mut().take();
        Ok(())
    }

    /// Kills the worker, and only it.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill_worker(&self) -> Result<()> {
        kill(self.worker()?, Signal::SIGKILL).context("cannot kill the worker")
    }

    /// Sends a signal to the worker, and only to it.
    ///
    /// # Errors
    /// When there is none.
    pub fn signal_worker(&self, signal: Signal) -> Result<()> {
        kill(self.worker()?, signal).with_context(|| format!("cannot send {signal} to the worker"))
    }

    /// Sends a signal to the parent, and only to it.
    ///
    /// # Errors
    /// When no agent runs.
    pub fn signal_parent(&self, signal: Signal) -> Result<()> {
        kill(self.parent()?, signal).with_context(|| format!("cannot send {signal} to the parent"))
    }

    /// Sends a signal to every process on the host, the parent first.
    pub fn signal_all(&self, signal: Signal) {
        for pid in self.host.namespace.processes() {
            let _ended_meanwhile = kill(pid, signal);
        }
    }

    /// Kills the parent, and only it.
    ///
    /// # Errors
    /// When no agent runs.
    pub fn kill_parent(&self) -> Result<()> {
        let mut agent = self.agent.borrow_mut().take().context("no agent runs")?;
        agent.kill();
        Ok(())
    }

    /// The process id of the parent.
    ///
    /// # Errors
    /// When no agent runs.
    pub fn parent(&self) -> Result<Pid> {
        self.agent.borrow().as_ref().map(Process::pid).context("no agent runs")
    }

    /// The process id of the worker.
    ///
    /// # Errors
    /// When no agent runs, or there is no worker now.
    pub fn worker(&self) -> Result<Pid> {
        self.worker_of(self.parent()?)
    }

    fn worker_of(&self, parent: Pid) -> Result<Pid> {
        let is_child = |pid: &Pid| parent_of(*pid) == Some(parent);
        let worker = self.host.namespace.processes().into_iter().find(is_child);
        worker.with_context(|| format!("the agent of {} has no worker", self.name()))
    }

    /// What `baton-agent status` answers.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub fn status(&self) -> Result<LocalStatus> {
        Ok(serde_json::from_str(&self.status_json()?)?)
    }

    /// The text of [`Node::status`].
    ///
    /// # Errors
    /// When the agent does not answer.
    pub fn status_json(&self) -> Result<String> {
        let mut command = self.host.namespace.command(binaries::program("baton-agent")?);
        output_of(command.args(["status", "-o", "json", "--config"]).arg(&self.configuration))
    }

    /// An error with the end of its log when the agent does not run.
    ///
    /// # Errors
    /// See above.
    pub fn ensure_running(&self) -> Result<()> {
        self.agent.borrow_mut().as_mut().context("no agent runs")?.ensure_running()
    }

    /// The end of the agent's log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.host.directory.join("agent.log")).unwrap_or_default()
    }

    /// Waits until the agent has ended by itself, and answers its log.
    ///
    /// # Errors
    /// When it runs on.
    pub fn wait_for_end(&self, within: Duration) -> Result<String> {
        eventually(&format!("the agent of {} ends", self.name()), within, || {
            let mut agent = self.agent.borrow_mut();
            match agent.as_mut().map(Process::is_running) {
                Some(Ok(true)) => Err(anyhow!("it runs; its log:\n{}", self.log())),
                _ => Ok(self.log()),
            }
        })
    }
}

/// Field 4 of `/proc/<pid>/stat`.
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = stat[stat.rfind(')')? + 2..].split(' ').nth(1)?.parse().ok()?;
    Some(Pid::from_raw(parent))
}
