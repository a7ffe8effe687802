//! The agent's unit is restarted, and reloaded after an upgrade: its own Exec lines, in systemd's order.

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Result, ensure};
use e2e::{eventually, is_alive};
use nix::unistd::Pid;

use crate::bench::{BOUND, Bench};
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const RESTARTED: Scenario = Scenario::new(
    "restart",
    "`systemctl restart` of the holder's agent: the addresses move, and come back",
    Expected::Planned,
    restart,
);

pub(crate) const UPGRADED: Scenario = Scenario {
    prepare: |bench| bench.n1_program.fetch(),
    ..Scenario::new(
        "upgrade",
        "another file takes the place of the holder's program, and `systemctl reload`: the same process and \
         another worker run it, and nothing moves",
        Expected::Undisturbed,
        upgrade,
    )
};

fn restart(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    bench.unit.restart(&bench.n1)?;
    bench.wait_until_only(&bench.n1, &bench.n2)?;
    bench.tail();
    bench.wait_until_connected()
}

fn upgrade(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    let former = bench.n1.worker()?;
    bench.n1_program.install()?;
    bench.unit.reload(&bench.n1)?;
    eventually("the agent has been upgraded", BOUND, || is_upgraded(bench, former))?;
    std::thread::sleep(bench.interval() * 4);
    bench.wait_until_only(&bench.n1, &bench.n2)?;
    bench.tail();
    bench.wait_until_connected()
}

/// Whether the process that was started, and a worker after `former`, run the file that is there now.
fn is_upgraded(bench: &Bench<'_>, former: Pid) -> Result<()> {
    bench.n1.ensure_running()?;
    let (parent, worker) = (bench.n1.parent()?, bench.n1.worker()?);
    let installed = fs::metadata(bench.n1_program.place())?.ino();
    for process in [parent, worker] {
        let runs = fs::metadata(format!("/proc/{process}/exe"))?.ino();
        ensure!(runs == installed, "{process} runs another file");
    }
    ensure!(worker != former && !is_alive(former), "{former} is the worker");
    Ok(())
}
