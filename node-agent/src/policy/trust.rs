//! Whether a file can be changed only by those who may decide what the agent runs: root, and the agent's own user.
//!
//! Every directory on the way is looked at too, for whoever may write one can put another file in the place of this.
//! A directory with the sticky bit, like `/tmp`, counts as one that others may not write: nobody takes away there
//! what root has made. No symbolic link is followed. What has been found so cannot be made otherwise by anybody else
//! between the look and the use.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use thiserror::Error;

/// Bits of a mode that let others write.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;
const EXECUTE: u32 = 0o111;

/// Why a file is not to be trusted, or cannot be used.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// There is nothing, or it cannot be seen.
    #[error("{path}: {source}")]
    Look {
        /// What was looked at.
        path: PathBuf,
        /// Why it could not be.
        source: io::Error,
    },
    /// A symbolic link on the way, or at its end.
    #[error("{0} is a symbolic link: write the path that it leads to")]
    Link(PathBuf),
    /// It belongs to somebody else.
    #[error("{path} belongs to user {owner}: it must belong to {trusted}")]
    Owner {
        /// What was looked at.
        path: PathBuf,
        /// To whom it belongs.
        owner: u32,
        /// To whom it must.
        trusted: String,
    },
    /// Others may write it.
    #[error("{path} can be written by its group or by others (mode {mode:04o}): chmod go-w {path}")]
    Writable {
        /// What was looked at.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is a directory, a device, or the like.
    #[error("{0} is no regular file")]
    NoFile(PathBuf),
    /// Nobody may run it.
    #[error("{0} is not executable: chmod +x {0}")]
    NotExecutable(PathBuf),
}

/// Looks at a file that is to be read.
///
/// # Errors
/// [`Untrusted`] when somebody else can change what it says.
pub fn of_file(path: &Path) -> Result<(), Untrusted> {
    let found = look_along(path)?;
    if found.is_file() { Ok(()) } else { Err(Untrusted::NoFile(path.to_owned())) }
}

/// Looks at a program that is to be run.
///
/// # Errors
/// As [`of_file`], and when it cannot be run.
pub fn of_program(path: &Path) -> Result<(), Untrusted> {
    let found = look_along(path)?;
    if !found.is_file() {
        return Err(Untrusted::NoFile(path.to_owned()));
    }
    if found.permissions().mode() & EXECUTE == 0 {
        return Err(Untrusted::NotExecutable(path.to_owned()));
    }
    Ok(())
}

/// What is at the end of the way.
fn look_along(path: &Path) -> Result<Metadata, Untrusted> {
    let mut way: Vec<_> = path.ancestors().collect();
    way.reverse();
    let own = geteuid().as_raw();
    let mut last = None;
    for place in way {
        let found = fs::symlink_metadata(place)
            .map_err(|source| Untrusted::Look { path: place.to_owned(), source })?;
        look_at(place, &found, own)?;
        last = Some(found);
    }
    last.ok_or_else(|| Untrusted::Look { path: path.to_owned(), source: io::ErrorKind::NotFound.into() })
}

fn look_at(place: &Path, found: &Metadata, own: u32) -> Result<(), Untrusted> {
    let path = || place.to_owned();
    if found.is_symlink() {
        return Err(Untrusted::Link(path()));
    }
    let (owner, mode) = (found.uid(), found.permissions().mode());
    if owner != 0 && owner != own {
        let trusted = if own == 0 { "root".to_owned() } else { format!("root or user {own}") };
        return Err(Untrusted::Owner { path: path(), owner, trusted });
    }
    let keeps_others_out = mode & OTHERS_WRITE == 0 || found.is_dir() && mode & STICKY != 0;
    if keeps_others_out { Ok(()) } else { Err(Untrusted::Writable { path: path(), mode: mode & 0o7777 }) }
}
