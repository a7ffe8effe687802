//! Which network namespace this is.
#![expect(unsafe_code, reason = "`getsockopt(2)` has no safe wrapper for this option")]

use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// The number of the calling thread's network namespace, which no other one has while the host runs
/// (`SO_NETNS_COOKIE`, Linux 5.14). Its inode number is given again once it is gone.
pub(crate) fn cookie() -> io::Result<u64> {
    let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut cookie = 0_u64;
    let octets = libc::socklen_t::try_from(size_of_val(&cookie)).map_err(io::Error::other)?;
    let mut length = octets;
    // SAFETY: both pointers are to live values, and `length` is the size of the one that is written to.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if outcome == 0 && length == octets { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_one_number() {
        let cookie = cookie().unwrap();
        assert_ne!(cookie, 0);
        assert_eq!(self::cookie().unwrap(), cookie);
    }
}
