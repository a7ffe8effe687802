//! An operator drains the holder, and has it take part again.

use anyhow::Result;
use api_types::drain::Drain;
use serde_json::json;

use crate::bench::Bench;
use crate::expected::Expected;
use crate::scenario::Scenario;

const DRAIN: &str = "nodes/n1/drain";

pub(crate) const DRAINED: Scenario = Scenario {
    prepare: |bench| bench.wait_until_ready(),
    restore: undrain,
    ..Scenario::new(
        "drain",
        "the holder's node is drained by `PUT /nodes/{node}/drain`",
        Expected::Planned,
        drain,
    )
};

pub(crate) const UNDRAINED: Scenario = Scenario {
    prepare: |bench| {
        bench.wait_until_ready()?;
        drain(bench)
    },
    ..Scenario::new(
        "undrain",
        "the drain is lifted: the node takes back what it held",
        Expected::Planned,
        |bench| {
            undrain(bench)?;
            bench.wait_until_only(&bench.n1, &bench.n2)?;
            bench.tail();
            Ok(())
        },
    )
};

fn drain(bench: &Bench<'_>) -> Result<()> {
    let _drain: Drain = bench.api.put(DRAIN, &json!({"reason": "the campaign"}))?;
    bench.wait_until_only(&bench.n2, &bench.n1)?;
    bench.tail();
    Ok(())
}

fn undrain(bench: &Bench<'_>) -> Result<()> {
    bench.api.delete(DRAIN)
}
