//! What the kernel tells of its addresses.

use std::collections::BTreeSet;
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
    /// What was there when it began, with the namespace as it names it.
    there: BTreeSet<(String, String)>,
    _directory: TempDir,
}

impl Monitor {
    /// Starts it in the namespace of a host. Returns once it listens.
    pub(crate) fn start(lab: &Lab, host: u8) -> Self {
        let there = lab.ip(host, &["-o", "address", "show"]);
        let there = there.lines().filter_map(address_of).map(|address| (String::new(), address)).collect();
        Self::listen(&lab.host(host), &["monitor", "address"], there)
    }

    /// Starts one for all hosts at once. Every line begins with `[nsid N]` for host N, and the lines stand in the
    /// order in which the kernel made the changes: there is one queue for them all.
    pub(crate) fn of_all(lab: &Lab) -> Self {
        let of_host = |host: u8| {
            let there = lab.ip(host, &["-o", "address", "show"]);
            let there: Vec<_> = there.lines().filter_map(address_of).collect();
            there.into_iter().map(move |address| (format!("[nsid {host}"), alone(&address)))
        };
        let there = lab.hosts().flat_map(of_host).collect();
        Self::listen(&lab.switch(), &["monitor", "address", "all-nsid"], there)
    }

    fn listen(namespace: &str, arguments: &[&str], there: BTreeSet<(String, String)>) -> Self {
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
        Self { ip, output, there, _directory: directory }
    }

    /// What it has told of `eth0` so far. That the kernel will keep an address for another while is no change.
    pub(crate) fn seen(&self) -> Vec<String> {
        let seen = fs::read_to_string(&self.output).expect("readable");
        let mut there = self.there.clone();
        let mut is_change = |line: &&str| {
            let namespace = line.split_once(']').filter(|_| line.starts_with("[nsid")).map(|(nsid, _)| nsid);
            let Some(address) = address_of(line) else { return true };
            let key = match namespace {
                Some(namespace) => (namespace.to_owned(), alone(&address)),
                None => (String::new(), address),
            };
            if line.contains("Deleted") { there.remove(&key) } else { there.insert(key) }
        };
        let of_eth0 = seen.lines().filter(|line| line.contains("eth0"));
        of_eth0.filter(|line| is_change(line)).map(str::to_owned).collect()
    }

    /// What it has told of `eth0`.
    pub(crate) fn finish(self) -> String {
        self.seen().join("\n")
    }
}

/// The address that a line of `ip` is about, with its interface.
fn address_of(line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let kind = words.iter().position(|word| matches!(*word, "inet" | "inet6"))?;
    Some(format!("{} {}", words.get(kind.checked_sub(1)?)?, words.get(kind + 1)?))
}

/// Without the interface, which the monitor of all namespaces calls by what it finds in its own.
fn alone(address: &str) -> String {
    address.rsplit(' ').next().unwrap_or_default().to_owned()
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _killed = self.ip.kill();
        let _reaped = self.ip.wait();
    }
}
