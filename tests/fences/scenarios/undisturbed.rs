//! Nobody does anything: the ruler measures itself, and the agents at rest.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const UNDISTURBED: Scenario = Scenario::new(
    "undisturbed",
    "nothing happens for two seconds or five intervals",
    Expected::Undisturbed,
    act,
);

fn act(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep((bench.interval() * 5).max(Duration::from_secs(2)));
    Ok(())
}
