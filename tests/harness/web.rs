//! Web servers: real HAProxy processes, in front of others or answering by themselves, and real nginx.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
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

    /// One that passes what comes to port 80 of `address` on to port 80 of `server`, and says on port 8404 that it is
    /// up while the server is.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn checked(host: &Host, address: Ipv4Addr, server: &Host) -> Result<Self> {
        let configuration = format!(
            "frontend service\n  bind {address}:80 transparent\n  bind {own}:80\n  default_backend web\n\
             frontend up\n  bind 127.0.0.1:8404\n  monitor-uri /up\n  monitor fail if {{ nbsrv(web) lt 1 }}\n\
             backend web\n  http-response set-header {SERVED_BY} {name}\n  server store {store}:80 check inter 1s\n",
            own = host.lan,
            name = host.name,
            store = server.lan,
        );
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

/// An nginx that keeps what is written to it.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
}

impl Nginx {
    /// One that answers port 80 of every address of `host` with what `documents` has, and says there at `/health` that
    /// it is well.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(host: &Host, documents: &Path) -> Result<Self> {
        let place = host.directory.join("nginx");
        fs::create_dir_all(&place)?;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("  {kind}_temp_path {};\n", place.join(kind).display()))
            .concat();
        let configuration = format!(
            "user root;\ndaemon off;\nworker_processes 1;\npid {place}/pid;\nerror_log {place}/errors;\n\
             events {{ worker_connections 64; }}\nhttp {{\n  access_log off;\n{temporary}  server {{\n    \
             listen 80;\n    root {documents};\n    add_header Served-By {name} always;\n    dav_methods PUT;\n    \
             location = /health {{ return 200 \"ok\\n\"; }}\n  }}\n}}\n",
            place = place.display(),
            documents = documents.display(),
            name = host.name,
        );
        let path = place.join("nginx.conf");
        fs::write(&path, configuration)?;
        let mut command = host.namespace.command("nginx");
        command.arg("-e").arg(place.join("errors")).arg("-c").arg(&path);
        let mut process = Process::spawn("nginx", &mut command, &host.directory.join("nginx.log"))?;
        eventually("nginx listens", Duration::from_secs(10), || {
            process.ensure_running()?;
            let connected = host.namespace.enter(|| TcpStream::connect((host.lan, 80)))?;
            connected.map(drop).map_err(|error| anyhow!("{error}"))
        })?;
        Ok(Self { process })
    }

    /// Asks it to end, as its service does, and waits until it has.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> Result<()> {
        self.process.stop(Duration::from_secs(10)).map(drop)
    }
}
