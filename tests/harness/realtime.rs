//! Lets the threads that measure go first: a ruler that waits for the processor would measure its own wait.

use std::process::Command;

use nix::unistd::gettid;

use crate::command::output_of;

/// Gives the calling thread `SCHED_FIFO` at this priority (1 to 99, `sched(7)`). Where that is not permitted it
/// measures all the same, and says so: its delays are told with the figures.
pub(crate) fn go_first(priority: u8) {
    let (priority, thread) = (priority.to_string(), gettid().to_string());
    if let Err(error) = output_of(Command::new("chrt").args(["--fifo", "--pid", &priority, &thread])) {
        eprintln!("a thread that measures waits for the processor like any other: {error:#}");
    }
}
