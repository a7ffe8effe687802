//! Whether a file exists, below what the host's policy allows. What lies there may belong to anybody, so no symbolic link
//! on the way is followed: it could tell of any file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use tokio::task::JoinHandle;

use super::{Host, Outcome};
use crate::policy::allowed_are;

#[derive(Debug)]
pub(in super::super) struct File {
    path: String,
    /// A look that a disk has not answered yet.
    looking: Option<JoinHandle<Outcome>>,
}

impl File {
    pub(super) const fn new(path: String) -> Self {
        Self { path, looking: None }
    }

    pub(super) async fn run(&mut self, host: &Host) -> Outcome {
        let path = self.path.clone();
        let Some((directory, below)) = host.policy.place_of_file(&path) else {
            let allowed = allowed_are(&host.policy.check_files);
            return Err(format!("the policy of this host does not allow {path:?}: {allowed}"));
        };
        // One at a time: a disk that hangs must not be asked again and again.
        if self.looking.is_none() {
            let Ok(turn) = Arc::clone(&host.looks).acquire_owned().await else {
                return Err("the agent ends".to_owned());
            };
            self.looking = Some(tokio::task::spawn_blocking(move || {
                let outcome = look(&path, &directory, &below);
                drop(turn);
                outcome
            }));
        }
        let Some(looking) = &mut self.looking else { return Err("nobody looks".to_owned()) };
        let outcome = looking.await;
        self.looking = None;
        outcome.unwrap_or_else(|error| Err(error.to_string()))
    }
}

fn look(path: &str, directory: &Path, below: &PathBuf) -> Outcome {
    let opened = open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    match opened.and_then(|directory| openat2(directory, below, how)) {
        Ok(_) => Ok(format!("{path} exists")),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Err(format!("{path} does not exist")),
        Err(Errno::ELOOP) => Err(format!("{path} is a symbolic link, or one is on the way")),
        Err(errno) => Err(format!("{path}: {}", io::Error::from(errno))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_found_where_it_is_and_not_through_a_link() {
        let place = tempfile::tempdir().unwrap();
        let look = |below: &str| look(below, place.path(), &PathBuf::from(below));
        fs::create_dir(place.path().join("sub")).unwrap();
        fs::write(place.path().join("sub/up"), "").unwrap();
        symlink("/etc/passwd", place.path().join("link")).unwrap();
        symlink("/etc", place.path().join("around")).unwrap();
        assert_eq!(look("sub/up"), Ok("sub/up exists".to_owned()));
        assert_eq!(look("sub"), Ok("sub exists".to_owned()), "a directory is one too");
        assert_eq!(look("sub/down"), Err("sub/down does not exist".to_owned()));
        assert_eq!(look("sub/up/x"), Err("sub/up/x does not exist".to_owned()));
        for linked in ["link", "around/passwd"] {
            assert_eq!(look(linked), Err(format!("{linked} is a symbolic link, or one is on the way")));
        }
        assert!(look("../x").is_err());
    }
}
