//! An operator takes the holder out of its groups, and an address out of a group of two.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::eventually;
use serde_json::json;

use crate::bench::{BOUND, Bench};
use crate::expected::Expected;
use crate::scenario::Scenario;

pub(crate) const MEMBER_REMOVED: Scenario =
    Scenario::new("member_removed", "the holder is removed from the group", Expected::Planned, remove_member);

pub(crate) const ADDRESS_REMOVED: Scenario = Scenario {
    prepare: add_addresses,
    ..Scenario::new(
        "address_removed",
        "one of the group's two addresses is removed; the other one is probed",
        Expected::Undisturbed,
        remove_address,
    )
};

fn remove_member(bench: &Bench<'_>) -> Result<()> {
    for number in 0..bench.groups.len() {
        bench.edit(number, |group| {
            group["members"].as_array_mut().map(|members| members.remove(0));
        })?;
    }
    bench.wait_until_only(&bench.n2, &bench.n1)?;
    bench.tail();
    Ok(())
}

fn add_addresses(bench: &Bench<'_>) -> Result<()> {
    for (number, group) in bench.groups.iter().enumerate() {
        let addresses = group.virtual_addresses(&[group.address, group.second_address]);
        bench.edit(number, |group| group["virtual_addresses"] = json!(addresses))?;
    }
    wait_for_second_addresses(bench, bench.groups.len())?;
    bench.tail();
    Ok(())
}

fn remove_address(bench: &Bench<'_>) -> Result<()> {
    for number in 0..bench.groups.len() {
        bench.edit(number, |_| {})?;
        std::thread::sleep(Duration::from_millis(5));
    }
    wait_for_second_addresses(bench, 0)?;
    bench.tail();
    Ok(())
}

fn wait_for_second_addresses(bench: &Bench<'_>, wanted: usize) -> Result<()> {
    let addresses: Vec<_> = bench.groups.iter().map(|group| group.second_address).collect();
    eventually(&format!("n1 holds {wanted} second addresses"), BOUND, || {
        let held = bench.held_of(&addresses, &bench.n1)?;
        ensure!(held == wanted, "{held}");
        Ok(())
    })
}
