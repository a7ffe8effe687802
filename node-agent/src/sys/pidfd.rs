//! A handle on a process that can be waited for together with other descriptors.
#![expect(
    unsafe_code,
    reason = "`pidfd_open` has no safe wrapper, and tokio must be promised a descriptor that stays"
)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process; readable once it has ended (`pidfd_open(2)`).
pub(crate) struct PidFd(OwnedFd);

impl PidFd {
    /// A handle on the process `pid`. The number is its own as long as it is a child that has not been waited for,
    /// or still the parent afterwards.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
        // SAFETY: the call takes two numbers and returns a new descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Completes once the process has ended. Needs a tokio runtime.
    pub(crate) async fn ended(self) -> io::Result<()> {
        // SAFETY: the descriptor is owned, stays the same and is closed only when the registration has gone.
        let fd = unsafe { AsyncFd::register_with_interest(self.0, Interest::READABLE)? };
        fd.readable().await?.retain_ready();
        Ok(())
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
