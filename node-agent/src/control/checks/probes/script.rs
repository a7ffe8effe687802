//! Whether a program that the host declares ends well. It runs under a supervisor, which ends it with all that came of it
//! when its time is over, when nobody waits for it any longer, and when this worker dies ([`crate::program`]).

use std::path::Path;
use std::time::Duration;

use api_types::Name;
use tokio::task::JoinHandle;

use super::{Host, Outcome};
use crate::program::{self, Order};

#[derive(Debug)]
pub(in super::super) struct Script {
    script: Name,
    check: Name,
    timeout: Duration,
    /// A run that has not ended.
    running: Option<Running>,
}

/// Ends the run when nobody waits for it.
#[derive(Debug)]
struct Running(JoinHandle<program::Outcome>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Script {
    pub(super) const fn new(script: Name, check: Name, timeout: Duration) -> Self {
        Self { script, check, timeout, running: None }
    }

    /// Waits until what is left of a run that took too long has been ended, so that two never run at once.
    pub(super) async fn make_ready(&mut self) {
        if let Some(Running(running)) = &mut self.running {
            let _known_to_have_failed = running.await;
            self.running = None;
        }
    }

    pub(super) async fn run(&mut self, host: &Host) -> Outcome {
        let program = program::declared(&host.policy.scripts, "script", &self.script)?;
        // So many at once, whatever a server asks for. The time of a run begins when it is its turn.
        let Ok(_turn) = host.turns.acquire().await else { return Err("the agent ends".to_owned()) };
        let node = host.overview.borrow().node.clone().unwrap_or_default();
        let about = [("BATON_CHECK", self.check.to_string()), ("BATON_NODE", node)];
        let order = Order::of(program, &about, self.timeout);
        let start = || Running(tokio::spawn(order.run(Path::new(program::OWN))));
        let outcome = (&mut self.running.get_or_insert_with(start).0).await;
        self.running = None;
        let outcome = outcome.map_err(|error| error.to_string())?;
        if outcome.is_success() { Ok(outcome.describe()) } else { Err(outcome.describe()) }
    }
}
