//! Real-time scheduling and locked memory, as far as the kernel grants them.
#![expect(unsafe_code, reason = "`sched_setscheduler` and MCL_ONFAULT have no safe wrapper")]

use std::fs;
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

    /// The parent's workers start with its scheduling: on a busy machine one that takes up what another held
    /// would otherwise wait behind everybody. What the dataplane starts is in no such hurry.
    const fn policy(self) -> libc::c_int {
        match self {
            Self::Dataplane => libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK,
            Self::Parent => libc::SCHED_FIFO,
        }
    }
}

/// Below the dataplane, above all that is not real-time.
const HASTE: i32 = 40;

/// Asks for `SCHED_FIFO` for the calling thread and for locked memory for the process.
///
/// Without `CAP_SYS_NICE` and `CAP_IPC_LOCK` (or the rlimits) the agent runs on as it is; the answer says what it
/// got. What a dataplane starts does not inherit the scheduling; what a parent starts does.
pub(crate) fn request(thread: Thread) -> RealtimeStatus {
    let scheduled = schedule(0, thread.policy(), thread.priority());
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

/// A worker begins: it, and every thread that it starts, hurries for a while, but not before its dataplane.
pub(crate) fn hasten() {
    // Without the permission it began as everybody does.
    let _without = schedule(0, libc::SCHED_FIFO, HASTE);
}

/// The hurry is over: every thread that has not asked for its scheduling itself is scheduled as usual from
/// now on.
pub(crate) fn rest() {
    loop {
        let threads = fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
        let numbers = threads.filter_map(|thread| thread.file_name().to_str()?.parse::<libc::pid_t>().ok());
        let hurries = |thread: &libc::pid_t| hurries(*thread);
        let still: Vec<_> = numbers.filter(hurries).collect();
        // One of them may have started another meanwhile.
        if still.iter().filter(|thread| schedule(**thread, libc::SCHED_OTHER, 0).is_ok()).count() == 0 {
            return;
        }
    }
}

/// This process, and whatever it starts, is scheduled as everybody is, and gives way to others by so much
/// (`setpriority(2)`).
pub(crate) fn give_way(nice: libc::c_int) {
    // To ask for less is always granted.
    let _granted = schedule(0, libc::SCHED_OTHER, 0);
    // SAFETY: the call takes numbers only.
    let _granted = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}

fn hurries(thread: libc::pid_t) -> bool {
    let mut parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameters` outlives the call.
    let outcome = unsafe { libc::sched_getparam(thread, &raw mut parameters) };
    outcome == 0 && parameters.sched_priority == HASTE
}

/// Thread 0 is the calling one.
fn schedule(thread: libc::pid_t, policy: libc::c_int, priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: `parameters` outlives the call.
    let outcome = unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Pages are locked when they are first touched, so that the large stacks of the runtime cost nothing.
fn lock_memory() -> io::Result<()> {
    // SAFETY: the call takes flags only.
    let outcome = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
