//! The lock on a state directory: one agent each.
//!
//! The parent takes it and every worker inherits it, so that it is held for as long as one of them lives.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use thiserror::Error;

/// How long the last thread of an agent that was killed may take to close its files. Somebody who starts an agent at
/// once in its place is not to be refused for that.
const PATIENCE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(10);

/// Why the state directory cannot be had.
#[derive(Debug, Error)]
pub enum StateLockError {
    /// It cannot be made or used.
    #[error("cannot use the state directory {path}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent uses it.
    #[error(
        "another agent runs on the state directory {path} ({}): each agent of a host needs one of its own",
        processes(.holders)
    )]
    Locked {
        /// Which.
        path: PathBuf,
        /// The processes that hold it, as far as this one may see.
        holders: Vec<u32>,
    },
}

/// Locks the state directory for as long as this process or a worker of it lives.
///
/// # Errors
/// [`StateLockError`] when another agent has it or the system refuses.
pub(crate) fn take(state_dir: &Path) -> Result<File, StateLockError> {
    let unusable = |source: io::Error| StateLockError::Unusable { path: state_dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(unusable)?;
    let path = state_dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(unusable)?;
    let patience = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < patience => thread::sleep(RETRY),
            Err(TryLockError::WouldBlock) => {
                return Err(StateLockError::Locked { path: state_dir.to_owned(), holders: holders(&path) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
    }
    // The workers inherit it, and with it the lock.
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| unusable(errno.into()))?;
    Ok(file)
}

/// The other processes that have this file open, as `/proc` shows them: the kernel's own list of locks names the
/// process that took the lock, which may have died and left it to its worker.
fn holders(lock: &Path) -> Vec<u32> {
    let Ok(lock) = lock.canonicalize() else { return Vec::new() };
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let has_it_open = |pid: &u32| {
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        descriptors
            .into_iter()
            .any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == lock))
    };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut holders: Vec<u32> = pids.filter(|pid| *pid != std::process::id()).filter(has_it_open).collect();
    holders.sort_unstable();
    holders
}

fn processes(holders: &[u32]) -> String {
    let numbers: Vec<_> = holders.iter().map(ToString::to_string).collect();
    match numbers.as_slice() {
        [] => "its process cannot be seen from here".to_owned(),
        [one] => format!("process {one}"),
        more => format!("processes {}", more.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_agents_cannot_share_a_state_directory() {
        let directory = tempfile::tempdir().unwrap();
        let state_dir = directory.path().join("new/state");
        let first = take(&state_dir).unwrap();
        assert!(matches!(take(&state_dir), Err(StateLockError::Locked { path, .. }) if path == state_dir));
        let dying = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(first);
        });
        assert!(take(&state_dir).is_ok(), "one that is about to end is waited for");
        dying.join().unwrap();
    }
}
