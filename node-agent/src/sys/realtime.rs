//! Real-time scheduling and locked memory, as far as the kernel grants them.
#![expect(unsafe_code, reason = "`sched_setscheduler` and MCL_ONFAULT have no safe wrapper")]

use std::io;

use api_types::agent_status::RealtimeStatus;

/// Whose thread it is. The guard must run when the dataplane does not let go of the processor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Thread {
    /// The dataplane of the worker.
    Dataplane,
    /// The parent process.
    Parent,
}

impl Thread {
    /// Its priority among real-time threads, 1 to 99 (`sched(7)`).
    const fn priority(self) -> i32 {
        match self {
            Self::Dataplane => 50,
            Self::Parent => 60,
        }
    }
}

/// Asks for `SCHED_FIFO` for the calling thread and for locked memory for the process.
///
/// Without `CAP_SYS_NICE` and `CAP_IPC_LOCK` (or the rlimits) the agent runs on as it is; the answer says what it
/// got. Threads and processes that the calling thread starts do not inherit the scheduling.
pub(crate) fn request(thread: Thread) -> RealtimeStatus {
    let scheduled = schedule_fifo(thread.priority());
    let locked = lock_memory();
    let refusals: Vec<String> = [
        scheduled.as_ref().err().map(|error| format!("SCHED_FIFO was refused: {error}")),
        locked.as_ref().err().map(|error| format!("locking memory was refused: {error}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    RealtimeStatus {
        scheduling: if scheduled.is_ok() { "fifo" } else { "other" }.to_owned(),
        memory_locked: locked.is_ok(),
        detail: (!refusals.is_empty()).then(|| refusals.join("; ")),
    }
}

fn schedule_fifo(priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: thread 0 is the calling one, and `parameters` outlives the call.
    let outcome = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Pages are locked when they are first touched, so that the large stacks of the runtime cost nothing.
fn lock_memory() -> io::Result<()> {
    // SAFETY: the call takes flags only.
    let outcome = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
