//! SIGINT and SIGTERM end a laboratory once and quietly: one thread cleans up, every other one stands aside.
//!
//! What is torn down fails under the hands of whoever still works with it. Those failures mean nothing, so nobody
//! gets to see them: all that runs, waits or reports in a laboratory comes past [`stand_aside`].

use std::sync::{Once, OnceLock};
use std::thread::{self, ThreadId};

use tokio::signal::unix::{SignalKind, signal};

static WATCH: Once = Once::new();
static CLEANER: OnceLock<ThreadId> = OnceLock::new();

/// From the first call on an interrupt runs `clean_up` and ends the process, with status 130 or 143.
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
        tokio::select! {
            _ = interrupt.recv() => Some(130),
            _ = terminate.recv() => Some(143),
        }
    });
    let Some(status) = status else { return };
    if CLEANER.set(thread::current().id()).is_ok() {
        eprintln!("interrupted, cleaning up");
        clean_up();
    }
    std::process::exit(status);
}
