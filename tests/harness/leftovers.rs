//! Nothing of a laboratory outlives it: not after a panic, not after Ctrl-C, not after `kill -9`.
//!
//! Everything a laboratory makes carries its prefix. [`sweep`] finds it by that alone, so the same few lines
//! serve the ordinary end, an interrupt, and the next run that finds what a killed one left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::output_of;
use crate::eventually::eventually;
use crate::interrupt::tell;
use crate::namespace::{NAMED_NAMESPACES, Namespace};

/// Every laboratory's prefix begins with this.
const FAMILY: &str = "bt-";
const OWNER_FILE: &str = "owner";
const TIME_TO_STOP: Duration = Duration::from_millis(1500);
const TIME_TO_DIE: Duration = Duration::from_secs(10);

static LIVE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// Whether the mount of namespaces' names was not there before this process made its first laboratory.
static MADE_NETNS_MOUNT: OnceLock<bool> = OnceLock::new();

/// Draws a prefix, makes its directory and remembers who owns it.
///
/// # Errors
/// When the directory cannot be made.
pub(crate) fn claim() -> Result<(String, PathBuf)> {
    MADE_NETNS_MOUNT.get_or_init(|| !names_are_mounted());
    sweep_orphans();
    let random = uuid::Uuid::new_v4().simple().to_string();
    let prefix = format!("{FAMILY}{}-", &random[..4]);
    let directory = directory_of(&prefix);
    lock_live().insert(prefix.clone());
    fs::create_dir(&directory)?;
    fs::write(directory.join(OWNER_FILE), identity_of(std::process::id()).unwrap_or_default())?;
    Ok((prefix, directory))
}

/// Removes everything that carries `prefix`: processes (asked first, then killed), namespaces, the directory.
pub(crate) fn sweep(prefix: &str) {
    let namespaces = Namespace::with_prefix(prefix);
    let processes = || namespaces.iter().flat_map(Namespace::processes).collect::<Vec<_>>();
    let gone = || match processes().len() {
        0 => Ok(()),
        left => Err(format!("{left} processes still run")),
    };
    signal_all(&processes(), Signal::SIGTERM);
    if eventually("processes end when asked", TIME_TO_STOP, gone).is_err() {
        let killed = eventually("processes end when killed", TIME_TO_DIE, || {
            signal_all(&processes(), Signal::SIGKILL);
            gone()
        });
        complain(killed);
    }
    for namespace in &namespaces {
        complain(namespace.remove());
    }
    let directory = directory_of(prefix);
    if directory.exists() {
        complain(fs::remove_dir_all(&directory).map_err(Into::into));
    }
    lock_live().remove(prefix);
    if MADE_NETNS_MOUNT.get() == Some(&true) && Namespace::with_prefix("").is_empty() {
        complain(output_of(Command::new("umount").arg(NAMED_NAMESPACES)).map(drop));
        complain(fs::remove_dir(NAMED_NAMESPACES).map_err(Into::into));
    }
}

/// The first `ip netns add` of a machine mounts the directory of names onto itself.
fn names_are_mounted() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(NAMED_NAMESPACES))
}

/// The prefix of the laboratory that a process has built, if it has.
#[must_use]
pub fn prefix_owned_by(pid: u32) -> Option<String> {
    let identity = identity_of(pid)?;
    prefixes().find(|prefix| {
        fs::read_to_string(directory_of(prefix).join(OWNER_FILE)).is_ok_and(|owner| owner == identity)
    })
}

fn prefixes() -> impl Iterator<Item = String> {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(FAMILY))
}

fn sweep_orphans() {
    for prefix in prefixes().filter(|prefix| owner_is_dead(&directory_of(prefix))) {
        let namespaces = Namespace::with_prefix(&prefix).len();
        sweep(&prefix);
        let plural = if namespaces == 1 { "" } else { "s" };
        tell(&format!("removed what an earlier run left: {namespaces} network namespace{plural}, {prefix}*"));
    }
}

/// A directory without a readable owner may be one that is being made: it is left alone.
fn owner_is_dead(directory: &Path) -> bool {
    let Ok(owner) = fs::read_to_string(directory.join(OWNER_FILE)) else { return false };
    let pid = owner.split(' ').next().and_then(|pid| pid.parse().ok());
    pid.is_some_and(|pid| identity_of(pid).as_deref() != Some(owner.as_str()))
}

/// The process id and the time the process was started (field 22 of `/proc/<pid>/stat`): never used twice.
fn identity_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 2..];
    let started = after_name.split(' ').nth(19)?;
    Some(format!("{pid} {started}"))
}

/// How long an `ip` that was under way when its thread was told to stand aside may take to end.
const IN_FLIGHT: Duration = Duration::from_millis(200);

/// Sweeps twice, since the first sweep may come while something is being made.
pub(crate) fn sweep_live() {
    let live = lock_live().clone();
    for prefix in live {
        sweep(&prefix);
        thread::sleep(IN_FLIGHT);
        if !Namespace::with_prefix(&prefix).is_empty() || directory_of(&prefix).exists() {
            sweep(&prefix);
        }
    }
}

fn directory_of(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(prefix)
}

fn lock_live() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal_all(pids: &[Pid], which: Signal) {
    for pid in pids {
        let _ended_meanwhile = kill(*pid, which);
    }
}

fn complain(done: Result<()>) {
    if let Err(error) = done {
        tell(&format!("cleaning up: {error:#}"));
    }
}
