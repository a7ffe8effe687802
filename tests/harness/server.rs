//! A `baton-server` on its embedded Postgres, on a host of its own on the management bridge.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::api::Api;
use crate::binaries;
use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::{Lab, Ports};
use crate::process::Process;

const PORT: u16 = 8443;
/// The first start makes a database cluster, which takes seconds on a busy machine.
const TIME_TO_START: Duration = Duration::from_secs(60);
const TIME_TO_STOP: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Debug)]
pub struct Server {
    /// Where it runs.
    pub host: Host,
    configuration: PathBuf,
    process: RefCell<Option<Process>>,
}

impl Server {
    /// Plugs in a host, starts the server there and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; the error has the end of its log.
    pub fn start(lab: &Lab) -> Result<Self> {
        let host = lab.host("server", 10, Ports::Management)?;
        let configuration = host.directory.join("server.toml");
        let address = host.management;
        let state = host.directory.join("state");
        let text =
            format!("listen = \"{address}:{PORT}\"\nstate_dir = {state:?}\nnames = [\"{address}\"]\n",);
        fs::write(&configuration, text)?;
        let server = Self { host, configuration, process: RefCell::default() };
        server.restart()?;
        Ok(server)
    }

    /// Starts it again after [`Server::stop`] or [`Server::kill`] and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn restart(&self) -> Result<()> {
        let mut command = self.host.namespace.command(binaries::program("baton-server")?);
        command.args(["run", "--config"]).arg(&self.configuration);
        let mut process =
            Process::spawn("baton-server", &mut command, &self.host.directory.join("server.log"))?;
        eventually("the server is ready", TIME_TO_START, || {
            process.ensure_running()?;
            self.api()?.is_ready()
        })?;
        *self.process.borrow_mut() = Some(process);
        Ok(())
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}:{PORT}", self.host.management)
    }

    /// The file with the certificate of its authority.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.host.directory.join("state/ca.pem")
    }

    /// The file with the first admin's API token.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.host.directory.join("state/admin-token")
    }

    /// Speaks to it as the first admin.
    ///
    /// # Errors
    /// Before its first start has written CA and token.
    pub fn api(&self) -> Result<Api> {
        let token = fs::read_to_string(self.token_file()).context("the server has written no token yet")?;
        Ok(Api {
            namespace: self.host.namespace.clone(),
            url: self.url(),
            ca_pem: fs::read(self.ca_file()).context("the server has written no CA yet")?,
            bearer: Some(token.trim().to_owned()),
        })
    }

    /// Asks it to stop, and waits until it and its Postgres are gone.
    ///
    /// # Errors
    /// When they still run after 15 s, or it ends with a failure.
    pub fn stop(&self) -> Result<()> {
        let Some(mut process) = self.process.borrow_mut().take() else { return Ok(()) };
        let status = process.stop(TIME_TO_STOP)?;
        ensure!(status.success(), "the server ended with {status}:\n{}", process.log_tail());
        eventually("Postgres ends with the server", TIME_TO_STOP, || {
            let left = self.host.namespace.processes();
            ensure!(left.is_empty(), "{left:?} still run");
            Ok(())
        })
    }

    /// The postmaster of its embedded Postgres: the process from which the other ones come.
    ///
    /// # Errors
    /// When there is none.
    pub fn postmaster(&self) -> Result<Pid> {
        let is_postgres = |pid: &Pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
        };
        self.host.namespace.processes().into_iter().find(is_postgres).context("no Postgres runs")
    }

    /// Kills every process of its Postgres.
    ///
    /// # Errors
    /// When none runs.
    pub fn kill_postgres(&self) -> Result<()> {
        let postmaster = self.postmaster()?;
        kill(postmaster, Signal::SIGKILL)?;
        eventually("the postmaster is gone", TIME_TO_STOP, || {
            ensure!(self.postmaster().ok() != Some(postmaster), "it still runs");
            Ok(())
        })
    }
}
