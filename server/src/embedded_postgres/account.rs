//! Whom Postgres runs as. It refuses root, so a server that is root gives it another user.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Gid, Uid, User, geteuid};
use std::os::unix::process::CommandExt;
use thiserror::Error;

/// Ordinary users that a Linux system has, in the order of preference.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Whom Postgres runs as, and who we are.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// The name of our own user.
    our_name: String,
    /// The user that Postgres runs as, when it is not ours.
    other: Option<User>,
}

/// Why nobody can run Postgres.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The system's list of users cannot be read, or lacks ours.
    #[error("the user with id {0} has no name: add it to /etc/passwd")]
    Nameless(Uid),
    /// We are root and there is no ordinary user.
    #[error("Postgres does not run as root, and there is neither a user postgres nor nobody")]
    Nobody,
    /// The user cannot reach the directory.
    #[error(
        "the user {user} cannot enter {path}: run `chmod o+x {path}`, choose another state_dir, \
         or set database.url"
    )]
    Shut {
        /// The user.
        user: String,
        /// The directory that it cannot enter.
        path: PathBuf,
    },
    /// A file cannot be given to the user.
    #[error("cannot give {path} to the user that runs Postgres")]
    Give {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Account {
    pub(super) fn choose() -> Result<Self, AccountError> {
        let us = geteuid();
        let our_name =
            User::from_uid(us).ok().flatten().map(|user| user.name).ok_or(AccountError::Nameless(us))?;
        if !us.is_root() {
            return Ok(Self { our_name, other: None });
        }
        let other = CANDIDATES.iter().find_map(|name| User::from_name(name).ok().flatten());
        Ok(Self { our_name, other: Some(other.ok_or(AccountError::Nobody)?) })
    }

    /// Whether Postgres runs as somebody else than we do.
    pub(super) const fn is_other(&self) -> bool {
        self.other.is_some()
    }

    /// The system users who may connect: ours, and the one that Postgres runs as.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let other = self.other.as_ref().map(|user| user.name.as_str());
        std::iter::once(self.our_name.as_str()).chain(other)
    }

    /// Checks that the user can enter `dir` and everything above it.
    pub(super) fn check_reach(&self, dir: &Path) -> Result<(), AccountError> {
        let Some(user) = &self.other else { return Ok(()) };
        let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let shut = absolute.ancestors().find(|path| !may_enter(user, path));
        match shut {
            None => Ok(()),
            Some(path) => Err(AccountError::Shut { user: user.name.clone(), path: path.to_owned() }),
        }
    }

    /// Gives `path` to the user.
    pub(super) fn own(&self, path: &Path) -> Result<(), AccountError> {
        let Some(user) = &self.other else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(|source| AccountError::Give { path: path.to_owned(), source })
    }

    /// A command that runs as the user, with nothing of our environment.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
        if let Some(User { uid, gid, .. }) = &self.other {
            // The standard library drops the supplementary groups as well.
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }
}

fn may_enter(user: &User, path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    let mode = metadata.mode();
    mode & 0o001 != 0
        || (Uid::from_raw(metadata.uid()) == user.uid && mode & 0o100 != 0)
        || (Gid::from_raw(metadata.gid()) == user.gid && mode & 0o010 != 0)
}
