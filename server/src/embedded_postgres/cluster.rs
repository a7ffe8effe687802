//! The data directory: made by `initdb`, opened to nobody but the socket's peers.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::OWNER_ROLE;
use super::account::{Account, AccountError};
use super::binaries::Binaries;
use crate::store::database::APP_ROLE;

/// Why the data directory cannot be made or used.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// A file or directory cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("initdb failed: {0}")]
    Initdb(String),
    /// A file cannot be given to the user that runs Postgres.
    #[error(transparent)]
    Account(#[from] AccountError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ClusterError + use<> {
    let path = path.to_owned();
    |source| ClusterError::File { path, source }
}

/// The major version of the data, when there is data.
pub(super) fn version(data_dir: &Path) -> Result<Option<String>, ClusterError> {
    let path = data_dir.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(&path)(error)),
    }
}

/// Makes a cluster. It gets its name when it is complete, so that an interrupted attempt leaves nothing to trust.
pub(super) fn make(binaries: &Binaries, account: &Account, data_dir: &Path) -> Result<(), ClusterError> {
    let draft = data_dir.with_extension("incomplete");
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&draft)(error)),
        _ => {}
    }
    fs::DirBuilder::new().mode(0o700).create(&draft).map_err(at(&draft))?;
    account.own(&draft)?;
    let output = account
        .command(&binaries.program("initdb"))
        .args(["--username", OWNER_ROLE, "--auth-local=peer", "--auth-host=reject"])
        .args(["--encoding=UTF8", "--no-locale", "--no-instructions", "--pgdata"])
        .arg(&draft)
        .output()
        .map_err(at(&binaries.program("initdb")))?;
    if !output.status.success() {
        return Err(ClusterError::Initdb(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    fs::rename(&draft, data_dir).map_err(at(data_dir))
}

/// Lets our own user and the one that runs Postgres in, over the socket, as the two roles; nobody else.
pub(super) fn write_access_rules(account: &Account, data_dir: &Path) -> Result<(), ClusterError> {
    let rules = format!("local all {OWNER_ROLE},{APP_ROLE} peer map=baton\n");
    let mut names = String::new();
    for name in account.names() {
        for role in [OWNER_ROLE, APP_ROLE] {
            // Writing to a string cannot fail.
            let _ = writeln!(names, "baton \"{name}\" {role}");
        }
    }
    for (file, text) in [("pg_hba.conf", rules), ("pg_ident.conf", names)] {
        let path = data_dir.join(file);
        fs::write(&path, text).map_err(at(&path))?;
        account.own(&path)?;
    }
    Ok(())
}
