//! Waiting until something is seen.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long to wait for what should take a fraction of it.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// Looks until `seen` accepts what it sees.
///
/// # Panics
/// When that has not happened within `bound`; the message says what was seen instead.
pub(crate) fn within<T: Debug>(
    bound: Duration,
    what: &str,
    mut look: impl FnMut() -> T,
    seen: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + bound;
    loop {
        let found = look();
        if seen(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {bound:?}: {what}; seen last: {found:#?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// [`within`] the usual bound.
pub(crate) fn eventually<T: Debug>(what: &str, look: impl FnMut() -> T, seen: impl Fn(&T) -> bool) -> T {
    within(BOUND, what, look, seen)
}
