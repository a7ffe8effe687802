//! An operator makes groups, one after the other, on a LAN that both nodes have listened to.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Moment, eventually};

use crate::bench::{BOUND, Bench};
use crate::expected::Expected;
use crate::scenario::Scenario;

/// Between two groups, so that the first one is done with before the next one is a change of its own.
const BETWEEN_GROUPS: Duration = Duration::from_millis(200);

pub(crate) const FAST_START: Scenario = Scenario::new(
    "fast_start",
    "a group is made on a LAN where nobody has its VRID and its address",
    Expected::Begins,
    make_anew,
);

/// The bench's groups are taken away first. What is measured begins once they have been silent for long
/// enough.
fn make_anew(bench: &Bench<'_>) -> Result<()> {
    for group in &bench.groups {
        bench.api.delete(&format!("groups/{}", group.name()))?;
    }
    for node in [&bench.n1, &bench.n2] {
        eventually(&format!("{} holds nothing", node.name()), BOUND, || {
            let held = bench.held_by(node)?;
            ensure!(held == 0, "{held}");
            Ok(())
        })?;
    }
    std::thread::sleep(bench.interval() * 4);
    bench.tail();
    bench.mark();
    for (number, group) in bench.groups.iter().enumerate() {
        bench.made_since(number, &bench.n1, Moment::now());
        bench.put_back(number)?;
        eventually(&format!("n1 holds {}", group.name()), BOUND, || {
            let held = bench.held_of(&[group.address], &bench.n1)?;
            ensure!(held == 1, "not yet");
            Ok(())
        })?;
        std::thread::sleep(BETWEEN_GROUPS);
    }
    bench.tail();
    Ok(())
}
