//! The LAN is cut between the holder and everybody else, and becomes one again.

use anyhow::Result;

use crate::bench::Bench;
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
    prepare: |bench| {
        bench.lab.cut_lan(&bench.n1.host)?;
        bench.wait_until_held_by(&bench.n2)?;
        bench.tail();
        Ok(())
    },
    ..Scenario::new(
        "split_heals",
        "a cut LAN becomes one again at a random phase; the client was in the half that loses",
        Expected::Healed,
        |bench| {
            std::thread::sleep(bench.random_phase());
            heal(bench)?;
            bench.wait_until_only(&bench.n1, &bench.n2)?;
            bench.tail();
            Ok(())
        },
    )
};

fn heal(bench: &Bench<'_>) -> Result<()> {
    bench.lab.heal_lan(&bench.n1.host).map(drop)
}
