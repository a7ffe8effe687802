//! File descriptors that the parent process handed down by number.
#![expect(unsafe_code, reason = "a number from the command line becomes an owned descriptor")]

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Takes the descriptor `number`, which no other part of this process may use, and keeps it from being inherited
/// any further.
///
/// # Errors
/// When the number names no open descriptor or one of the standard streams.
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    own(number, FdFlag::FD_CLOEXEC)
}

/// The same, and processes that this one starts inherit it too.
///
/// # Errors
/// As with [`take`].
pub(crate) fn take_further(number: RawFd) -> io::Result<OwnedFd> {
    own(number, FdFlag::empty())
}

fn own(number: RawFd, flags: FdFlag) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a standard stream"));
    }
    // SAFETY: the borrow ends with this call; a number that is not open makes the call fail with EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl(borrowed, FcntlArg::F_SETFD(flags))?;
    // SAFETY: it is open, as the call above showed, and each number is taken once, at the start of the worker,
    // before anything else opens or closes descriptors.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
