//! Files that are either the old ones or the new ones after a crash, never something between.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Only the agent's user reads and writes.
pub(crate) const PRIVATE: u32 = 0o600;
/// Anybody reads.
pub(crate) const PUBLIC: u32 = 0o644;

/// Puts a file with these contents in the place of the one at `path`: written beside it, synced, renamed, and
/// the directory synced.
pub(crate) fn replace(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let beside = write_beside(path, contents, mode)?;
    std::fs::rename(&beside, path)?;
    sync_directory_of(path)
}

/// The first half of [`replace`]: the new contents are on disk, under the name that is returned.
pub(crate) fn write_beside(path: &Path, contents: &[u8], mode: u32) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(contents)?;
    file.sync_all()?;
    Ok(beside)
}

/// Makes the names in the directory of `path` survive a crash.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Makes a directory that only the agent's user can enter, if it is not there.
pub(crate) fn ensure_private_directory(path: &Path) -> io::Result<()> {
    // A disk that takes no writes would block the call below, though there is nothing to make.
    if let Ok(found) = std::fs::metadata(path)
        && found.is_dir()
    {
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            // It may be somebody else's, like /var/lib: it is not for the agent to close it.
            let path = path.display();
            tracing::warn!(%path, mode = format!("{mode:o}"), "others can enter the state directory: it should be 700");
        }
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes a private file back from everybody but the agent's user, and says so, if it was open to others.
pub(crate) fn ensure_private_file(path: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(PRIVATE))?;
        let path = path.display();
        tracing::warn!(%path, mode = format!("{mode:o}"), "others could use this secret: it is 600 again");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_the_new_contents_and_mode_and_leaves_nothing_beside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(directory.path().join("key.new"), "left by a crash").unwrap();

        replace(&path, b"one", PRIVATE).unwrap();
        replace(&path, b"two", PRIVATE).unwrap();

        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
