//! The LAN loses what a new holder announces, and then no more.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::switchover::Switchover;
use e2e::eventually;
use serde_json::json;

use super::switchover::{switchovers_of, undo};
use crate::bench::{BOUND, Bench};
use crate::cell::MacMode;
use crate::expected::Expected;
use crate::scenario::Scenario;

/// From the takeover on. All that a holder announces in the first second by itself is lost, but for what it
/// plans for the end of it.
const LOST_FOR: Duration = Duration::from_millis(250);
/// Until the client is served again, and a little more.
const UNTIL_SERVED: Duration = Duration::from_millis(600);

/// With a virtual MAC the switch itself follows each advertisement, and no client needs to be told.
pub(crate) const LOST: Scenario = Scenario {
    only_at: Some(100),
    only_in: Some(MacMode::Interface),
    prepare: |bench| bench.wait_until_ready(),
    restore: undo,
    ..Scenario::new(
        "lost_announcements",
        "each group is switched over, and the LAN loses what the new holder announces in the first 250 ms or \
         more; the other member notices, and has it announced again",
        Expected::Followed,
        lose,
    )
};

fn lose(bench: &Bench<'_>) -> Result<()> {
    let api = bench.api.open()?;
    for (number, group) in bench.groups.iter().enumerate() {
        bench.lab.lose_all_announcements(&bench.n2.host, group.address)?;
        let _record: Switchover = api.create(&switchovers_of(&group.name()), &json!({"to": "n2"}))?;
        eventually(&format!("n2 holds {}", group.name()), BOUND, || {
            let held = bench.held_of(&[group.address], &bench.n2)?;
            ensure!(held == 1, "not yet");
            Ok(())
        })?;
        std::thread::sleep(LOST_FOR);
        bench.served_since(number, bench.lab.carry_announcements(&bench.n2.host)?);
        std::thread::sleep(UNTIL_SERVED);
    }
    bench.wait_until_only(&bench.n2, &bench.n1)?;
    bench.tail();
    Ok(())
}
