//! What keeps a thread of another process from running, as `/proc` shows it.

use std::fs;

use super::watch::Hindrance;

/// What keeps `thread` of `process`. Where `/proc` says nothing, it keeps itself.
pub(super) fn of(process: u32, thread: u64) -> Hindrance {
    match state(process, thread) {
        // Runnable, or in a sleep within the kernel that nothing interrupts (`proc_pid_stat(5)`).
        Some('R' | 'D') => Hindrance::Kept,
        Some(_) | None => Hindrance::Own,
    }
}

/// Whether the thread can do nothing any more, although others of its process may still be in the kernel.
pub(super) fn is_dead(process: u32, thread: u64) -> bool {
    matches!(state(process, thread), None | Some('Z' | 'X'))
}

fn state(process: u32, thread: u64) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/task/{thread}/stat")).ok()?;
    // The name before it may hold anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_thread_that_runs_is_kept_one_that_sleeps_is_not_and_one_that_ended_is_dead() {
        let own = nix::unistd::gettid().as_raw();
        assert_eq!(of(std::process::id(), u64::try_from(own).unwrap()), Hindrance::Kept);
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let asleep = || state(sleeper.id(), sleeper.id().into()) == Some('S');
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !asleep() {
            assert!(std::time::Instant::now() < deadline, "it does not fall asleep");
            std::thread::yield_now();
        }
        let process = sleeper.id();
        assert_eq!(of(process, process.into()), Hindrance::Own);
        assert!(!is_dead(process, process.into()));
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(is_dead(process, process.into()));
    }
}
