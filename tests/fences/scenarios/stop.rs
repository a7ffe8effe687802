//! An agent is stopped, and one comes back.

use anyhow::Result;

use crate::bench::Bench;
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const STOPPED: Scenario = Scenario {
    restore: start,
    ..Scenario::new("graceful_stop", "the holder's agent is told to stop (SIGTERM)", Expected::Planned, stop)
};

pub(crate) const RETURNS: Scenario = Scenario {
    prepare: |bench| {
        bench.n1.stop()?;
        bench.wait_until_only(&bench.n2, &bench.n1)?;
        bench.tail();
        Ok(())
    },
    ..Scenario::new("preemption", "a node of higher priority returns", Expected::Planned, returns)
};

fn stop(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    bench.n1.stop()?;
    bench.wait_until_only(&bench.n2, &bench.n1)?;
    bench.tail();
    Ok(())
}

fn start(bench: &Bench<'_>) -> Result<()> {
    bench.n1.restart()?;
    bench.wait_until_connected()
}

fn returns(bench: &Bench<'_>) -> Result<()> {
    bench.n1.restart()?;
    bench.wait_until_only(&bench.n1, &bench.n2)?;
    bench.tail();
    Ok(())
}
