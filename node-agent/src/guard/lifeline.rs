//! Tells the parent that no thread of a worker can do anything any more, long before the process has ended.
//!
//! The kernel takes 40 ms to end a worker: each packet socket that is closed waits until no processor uses it any
//! more. But it closes the files of a process only when its last thread has left for good, and the file with the
//! highest number first. So the parent holds one end of a pipe, the worker the other, with a number above all
//! others, and the pipe breaks within a millisecond of the worker's death.

use std::io;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::pipe2;

/// Above what a worker opens, within what a process may usually have.
const HIGH: i32 = 1_000;

/// The parent's end, and the worker's, which child processes inherit.
pub(crate) fn open() -> io::Result<(OwnedFd, OwnedFd)> {
    let (parents, workers) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&workers, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok((parents, workers))
}

/// Holds the worker's end for as long as the process lives.
pub(crate) fn hold(workers: OwnedFd) {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    let high = i32::try_from(limit).unwrap_or(i32::MAX).saturating_sub(1).min(HIGH);
    // Otherwise it has the number that it has, and breaks a little later.
    if fcntl(workers.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(high)).is_err() {
        let _never_closed = workers.into_raw_fd();
    }
}
