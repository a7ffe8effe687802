//! A disk that can be made not to answer.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// A file system of its own that can be frozen; needs root and a loop device.
pub(crate) struct Freezer {
    at: PathBuf,
    /// Thaws it even when this process cannot: one that waits for a frozen disk cannot even be killed.
    thaws_by_itself: Child,
}

impl Freezer {
    pub(crate) fn mount(image: &Path, at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("a directory");
        std::fs::File::create(image).expect("an image").set_len(8 * 1024 * 1024).expect("room");
        done(Command::new("mkfs.ext4").arg("-q").arg(image));
        done(Command::new("mount").args(["-o", "loop"]).arg(image).arg(at));
        let thaws_by_itself =
            Command::new("sh").args(["-c", "sleep 60; fsfreeze -u \"$0\""]).arg(at).spawn().expect("sh runs");
        Self { at: at.to_owned(), thaws_by_itself }
    }

    pub(crate) fn freeze(&self) {
        done(Command::new("fsfreeze").arg("--freeze").arg(&self.at));
    }

    pub(crate) fn thaw(&self) {
        done(Command::new("fsfreeze").arg("--unfreeze").arg(&self.at));
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        // It is frozen only where the test has failed.
        if std::thread::panicking() {
            let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.at).status();
        }
        let _ = self.thaws_by_itself.kill();
        let _ = self.thaws_by_itself.wait();
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn done(command: &mut Command) {
    let status = command.status().expect("it runs");
    assert!(status.success(), "{command:?}: {status}; this test needs root and a loop device");
}
