//! A network namespace: processes run in it, threads join it, and what lives in it can be listed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

use crate::command::output_of;

/// Where `ip netns` keeps the names.
pub(crate) const NAMED_NAMESPACES: &str = "/run/netns";

/// A named network namespace. Whoever makes one removes it with [`Namespace::remove`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace with loopback up and IPv6 off, so that only what a test asks for is on the wire.
    ///
    /// # Errors
    /// When the kernel refuses, for example without root.
    pub fn add(name: &str) -> Result<Self> {
        output_of(Command::new("ip").args(["netns", "add", name]))?;
        let namespace = Self { name: name.to_owned() };
        namespace.set_sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
        namespace.set_sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        output_of(Command::new("ip").args(["-n", name, "link", "set", "lo", "up"]))?;
        Ok(namespace)
    }

    /// Every named namespace whose name begins with `prefix`.
    pub fn with_prefix(prefix: &str) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(NAMED_NAMESPACES) else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(prefix))
            .map(|name| Self { name })
            .collect()
    }

    /// Its name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Removes the name; the namespace itself ends with the last process and socket in it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self) -> Result<()> {
        output_of(Command::new("ip").args(["netns", "del", &self.name])).map(drop)
    }

    /// A command that will run in the namespace. Its process id is that of the program itself.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program.as_ref());
        command
    }

    /// Runs `work` on a thread that has joined the namespace, and waits for it.
    ///
    /// # Errors
    /// When the namespace cannot be joined or the thread panics.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| self.join().map(|()| work()));
            worker.join().ok().with_context(|| format!("a thread in {} panicked", self.name))?
        })
    }

    /// Makes the calling thread a part of the namespace: sockets it opens from now on live there.
    ///
    /// # Errors
    /// When the namespace is gone or root is missing.
    pub fn join(&self) -> Result<()> {
        let handle =
            File::open(self.path()).with_context(|| format!("there is no namespace {}", self.name))?;
        setns(handle, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot join {}", self.name))
    }

    /// Every process that runs in the namespace, oldest id first.
    pub fn processes(&self) -> Vec<Pid> {
        let Ok(own) = fs::metadata(self.path()) else { return Vec::new() };
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let mut pids: Vec<i32> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                fs::metadata(format!("/proc/{pid}/ns/net"))
                    .is_ok_and(|theirs| theirs.ino() == own.ino() && theirs.dev() == own.dev())
            })
            .collect();
        pids.sort_unstable();
        pids.into_iter().map(Pid::from_raw).collect()
    }

    /// Writes a setting under `/proc/sys` as the namespace sees it.
    ///
    /// # Errors
    /// When there is no such setting.
    pub fn set_sysctl(&self, path: &str, value: &str) -> Result<()> {
        self.enter(|| fs::write(Path::new("/proc/sys").join(path), value))?
            .with_context(|| format!("cannot set {path} in {}", self.name))
    }

    /// Feeds a ruleset to `nft -f -` in the namespace, as one transaction.
    ///
    /// # Errors
    /// When nft refuses it.
    pub fn nft(&self, rules: &str) -> Result<()> {
        let mut child = self
            .command("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start nft")?;
        child.stdin.take().context("nft has no input")?.write_all(rules.as_bytes())?;
        let done = child.wait_with_output()?;
        ensure!(done.status.success(), "nft refused: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    fn path(&self) -> PathBuf {
        Path::new(NAMED_NAMESPACES).join(&self.name)
    }
}
