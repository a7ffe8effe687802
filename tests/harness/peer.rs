//! A router without an agent: Debian's keepalived.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::Result;

use crate::host::Host;
use crate::process::Process;

/// What a keepalived takes part in.
#[derive(Debug, Clone, Copy)]
pub struct VrrpInstance {
    /// The virtual router.
    pub vrid: u8,
    /// Its priority.
    pub priority: u8,
    /// The interval in milliseconds.
    pub interval_ms: u32,
    /// Whether it preempts.
    pub preempt: bool,
    /// The virtual address.
    pub address: Ipv4Addr,
}

/// A keepalived process.
#[derive(Debug)]
pub struct Keepalived {
    host: Host,
    configuration: PathBuf,
    process: Option<Process>,
}

impl Keepalived {
    /// Writes its configuration and starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(host: &Host, instance: VrrpInstance) -> Result<Self> {
        let configuration = host.directory.join("keepalived.conf");
        fs::write(&configuration, configured(host, instance))?;
        let mut keepalived = Self { host: host.clone(), configuration, process: None };
        keepalived.restart()?;
        Ok(keepalived)
    }

    /// Starts it again after [`Keepalived::kill`] or [`Keepalived::stop`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        let directory = &self.host.directory;
        let mut command = self.host.namespace.command("keepalived");
        // In the foreground, VRRP only, to the console and not to syslog.
        command.args(["-n", "-P", "-l", "-G", "-f"]).arg(&self.configuration);
        for (option, name) in [("-p", "keepalived.pid"), ("-r", "vrrp.pid"), ("-c", "checkers.pid")] {
            command.arg(option).arg(directory.join(name));
        }
        self.process = Some(Process::spawn("keepalived", &mut command, &directory.join("keepalived.log"))?);
        Ok(())
    }

    /// Asks it to stop: it removes its address and resigns with priority 0.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.stop(std::time::Duration::from_secs(10)).map(drop)
    }
}

fn configured(host: &Host, instance: VrrpInstance) -> String {
    let VrrpInstance { vrid, priority, interval_ms, preempt, address } = instance;
    let seconds = f64::from(interval_ms) / 1_000.0;
    let nopreempt = if preempt { "" } else { "  nopreempt\n" };
    format!(
        "global_defs {{\n  router_id {name}\n  vrrp_version 3\n}}\n\
         vrrp_instance vrid-{vrid} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {vrid}\n  \
         priority {priority}\n  advert_int {seconds}\n{nopreempt}  \
         virtual_ipaddress {{\n    {address}/32 dev eth0\n  }}\n}}\n",
        name = host.name,
    )
}
