//! A standby that could not take over is known within two seconds, with the reason, while no address moves.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::condition::ConditionKind;
use api_types::group::Group;
use e2e::{BOUND, Lab, Moment, Site, VIP, eventually};
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::{Value, json};

/// How soon the server must say so.
const SOON: Duration = Duration::from_secs(2);

/// Waits until the group has lost its redundancy since `since`, and says for what reason and after what time.
fn lost(site: &Site<'_>, since: Moment, reason: &str) -> Result<()> {
    let what = format!("nobody could take over since n2 {reason}");
    eventually(&what, BOUND, || {
        let status = site.api.get::<Group>("groups/web")?.status;
        let lost = status.conditions.iter().find(|one| one.kind == ConditionKind::RedundancyLost);
        let detail = &lost.with_context(|| format!("{:?} {:?}", status.standby, status.conditions))?.detail;
        ensure!(detail == &format!("nobody could take over from n1: n2 {reason}"), "{detail}");
        ensure!(status.standby.ready.is_empty(), "{:?}", status.standby);
        Ok(())
    })?;
    let took = Moment::now() - since;
    println!("n2 {reason}: known after {took:?}");
    ensure!(took <= SOON, "n2 {reason}: known after {took:?}");
    ensure!(site.node("n1")?.host.has_address(VIP)?, "n1 does not hold {VIP}");
    Ok(())
}

fn back(site: &Site<'_>) -> Result<()> {
    eventually("n2 could take over again", BOUND, || {
        let status = site.api.get::<Group>("groups/web")?.status;
        ensure!(status.standby.ready == ["n2"] && status.conditions.is_empty(), "{status:?}");
        Ok(())
    })?;
    site.lab.only_holder(VIP, "n1")
}

#[test]
fn each_cause_that_makes_a_standby_useless_is_known_within_two_seconds() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 240), ("n2", 200)]), "n1")?;
        let n2 = site.node("n2")?;
        back(&site)?;

        let since = n2.host.set_interface(false)?;
        lost(&site, since, "has its interface eth0 down")?;
        n2.host.set_interface(true)?;
        back(&site)?;

        let since = Moment::now();
        let _drain: Value = site.api.put("nodes/n2/drain", &json!({}))?;
        lost(&site, since, "is drained")?;
        site.api.delete("nodes/n2/drain")?;
        back(&site)?;

        // No advertisement reaches it any more: it takes over beside the holder.
        n2.host.namespace.nft(
            "add table netdev deaf; add chain netdev deaf in { type filter hook ingress device eth0 priority 0; }; \
             add rule netdev deaf in ip protocol 112 drop",
        )?;
        let since = Moment::now();
        lost(&site, since, "does not hear n1, and holds the addresses as well")?;
        n2.host.namespace.nft("delete table netdev deaf")?;
        back(&site)?;

        let since = Moment::now();
        n2.signal_all(SIGSTOP);
        lost(&site, since, "is not heard by the server any more")?;
        n2.signal_all(SIGCONT);
        back(&site)?;

        let since = Moment::now();
        n2.kill()?;
        lost(&site, since, "has no session with a server")?;
        n2.restart()?;
        back(&site)
    })
}

#[test]
fn a_worker_that_dies_costs_the_group_no_redundancy() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 240), ("n2", 200)]), "n1")?;
        let n2 = site.node("n2")?;
        back(&site)?;
        let since = Moment::now();
        let worker = n2.worker()?;
        n2.kill_worker()?;
        eventually("another worker", BOUND, || {
            ensure!(n2.worker()? != worker, "it is the same");
            Ok(())
        })?;
        while (Moment::now() - since) < SOON + Duration::from_secs(1) {
            let status = site.api.get::<Group>("groups/web")?.status;
            ensure!(status.conditions.is_empty(), "{:?}", status.conditions);
        }
        back(&site)
    })
}
