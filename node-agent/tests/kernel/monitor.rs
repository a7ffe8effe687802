//! What the kernel tells of its addresses.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use tempfile::TempDir;

use crate::eventually::eventually;
use crate::lab::Lab;

/// `ip monitor address` in a namespace.
pub(crate) struct Monitor {
    ip: Child,
    output: PathBuf,
    _directory: TempDir,
}

impl Monitor {
    /// Starts it. Returns once it listens.
    pub(crate) fn start(lab: &Lab, host: u8) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let output = directory.path().join("output");
        let ip = Command::new("ip")
            .args(["-n", &lab.host(host), "monitor", "address"])
            .stdout(fs::File::create(&output).expect("a file"))
            .spawn()
            .expect("ip runs");
        // It says nothing when it is ready, so it is shown a change until it tells of it.
        let change = ["address", "replace", "10.66.9.9/32", "dev", "lo"];
        eventually(
            "ip monitor listens",
            || {
                lab.ip(host, &change);
                lab.ip(host, &["address", "del", "10.66.9.9/32", "dev", "lo"]);
                fs::read_to_string(&output).expect("readable")
            },
            |seen| seen.contains("10.66.9.9"),
        );
        Self { ip, output, _directory: directory }
    }

    /// What it has told of `eth0`.
    pub(crate) fn finish(mut self) -> String {
        self.ip.kill().expect("killed");
        self.ip.wait().expect("reaped");
        let seen = fs::read_to_string(&self.output).expect("readable");
        seen.lines().filter(|line| line.contains("eth0")).collect::<Vec<_>>().join("\n")
    }
}
