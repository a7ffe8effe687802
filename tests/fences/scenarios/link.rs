//! The holder loses its link, with a server that tells the others, and without.

use anyhow::Result;
use e2e::Moment;

use crate::bench::Bench;
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const INTERFACE_DOWN: Scenario = Scenario {
    restore: |bench| {
        interface_up(bench)?;
        forget_losses(bench)
    },
    ..Scenario::new(
        "interface_down",
        "the holder's interface is set down; the server tells the others",
        Expected::Assisted { carrier_delay: false },
        |bench| without_link(bench, |bench| bench.n1.host.set_interface(false)),
    )
};

pub(crate) const CARRIER_LOST: Scenario = Scenario {
    restore: |bench| {
        carrier_back(bench)?;
        forget_losses(bench)
    },
    ..Scenario::new(
        "carrier_lost",
        "the holder's cable is pulled; the server tells the others",
        Expected::Assisted { carrier_delay: true },
        |bench| without_link(bench, |bench| bench.lab.set_carrier(&bench.n1.host, false)),
    )
};

pub(crate) const INTERFACE_DOWN_ALONE: Scenario = Scenario {
    prepare: cut_management,
    restore: |bench| {
        interface_up(bench)?;
        heal_management(bench)?;
        forget_losses(bench)
    },
    ..Scenario::new(
        "interface_down_unassisted",
        "the holder's interface is set down, and it cannot reach the server",
        Expected::Failure,
        |bench| without_link(bench, |bench| bench.n1.host.set_interface(false)),
    )
};

pub(crate) const CARRIER_LOST_ALONE: Scenario = Scenario {
    prepare: cut_management,
    restore: |bench| {
        carrier_back(bench)?;
        heal_management(bench)?;
        forget_losses(bench)
    },
    ..Scenario::new(
        "carrier_lost_unassisted",
        "the holder's cable is pulled, and it cannot reach the server",
        Expected::Failure,
        |bench| without_link(bench, |bench| bench.lab.set_carrier(&bench.n1.host, false)),
    )
};

fn without_link(bench: &Bench<'_>, lose: fn(&Bench<'_>) -> Result<Moment>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    let lost = lose(bench)?;
    (0..bench.groups.len()).for_each(|number| bench.call_since(number, &bench.n2, lost));
    bench.wait_until_held_by(&bench.n2)?;
    bench.tail();
    Ok(())
}

fn interface_up(bench: &Bench<'_>) -> Result<()> {
    bench.n1.host.set_interface(true)?;
    bench.address_again(&bench.n1)
}

/// Each loss doubles the time for which a member lets others keep the addresses afterwards, up to two minutes: a
/// new agent knows of none.
fn forget_losses(bench: &Bench<'_>) -> Result<()> {
    bench.n1.stop()?;
    bench.n1.restart()?;
    bench.wait_until_connected()
}

fn carrier_back(bench: &Bench<'_>) -> Result<()> {
    bench.lab.set_carrier(&bench.n1.host, true).map(drop)
}

/// The agent keeps its session and does not know better: nothing that it says arrives.
fn cut_management(bench: &Bench<'_>) -> Result<()> {
    bench.lab.cut_management(&bench.n1.host)
}

fn heal_management(bench: &Bench<'_>) -> Result<()> {
    bench.lab.heal_management(&bench.n1.host)?;
    bench.wait_until_connected()
}
