//! Which run of the agent was the last one here, as long as the journal tells all of it: a small file beside
//! the segments.
//!
//! A run whose transitions the disk does not take leaves none: what the journal holds of it would be taken
//! for its end. The file is removed then, which a full disk allows. It is only compared with what is now, so
//! nothing waits until it is on disk: a process that is killed takes nothing back that it has written, and
//! once the host has started anew it says nothing of what the kernel holds.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::control::durable_file;
use crate::sys::network_namespace;

const NAME: &str = "last-run.json";

/// A run of the agent, and where it ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    /// Drawn by the kernel when the host starts (`/proc/sys/kernel/random/boot_id`).
    host_boot_id: String,
    /// The network namespace: one that is gone has taken its addresses along.
    network: u64,
    /// Drawn by the agent when it starts.
    pub(super) boot_id: Uuid,
    /// Whether the kernel was to remove addresses that nobody refreshes.
    pub(super) address_lease: bool,
}

impl Run {
    /// This process's.
    ///
    /// # Errors
    /// When the kernel does not say where it runs.
    pub(super) fn current(boot_id: Uuid, address_lease: bool) -> io::Result<Self> {
        let host_boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let network = network_namespace::cookie()?;
        Ok(Self { host_boot_id, network, boot_id, address_lease })
    }

    /// Whether `next` is a later run among the same addresses of the same kernel.
    fn goes_before(&self, next: &Self) -> bool {
        let place = |run: &Self| (run.host_boot_id.clone(), run.network);
        place(self) == place(next) && self.boot_id != next.boot_id
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct LastRun {
    directory: PathBuf,
    /// Whether the journal tells all of this run, so far.
    is_complete: bool,
    is_gone: bool,
}

impl LastRun {
    /// The file beside the segments in `directory`.
    pub(super) fn beside(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), is_complete: true, is_gone: false }
    }

    /// Keeps this run for the next one to know of. The run before, when the journal tells all of it and it
    /// was this one's predecessor in the same kernel: what is found once this one has begun is no longer its
    /// work.
    ///
    /// # Errors
    /// When the disk does not take it: then the next one knows of neither.
    pub(super) fn begin(&mut self, run: &Run) -> io::Result<Option<Run>> {
        let before = self.read().filter(|before| before.goes_before(run));
        self.keep(run).inspect_err(|_| self.follow(false))?;
        Ok(before)
    }

    /// Another worker of this run, with settings of its own.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn go_on(&mut self, run: &Run) -> io::Result<()> {
        if self.read().is_some_and(|known| known.boot_id == run.boot_id) {
            return self.keep(run).inspect_err(|_| self.follow(false));
        }
        // The one before is no longer the last, and what there is of this one may not be all.
        self.follow(false);
        Ok(())
    }

    /// The disk has taken what has happened in this run, or has not: some of it may then be sent from memory
    /// and never be written.
    pub(super) fn follow(&mut self, is_complete: bool) {
        self.is_complete &= is_complete;
        if !self.is_complete && !self.is_gone {
            self.forget();
        }
    }

    /// `None` when there is none, or it cannot be read.
    fn read(&self) -> Option<Run> {
        serde_json::from_slice(&std::fs::read(self.directory.join(NAME)).ok()?).ok()
    }

    fn keep(&self, run: &Run) -> io::Result<()> {
        let beside = self.beside_it();
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(durable_file::PRIVATE)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec(run)?)?;
        std::fs::rename(&beside, self.directory.join(NAME))
    }

    fn forget(&mut self) {
        let _half_written = std::fs::remove_file(self.beside_it());
        let removed = std::fs::remove_file(self.directory.join(NAME));
        self.is_gone = removed.is_ok() || removed.is_err_and(|error| error.kind() == ErrorKind::NotFound);
    }

    fn beside_it(&self) -> PathBuf {
        self.directory.join(format!("{NAME}.new"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run::current(Uuid::new_v4(), true).unwrap()
    }

    /// What a run that begins in the directory now learns of the one before.
    fn before(directory: &Path) -> Option<Run> {
        LastRun::beside(directory).begin(&run()).unwrap()
    }

    #[test]
    fn a_run_is_followed_by_another_of_the_same_kernel_and_namespace_and_by_no_other() {
        let run = run();
        let next = Run { boot_id: Uuid::new_v4(), ..run.clone() };
        assert!(run.goes_before(&next));
        assert!(!run.goes_before(&run), "a worker that is started again is no other run");
        assert!(!run.goes_before(&Run { host_boot_id: "another".to_owned(), ..next.clone() }));
        assert!(!run.goes_before(&Run { network: run.network + 1, ..next }));
    }

    #[test]
    fn what_was_kept_is_read_by_the_next_and_damage_is_none() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(before(directory.path()), None);
        for run in [run(), Run { address_lease: false, ..run() }] {
            LastRun::beside(directory.path()).begin(&run).unwrap();
            assert_eq!(before(directory.path()), Some(run));
        }
        for damage in ["", "{", r#"{"host_boot_id":"a"}"#] {
            std::fs::write(directory.path().join(NAME), damage).unwrap();
            assert_eq!(before(directory.path()), None, "{damage}");
        }
    }

    #[test]
    fn another_worker_changes_the_settings_of_its_run_and_speaks_for_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let run = run();
        LastRun::beside(directory.path()).begin(&run).unwrap();
        let changed = Run { address_lease: false, ..run };
        LastRun::beside(directory.path()).go_on(&changed).unwrap();
        assert_eq!(before(directory.path()), Some(changed.clone()));
        LastRun::beside(directory.path()).go_on(&changed).unwrap();
        assert_eq!(before(directory.path()), None, "the first worker of that run had not begun it");
    }

    #[test]
    fn a_run_that_the_journal_does_not_tell_all_of_is_not_known_to_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let run = run();
        let mut last_run = LastRun::beside(directory.path());
        last_run.begin(&run).unwrap();
        last_run.follow(true);
        assert_eq!(last_run.read(), Some(run.clone()));
        last_run.follow(false);
        last_run.follow(true);
        LastRun::beside(directory.path()).go_on(&run).unwrap();
        assert_eq!(last_run.read(), None, "what was sent from memory is never written");
        assert_eq!(before(directory.path()), None);
    }

    #[test]
    fn a_run_that_cannot_be_kept_leaves_nothing_of_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        LastRun::beside(directory.path()).begin(&run()).unwrap();
        let mut next = LastRun::beside(directory.path());
        let in_the_way = next.beside_it();
        std::fs::create_dir(&in_the_way).unwrap();
        assert!(next.begin(&run()).is_err());
        std::fs::remove_dir(&in_the_way).unwrap();
        assert_eq!(before(directory.path()), None);
    }
}
