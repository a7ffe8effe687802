//! The LAN is cut between the holder and everybody else, and becomes one again.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::cell::{Family, MacMode};
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const CUT_OFF: Scenario = Scenario {
    restore: heal,
    ..Scenario::new(
        "cut_off",
        "the LAN is cut between the holder and its client, or the holder's machine dies",
        Expected::Unreachable,
        |bench| {
            std::thread::sleep(bench.random_phase());
            bench.lab.cut_lan(&bench.n1.host)?;
            bench.wait_until_held_by(&bench.n2)?;
            bench.tail();
            Ok(())
        },
    )
};

pub(crate) const HEALED: Scenario = Scenario {
    runs: 100,
    prepare: |bench| split(bench, random_length(bench)),
    ..Scenario::new(
        "split_heals",
        "a LAN that was cut for some seconds, at random, becomes one again at a random phase; the client was in \
         the half that loses",
        Expected::Healed,
        become_one,
    )
};

pub(crate) const LONG_HEALED: Scenario = Scenario {
    only_at: Some(100),
    only_over: Some(Family::Ipv4),
    only_in: Some(MacMode::Interface),
    prepare: |bench| split(bench, Duration::from_secs(60)),
    ..Scenario::new(
        "long_split_heals",
        "a LAN that was cut for a minute becomes one again; the client was in the half that loses",
        Expected::Healed,
        become_one,
    )
};

/// Up to eight intervals, and up to a second where these are less.
fn random_length(bench: &Bench<'_>) -> Duration {
    (bench.interval() * 8).max(Duration::from_secs(1)).mul_f64(rand::random::<f64>())
}

/// Cuts the LAN, and has both halves go on for so long after each has a holder.
fn split(bench: &Bench<'_>, lasts: Duration) -> Result<()> {
    bench.lab.cut_lan(&bench.n1.host)?;
    bench.wait_until_held_by(&bench.n2)?;
    std::thread::sleep(lasts);
    Ok(())
}

fn become_one(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    heal(bench)?;
    bench.wait_until_only(&bench.n1, &bench.n2)?;
    bench.tail();
    Ok(())
}

fn heal(bench: &Bench<'_>) -> Result<()> {
    bench.lab.heal_lan(&bench.n1.host).map(drop)
}
