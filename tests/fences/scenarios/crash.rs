//! Processes of the holder's agent are killed.

use anyhow::{Result, ensure};
use e2e::{Moment, eventually};
use nix::unistd::Pid;

use crate::bench::{BOUND, Bench};
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const WORKER_KILLED: Scenario = Scenario {
    restore: begin_anew,
    ..Scenario::new(
        "worker_killed",
        "the holder's worker is killed: its parent starts another, which adopts",
        Expected::Undisturbed,
        kill_worker,
    )
};

pub(crate) const WORKER_KILLED_AGAIN: Scenario = Scenario {
    restore: begin_anew,
    ..Scenario::new(
        "worker_killed_again",
        "the holder's worker is killed a second time within 10 s: the guard resigns, and lets go once a \
         successor is heard",
        Expected::Resigned,
        |bench| {
            kill_worker(bench)?;
            kill_for_good(bench)
        },
    )
};

pub(crate) const PARENT_KILLED: Scenario = Scenario {
    restore: |bench| {
        bench.n1.kill()?;
        bench.n1.restart()?;
        bench.wait_until_connected()
    },
    ..Scenario::new(
        "parent_killed",
        "the holder's parent process is killed where no service manager ends the worker with it: the worker \
         goes on",
        Expected::Undisturbed,
        |bench| {
            std::thread::sleep(bench.random_phase());
            bench.n1.kill_parent()?;
            std::thread::sleep(bench.interval() * 4);
            bench.tail();
            Ok(())
        },
    )
};

pub(crate) const ALL_KILLED: Scenario = Scenario {
    restore: |bench| {
        bench.n1.restart()?;
        bench.wait_until_connected()
    },
    ..Scenario::new(
        "all_killed",
        "every process of the holder's agent is killed; its host lives",
        Expected::KernelOnly,
        kill_all,
    )
};

fn kill_worker(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    let killed = bench.n1.worker()?;
    bench.n1.kill_worker()?;
    wait_until_replaced(bench, killed)?;
    std::thread::sleep(bench.interval() * 4);
    bench.wait_until_only(&bench.n1, &bench.n2)?;
    bench.tail();
    Ok(())
}

/// Another worker runs in place of this one.
pub(super) fn wait_until_replaced(bench: &Bench<'_>, before: Pid) -> Result<()> {
    eventually("another worker", BOUND, || {
        let worker = bench.n1.worker()?;
        ensure!(worker != before, "{worker} lives");
        Ok(())
    })
}

/// Kills a worker that has replaced another a short while before.
pub(super) fn kill_for_good(bench: &Bench<'_>) -> Result<()> {
    let killed = Moment::now();
    bench.n1.kill_worker()?;
    (0..bench.groups.len()).for_each(|number| bench.call_since(number, &bench.n2, killed));
    // The next worker may have them back before anybody has looked.
    bench.wait_until_decided()?;
    bench.tail();
    Ok(())
}

/// A worker that dies a second time soon after is another scenario.
fn begin_anew(bench: &Bench<'_>) -> Result<()> {
    bench.n1.stop()?;
    bench.n1.restart()?;
    bench.wait_until_connected()
}

fn kill_all(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    bench.n1.kill()?;
    bench.wait_until_only(&bench.n2, &bench.n1)?;
    bench.tail();
    Ok(())
}
