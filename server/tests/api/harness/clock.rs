//! A clock that stands still until the test moves it.

use std::sync::{Arc, Mutex};

use api_types::Timestamp;
use baton_server::clock::{Clock, SharedClock};
use chrono::{DateTime, TimeDelta, Utc};

#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<Mutex<DateTime<Utc>>>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new("2026-03-01T12:00:00.123456Z".parse().unwrap())))
    }
}

impl TestClock {
    pub(crate) fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }

    pub(crate) fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        (*self.0.lock().unwrap()).into()
    }
}
