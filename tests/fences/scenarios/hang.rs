//! Processes of the holder's agent hang: they are there, and do nothing.

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::bench::Bench;
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const WORKER_STOPPED: Scenario = Scenario {
    restore: go_on,
    ..Scenario::new("worker_hangs", "the holder's worker hangs (SIGSTOP)", Expected::Failure, |bench| {
        std::thread::sleep(bench.random_phase());
        bench.n1.signal_worker(Signal::SIGSTOP)?;
        wait_until_decided(bench)
    })
};

pub(crate) const ALL_STOPPED: Scenario = Scenario {
    restore: go_on,
    ..Scenario::new(
        "all_hangs",
        "worker and parent of the holder hang (SIGSTOP)",
        Expected::KernelOnly,
        |bench| {
            std::thread::sleep(bench.random_phase());
            bench.n1.signal_all(Signal::SIGSTOP);
            bench.wait_until_only(&bench.n2, &bench.n1)?;
            bench.tail();
            Ok(())
        },
    )
};

fn wait_until_decided(bench: &Bench<'_>) -> Result<()> {
    bench.wait_until_decided()?;
    bench.tail();
    Ok(())
}

/// Has everything run again, and then begins anew: what a worker does that went on is not measured here.
fn go_on(bench: &Bench<'_>) -> Result<()> {
    bench.n1.signal_all(Signal::SIGCONT);
    bench.n1.kill()?;
    bench.n1.restart()?;
    bench.wait_until_connected()
}
