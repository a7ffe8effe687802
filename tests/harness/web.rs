//! Web servers: real HAProxy processes, in front of others or answering by themselves.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::eventually::eventually;
use crate::host::Host;
use crate::http_prober::SERVED_BY;
use crate::process::Process;

const COMMON: &str = "
global
  maxconn 1000
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
";

/// A HAProxy process.
#[derive(Debug)]
pub struct Haproxy {
    process: Process,
}

impl Haproxy {
    /// One that answers port 80 of every address of `host` with the name of `host`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn answering(host: &Host) -> Result<Self> {
        let name = &host.name;
        let frontend = format!(
            "frontend web\n  bind 0.0.0.0:80\n  http-request return status 200 content-type text/plain \
             string \"{name}\\n\" hdr {SERVED_BY} {name}\n"
        );
        Self::start(host, &frontend, host.lan)
    }

    /// One that passes what comes to port 80 of `address` on to `backends`. It listens before the address is
    /// there.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn balancing(host: &Host, address: Ipv4Addr, backends: &[Host]) -> Result<Self> {
        let mut configuration = format!(
            "frontend service\n  bind {address}:80 transparent\n  bind {own}:80\n  default_backend web\n\
             backend web\n  balance roundrobin\n  http-response set-header {SERVED_BY} {name}\n",
            own = host.lan,
            name = host.name,
        );
        for Host { name, lan, .. } in backends {
            writeln!(configuration, "  server {name} {lan}:80 check inter 1s")?;
        }
        Self::start(host, &configuration, host.lan)
    }

    fn start(host: &Host, configuration: &str, answers_at: Ipv4Addr) -> Result<Self> {
        let path = host.directory.join("haproxy.cfg");
        fs::write(&path, format!("{COMMON}{configuration}"))?;
        let mut command = host.namespace.command("haproxy");
        command.arg("-db").arg("-f").arg(&path);
        let mut process = Process::spawn("haproxy", &mut command, &host.directory.join("haproxy.log"))?;
        eventually("haproxy listens", Duration::from_secs(10), || {
            process.ensure_running()?;
            let connected = host.namespace.enter(|| TcpStream::connect((answers_at, 80)))?;
            connected.map(drop).map_err(|error| anyhow!("{error}"))
        })?;
        Ok(Self { process })
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
