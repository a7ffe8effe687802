//! The server's only source of wall-clock time.
//!
//! Everything that needs the time takes it from [`crate::app::App`], so that tests move it. A lint bans the
//! system clock everywhere else.

use std::sync::Arc;

use api_types::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current time, in whole microseconds.
    fn now(&self) -> Timestamp;
}

/// A clock that many parts of the server share.
pub type SharedClock = Arc<dyn Clock>;

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's wall clock")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }
}
