//! Ctrl-C and `kill`: the first asks for an end with figures, the second ends at once.

use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};

/// What a shell says of a program that SIGINT has ended.
const INTERRUPTED: i32 = 130;

/// A flag that the first signal sets. Call it before there is any other thread, which would get the signals.
///
/// # Errors
/// When the signals cannot be blocked.
pub(crate) fn watch() -> nix::Result<Arc<AtomicBool>> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;

    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    std::thread::spawn(move || {
        while signals.wait().is_ok() {
            if flag.swap(true, Ordering::Relaxed) {
                exit(INTERRUPTED);
            }
        }
    });
    Ok(interrupted)
}
