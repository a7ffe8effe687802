//! Waits until something is seen, or a bound; then says what was seen instead.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt::stand_aside;

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Looks again and again until `look` answers, and answers the same.
///
/// # Errors
/// When `within` has passed: names `what` was waited for and what the last look saw.
pub fn eventually<T, Seen: Display>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<T, Seen>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        stand_aside();
        let looked_at = Instant::now();
        match look() {
            Ok(answer) => return Ok(answer),
            Err(seen) if looked_at >= deadline => {
                bail!("not seen within {within:?}: {what}; seen instead: {seen:#}")
            }
            Err(_) => thread::sleep(BETWEEN_LOOKS),
        }
    }
}

/// Looks again and again for all of `during`; the first look that fails is the answer.
///
/// # Errors
/// Names `what` should have held all the time and what was seen.
pub fn always<Seen: Display>(
    what: &str,
    during: Duration,
    mut look: impl FnMut() -> Result<(), Seen>,
) -> Result<()> {
    let deadline = Instant::now() + during;
    while Instant::now() < deadline {
        stand_aside();
        if let Err(seen) = look() {
            bail!("did not hold for {during:?}: {what}; seen: {seen:#}");
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    Ok(())
}
