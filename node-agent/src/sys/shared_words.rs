//! Memory that several processes share: a memfd mapped as 64-bit words.
#![expect(unsafe_code, reason = "mapping memory")]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

/// Words of a memfd, zero at first. They outlive each process that maps them as long as one keeps the descriptor.
pub(crate) struct SharedWords {
    fd: OwnedFd,
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping stays where it is until drop, and atomics may be used by any thread.
unsafe impl Send for SharedWords {}
// SAFETY: as above; there is no access but through atomics.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// New memory of `words` words. The descriptor is inherited by child processes.
    pub(crate) fn create(words: usize) -> io::Result<Self> {
        let fd = memfd_create(c"baton-agent", MFdFlags::MFD_ALLOW_SEALING)?;
        let octets = i64::try_from(words * size_of::<u64>()).map_err(io::Error::other)?;
        ftruncate(&fd, octets)?;
        // Who has it mapped would be killed by SIGBUS if it shrank.
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
        Self::map(fd, words)
    }

    /// The memory behind an inherited descriptor, if it has exactly `words` words.
    pub(crate) fn open(fd: OwnedFd, words: usize) -> io::Result<Self> {
        let found = fstat(&fd)?.st_size;
        if usize::try_from(found) != Ok(words * size_of::<u64>()) {
            return Err(io::Error::other(format!(
                "it has {found} octets, wanted {}",
                words * size_of::<u64>()
            )));
        }
        Self::map(fd, words)
    }

    fn map(fd: OwnedFd, words: usize) -> io::Result<Self> {
        let octets = NonZeroUsize::new(words * size_of::<u64>()).ok_or(io::ErrorKind::InvalidInput)?;
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing of this process, and the
        // descriptor is of at least this size; a memfd made here is sealed against shrinking.
        let start = unsafe { mmap(None, octets, rights, MapFlags::MAP_SHARED, &fd, 0)? };
        Ok(Self { fd, start: start.cast(), words })
    }

    /// The words.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page aligned, `words` long, lives as long as `self`, and any bits are a valid word.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl AsFd for SharedWords {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for SharedWords {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `map`, and every borrow of it has ended.
        let unmapped = unsafe { munmap(self.start.cast(), self.words * size_of::<u64>()) };
        // It can fail only for a range that is none, and would then leave a mapping behind.
        let _refused = unmapped;
    }
}
