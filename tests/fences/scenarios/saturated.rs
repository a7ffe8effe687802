//! Every processor is busy for ten minutes, and nobody takes over from a holder that lives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::cell::Family;
use crate::expected::Expected;
use crate::scenario::Scenario;

const LASTS: Duration = Duration::from_secs(600);
const GROUPS: u8 = 50;

pub(crate) const SATURATED: Scenario = Scenario {
    runs: GROUPS as usize,
    groups: Some(GROUPS),
    only_at: Some(100),
    only_over: Some(Family::Ipv4),
    takes: Duration::from_secs(660),
    ..Scenario::new(
        "saturated",
        "fifty groups while twice as many threads as processors are busy, for ten minutes",
        Expected::NoFailover,
        act,
    )
};

fn act(bench: &Bench<'_>) -> Result<()> {
    let before = lapses(bench)?;
    be_busy();
    let after = lapses(bench)?;
    ensure!(after >= before, "the agent has begun anew");
    bench.note_lapses(after - before);
    Ok(())
}

/// How often a fence of the holder has acted, and its worker died. The client sees what that costs only if it
/// asks meanwhile.
fn lapses(bench: &Bench<'_>) -> Result<u64> {
    let status = bench.n1.status()?;
    let by_fences: u64 = status.fences.each().iter().map(|(_, fence)| fence.acted + fence.lapsed).sum();
    Ok(by_fences + status.worker_deaths)
}

fn be_busy() {
    let processors = thread::available_parallelism().map_or(2, usize::from);
    let (end, done) = (Instant::now() + LASTS, AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..processors * 2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        thread::sleep(end.saturating_duration_since(Instant::now()));
        done.store(true, Ordering::Relaxed);
    });
}
