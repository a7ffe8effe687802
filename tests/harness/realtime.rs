//! Lets the threads that measure go first: a ruler that waits for the processor would measure its own wait.

use std::process::Command;

use anyhow::Result;
use nix::unistd::gettid;

use crate::command::output_of;

/// Gives the calling thread `SCHED_FIFO` at this priority (1 to 99, `sched(7)`).
///
/// # Errors
/// Without `chrt` or root.
pub(crate) fn go_first(priority: u8) -> Result<()> {
    let (priority, thread) = (priority.to_string(), gettid().to_string());
    output_of(Command::new("chrt").args(["--fifo", "--pid", &priority, &thread])).map(drop)
}
