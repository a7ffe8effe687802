//! The holder loses its link.

use anyhow::Result;
use e2e::output_of;

use crate::bench::Bench;
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const INTERFACE_DOWN: Scenario = Scenario {
    restore: |bench| set_interface(bench, "up"),
    ..Scenario::new("interface_down", "the holder's interface is set down", Expected::Failure, |bench| {
        std::thread::sleep(bench.random_phase());
        set_interface(bench, "down")?;
        bench.wait_until_held_by(&bench.n2)?;
        bench.tail();
        Ok(())
    })
};

pub(crate) const CARRIER_LOST: Scenario = Scenario {
    restore: |bench| bench.lab.set_carrier(&bench.n1.host, true).map(drop),
    ..Scenario::new("carrier_lost", "the holder's cable is pulled", Expected::Failure, |bench| {
        std::thread::sleep(bench.random_phase());
        bench.lab.set_carrier(&bench.n1.host, false)?;
        bench.wait_until_held_by(&bench.n2)?;
        bench.tail();
        Ok(())
    })
};

fn set_interface(bench: &Bench<'_>, state: &str) -> Result<()> {
    let mut command = bench.n1.host.namespace.command("ip");
    output_of(command.args(["link", "set", "eth0", state])).map(drop)
}
