//! The agent's unit is restarted, and reloaded after an upgrade: its own Exec lines, in systemd's order.

use anyhow::Result;

use crate::bench::Bench;
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const RESTARTED: Scenario = Scenario::new(
    "restart",
    "`systemctl restart` of the holder's agent: the addresses move, and come back",
    Expected::Planned,
    restart,
);

pub(crate) const UPGRADED: Scenario = Scenario::new(
    "upgrade",
    "`systemctl reload` of the holder's agent, whose program was replaced: nothing moves",
    Expected::Undisturbed,
    upgrade,
);

fn restart(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    bench.unit.restart(&bench.n1)?;
    bench.wait_until_only(&bench.n1, &bench.n2)?;
    bench.tail();
    bench.wait_until_connected()
}

fn upgrade(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    bench.unit.reload(&bench.n1)?;
    std::thread::sleep(bench.interval() * 4);
    bench.wait_until_only(&bench.n1, &bench.n2)?;
    bench.tail();
    bench.wait_until_connected()
}
