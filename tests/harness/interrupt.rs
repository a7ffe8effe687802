//! SIGINT, SIGTERM and SIGHUP end a laboratory once and quietly: one thread cleans up, every other one stands
//! aside.
//!
//! What is torn down fails under the hands of whoever still works with it. Those failures mean nothing, so
//! nobody gets to see them: all that runs, waits or reports in a laboratory comes past [`stand_aside`].
//!
//! Whoever cleans up says so with [`tell`]: the terminal may be gone, and that must not keep anybody from
//! cleaning.

use std::fs;
use std::io::{Write, stderr};
use std::sync::{Once, OnceLock};
use std::thread::{self, ThreadId};

use tokio::signal::unix::{Signal, SignalKind, signal};

static WATCH: Once = Once::new();
static CLEANER: OnceLock<ThreadId> = OnceLock::new();

/// From the first call on an interrupt runs `clean_up` and ends the process, with status 130, 143 or 129.
pub(crate) fn watch(clean_up: fn()) {
    WATCH.call_once(|| drop(thread::spawn(move || end_when_interrupted(clean_up))));
}

/// Returns at once; after an interrupt never, unless this thread is the one that cleans up.
pub fn stand_aside() {
    while CLEANER.get().is_some_and(|cleaner| *cleaner != thread::current().id()) {
        thread::park();
    }
}

fn end_when_interrupted(clean_up: fn()) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let status = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).ok()?;
        let mut terminate = signal(SignalKind::terminate()).ok()?;
        // Under nohup a lost terminal is no interrupt.
        let mut hangup =
            if is_ignored(SignalKind::hangup()) { None } else { signal(SignalKind::hangup()).ok() };
        tokio::select! {
            _ = interrupt.recv() => Some(130),
            _ = terminate.recv() => Some(143),
            Some(_) = next(&mut hangup) => Some(129),
        }
    });
    let Some(status) = status else { return };
    if CLEANER.set(thread::current().id()).is_ok() {
        tell("interrupted, cleaning up");
        clean_up();
    }
    std::process::exit(status);
}

async fn next(signal: &mut Option<Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}

/// Whether whoever started this process has it ignore `signal` (proc(5), `SigIgn`).
fn is_ignored(signal: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal.as_raw_value() - 1)) != 0
}

/// Writes a line to the standard error, if there still is one.
pub(crate) fn tell(line: &str) {
    let _nobody_reads_it = writeln!(stderr(), "{line}");
}
