//! Rights that a process passes on to the programs it becomes.
#![expect(unsafe_code, reason = "`prctl` for ambient capabilities has no safe wrapper")]

use std::io;

/// No program that this process becomes has a capability because this process has it (`capabilities(7)`).
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn clear_ambient() -> io::Result<()> {
    // SAFETY: the call takes numbers and changes only what this process passes on.
    let outcome = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
