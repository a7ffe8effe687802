//! An operator moves the addresses by editing a priority, group by group.

use anyhow::Result;
use serde_json::json;

use crate::bench::Bench;
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const LOWERED: Scenario = Scenario::new(
    "priority_lowered",
    "the holder's priority is lowered below the other member's",
    Expected::Planned,
    |bench| edit(bench, 0, |[_, other]| other - 5),
);

pub(crate) const RAISED: Scenario = Scenario::new(
    "priority_raised",
    "the other member's priority is raised above the holder's",
    Expected::Planned,
    |bench| edit(bench, 1, |[holder, _]| holder + 5),
);

fn edit(bench: &Bench<'_>, member: usize, priority: fn([u8; 2]) -> u8) -> Result<()> {
    for (number, group) in bench.groups.iter().enumerate() {
        bench.edit(number, |group_now| {
            group_now["members"][member]["priority"] = json!(priority(group.priorities));
        })?;
    }
    bench.wait_until_only(&bench.n2, &bench.n1)?;
    bench.tail();
    Ok(())
}
