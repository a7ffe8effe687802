//! How one worker succeeds another that lives: it makes ready, tells the other to hand over, and goes on.

use std::io;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sys::pidfd::PidFd;

/// Tells a worker to leave everything as it is. Only the worker that goes on sends it.
pub(crate) const HAND_OVER: Signal = Signal::SIGUSR1;

/// Tells the worker before to hand over, and waits until its process has ended. Its number is its own: it is
/// a child of the same parent, which has not seen it end.
///
/// # Errors
/// When there is no such process, or it cannot be told.
pub(crate) async fn succeed(process: u32) -> io::Result<()> {
    let handle = PidFd::open(process)?;
    let number = i32::try_from(process).map_err(io::Error::other)?;
    kill(Pid::from_raw(number), HAND_OVER)?;
    handle.ended().await
}
