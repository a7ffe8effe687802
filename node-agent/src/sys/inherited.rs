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

/// Keeps every descriptor but the standard streams from the programs that this process becomes or starts.
///
/// # Errors
/// When it cannot be found out which there are.
pub(crate) fn keep_all() -> io::Result<()> {
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > libc::STDERR_FILENO)
        .collect();
    for number in open {
        // SAFETY: the borrow ends with this call; the one that listed the others is closed by now, and the call fails.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let _closed = fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
    Ok(())
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
