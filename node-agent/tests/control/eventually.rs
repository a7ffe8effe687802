//! Waiting until something is seen, or for so long that it will not be.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long anything may take. Everything here takes milliseconds on a quiet machine.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// The outcome of a future, within the bound.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("not within {BOUND:?}: {what}"))
}

/// Looks again and again until a condition holds, and says what was seen if it never does.
pub(crate) async fn eventually<T: Debug>(
    what: &str,
    mut see: impl FnMut() -> T,
    holds: impl Fn(&T) -> bool,
) -> T {
    let give_up = Instant::now() + BOUND;
    loop {
        let seen = see();
        if holds(&seen) {
            return seen;
        }
        assert!(Instant::now() < give_up, "not within {BOUND:?}: {what}; last seen: {seen:?}");
        sleep(Duration::from_millis(10)).await;
    }
}
