//! A node that lost power comes back as a new start, while another one holds the address.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{BOUND, Haproxy, Lab, Moment, Node, Site, VIP, VRID, always, eventually, http_prober};
use serde_json::json;

/// At this interval n1 waits 3 × 1 s + (256 − 200)/256 × 1 s = 3.2 s before it takes the address back, so
/// that nobody answers for about as long if one of the two acts before the other one does.
const INTERVAL_MS: u32 = 1_000;
const GAP_BOUND: Duration = Duration::from_secs(1);

/// Cuts and kills n1 and waits until n2 has the address.
fn lose(site: &Site, n1: &Node) -> Result<()> {
    site.lab.cut(&n1.host)?;
    n1.kill()?;
    eventually("n2 holds the address", BOUND, || {
        ensure!(site.node("n2")?.host.has_address(VIP)?, "{:?}", site.lab.holders(VIP)?);
        Ok(())
    })
}

/// Brings n1 back with what its disk holds.
fn bring_back(site: &Site, n1: &Node) -> Result<Moment> {
    // Power was lost: what the kernel of n1 held is gone when it boots again.
    n1.host.flush(VIP)?;
    site.lab.heal(&n1.host)?;
    let returned = Moment::now();
    n1.restart()?;
    Ok(returned)
}

#[test]
fn with_preempt_it_takes_the_address_back_without_a_gap() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let group = Site::group(&[("n1", 200), ("n2", 150)]);
        site.settle(&group, "n1")?;
        site.slow_down(&group, INTERVAL_MS)?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let _second = Haproxy::answering(&n2.host)?;
        let http = http_prober::start(&site.client, VIP)?;
        lose(&site, n1)?;
        http.wait_until_answered("n2", 20, Moment::now(), BOUND)?;
        let _first = Haproxy::answering(&n1.host)?;

        let returned = bring_back(&site, n1)?;
        eventually("n1 holds the address alone", BOUND, || lab.only_holder(VIP, "n1"))?;
        http.wait_until_answered("n1", 20, Moment::now(), BOUND)?;
        let outage = http.outage(returned);
        ensure!(outage.longest_gap < GAP_BOUND, "{outage}");
        let taken_back = site.capture.adverts_from(VRID, n1.host.lan, returned);
        ensure!(taken_back.iter().all(|(_, advert)| advert.priority == 200), "{taken_back:?}");
        ensure!(taken_back[0].0 - returned > GAP_BOUND, "it took over too soon to tell: {taken_back:?}");
        let later = taken_back[0].0 + Duration::from_millis(500);
        ensure!(site.capture.adverts_from(VRID, n2.host.lan, later).is_empty(), "n2 goes on advertising");
        ensure!(site.capture.announcements(VIP, returned).iter().any(|(_, mac)| *mac == n1.host.mac));
        Ok(())
    })
}

#[test]
fn without_preempt_the_address_stays_where_it_is() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let mut group = Site::group(&[("n1", 200), ("n2", 150)]);
        group["preempt_mode"] = json!(false);
        // Whoever hears silence first is active; without preempt it stays so. Let n1 be the only one at
        // first.
        let mut alone = Site::group(&[("n1", 200)]);
        alone["preempt_mode"] = json!(false);
        site.settle(&alone, "n1")?;
        site.settle(&group, "n1")?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        lose(&site, n1)?;
        let returned = bring_back(&site, n1)?;

        site.wait_until_connected(n1)?;
        eventually("n1 takes part again, as a backup", BOUND, || {
            let groups = n1.status()?.groups;
            let backup = groups.iter().any(|one| {
                one.state == api_types::transition::State::Backup
                    && one.active_source == Some(n2.host.lan.into())
            });
            ensure!(backup, "{groups:?}");
            Ok(())
        })?;
        always("n2 alone holds the address", Duration::from_secs(2), || lab.only_holder(VIP, "n2"))?;
        let heard = site.capture.adverts_from(VRID, n1.host.lan, returned);
        ensure!(heard.is_empty(), "n1 advertised: {heard:?}");
        Ok(())
    })
}
