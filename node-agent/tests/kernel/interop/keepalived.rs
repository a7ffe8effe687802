//! Debian's keepalived as another router of the LAN.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::lab::Lab;

/// A running keepalived; killed when it is dropped.
pub(crate) struct Keepalived {
    process: Child,
    files: TempDir,
}

impl Keepalived {
    /// Runs on a host of the lab with one instance: `vrrp_version` and the lines of its `vrrp_instance`
    /// block, but for interface and VRID.
    pub(crate) fn start(lab: &Lab, host: u8, version: u8, instance: &str) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let path = |name: &str| files.path().join(name);
        let configuration = format!(
            "global_defs {{\n  router_id peer\n  vrrp_version {version}\n}}\n\
             vrrp_instance peer {{\n  state BACKUP\n  interface eth0\n  virtual_router_id 51\n\
             {instance}\n}}\n"
        );
        fs::write(path("keepalived.conf"), configuration).expect("written");
        let log = fs::File::create(path("log")).expect("a log");
        // In the foreground, VRRP only, to the console and not to syslog.
        let process = Command::new("ip")
            .args(["netns", "exec", &lab.host(host), "keepalived", "-n", "-P", "-l", "-G", "-f"])
            .arg(path("keepalived.conf"))
            .arg("-p")
            .arg(path("keepalived.pid"))
            .arg("-r")
            .arg(path("vrrp.pid"))
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("keepalived runs: apt-get install keepalived");
        Self { process, files }
    }

    /// The program and its version, as it says itself.
    pub(crate) fn version() -> String {
        let output = Command::new("keepalived").arg("--version").output().expect("keepalived runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let version = text.split_whitespace().nth(1).expect("a version");
        format!("keepalived {}", version.trim_start_matches('v'))
    }

    /// Whether it takes part by now, as Backup or more.
    pub(crate) fn takes_part(&self) -> bool {
        self.log().contains("Entering BACKUP STATE")
    }

    /// What it has said.
    fn log(&self) -> String {
        fs::read_to_string(self.files.path().join("log")).unwrap_or_default()
    }

    /// Asks it to stop: it removes its address and resigns with priority 0.
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("signalled");
        let _status = self.process.wait().expect("ended");
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        // Its own child dies with it: it asks the kernel for that signal.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}
