//! What the kernel tells of its addresses.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use tempfile::TempDir;

use crate::eventually::eventually;
use crate::lab::{self, Lab};

/// A running `ip monitor address`.
pub(crate) struct Monitor {
    ip: Child,
    output: PathBuf,
    _directory: TempDir,
}

impl Monitor {
    /// Starts it in the namespace of a host. Returns once it listens.
    pub(crate) fn start(lab: &Lab, host: u8) -> Self {
        Self::listen(&lab.host(host), &["monitor", "address"])
    }

    /// Starts one for all hosts at once. Every line begins with `[nsid N]` for host N, and the lines stand in the
    /// order in which the kernel made the changes: there is one queue for them all.
    pub(crate) fn of_all(lab: &Lab) -> Self {
        Self::listen(&lab.switch(), &["monitor", "address", "all-nsid"])
    }

    fn listen(namespace: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let output = directory.path().join("output");
        let ip = Command::new("ip")
            .args(["-n", namespace])
            .args(arguments)
            .stdout(fs::File::create(&output).expect("a file"))
            .spawn()
            .expect("ip runs");
        // It says nothing when it is ready, so it is shown a change until it tells of it.
        eventually(
            "ip monitor listens",
            || {
                lab::ip(&["-n", namespace, "address", "replace", "10.66.9.9/32", "dev", "lo"]);
                lab::ip(&["-n", namespace, "address", "del", "10.66.9.9/32", "dev", "lo"]);
                fs::read_to_string(&output).expect("readable")
            },
            |seen| seen.contains("10.66.9.9"),
        );
        Self { ip, output, _directory: directory }
    }

    /// What it has told of `eth0` so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        let seen = fs::read_to_string(&self.output).expect("readable");
        seen.lines().filter(|line| line.contains("eth0")).map(str::to_owned).collect()
    }

    /// What it has told of `eth0`.
    pub(crate) fn finish(self) -> String {
        self.seen().join("\n")
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _killed = self.ip.kill();
        let _reaped = self.ip.wait();
    }
}
