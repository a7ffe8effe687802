//! The holder loses power: cut off from both networks, every process dead, its kernel's address with it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::condition::ConditionKind;
use api_types::failover::{FailoverCause, GapMethod};
use api_types::node::Node as NodeResource;
use e2e::{BOUND, Haproxy, Lab, Moment, Site, VIP, VRID, eventually, http_prober, ping_prober};

/// `Active_Down_Interval` of n2 at 100 ms: 3 × 100 + (256 − 150)/256 × 100 = 341 ms; five times that, and
/// more.
const TAKEOVER_BOUND: Duration = Duration::from_millis(2_000);
/// A server gives up an agent that it has not heard for 15 s; five times that.
const TIME_TO_BE_MISSED: Duration = Duration::from_secs(75);

#[test]
fn the_best_backup_takes_over_and_the_failover_is_recorded() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2", "n3"])?;
        let group = site.settle(&Site::group(&[("n1", 200), ("n2", 150), ("n3", 100)]), "n1")?;
        let (n1, n2, n3) = (site.node("n1")?, site.node("n2")?, site.node("n3")?);
        let _web =
            [Haproxy::answering(&n1.host)?, Haproxy::answering(&n2.host)?, Haproxy::answering(&n3.host)?];
        let http = http_prober::start(&site.client, VIP)?;
        let pings = ping_prober::start(&site.client, VIP, Duration::from_millis(5))?;
        http.wait_until_answered("n1", 20, Moment::now(), BOUND)?;

        let died = lab.cut(&n1.host)?;
        n1.kill()?;
        http.wait_until_answered("n2", 20, died, BOUND)?;

        for (who, outage) in [("http", http.outage(died)), ("ping", pings.outage(died))] {
            ensure!(outage.longest_gap < TAKEOVER_BOUND, "{who}: {outage}");
            ensure!(outage.longest_gap > Duration::from_millis(200), "{who}: nothing happened: {outage}");
        }
        let adverts = site.capture.adverts_from(VRID, n2.host.lan, died);
        let announced = site.capture.announcements(VIP, died);
        ensure!(adverts.first().is_some_and(|(at, _)| *at - died < TAKEOVER_BOUND), "{adverts:?}");
        ensure!(
            !announced.is_empty() && announced.iter().all(|(_, mac)| *mac == n2.host.mac),
            "{announced:?}"
        );
        ensure!(site.capture.adverts_from(VRID, n3.host.lan, died).is_empty(), "n3 advertised too");
        ensure!(n2.host.has_address(VIP)? && !n3.host.has_address(VIP)?);

        let failover = site.wait_for_failover_to("n2")?;
        ensure!(failover.from.as_deref() == Some("n1") && failover.group_id == group.id, "{failover:?}");
        ensure!(failover.cause == FailoverCause::NoResponse, "{failover:?}");
        ensure!(failover.gap_method == GapMethod::LastAdvertisementToAnnouncement, "{failover:?}");
        ensure!(failover.bound_at.is_some() && failover.bound_at <= failover.announced_at, "{failover:?}");
        // The record's gap runs from the last advert to the first announcement. The witness has both.
        let adverts_of_n1 = site.capture.adverts_from(VRID, n1.host.lan, died - Duration::from_secs(2));
        let (last_heard, _) = adverts_of_n1.last().context("n1 was not heard")?;
        let witnessed = (announced[0].0 - *last_heard).as_secs_f64() * 1_000.0;
        let recorded = failover.gap_ms.context("no gap")?;
        ensure!((recorded - witnessed).abs() < 50.0, "recorded {recorded} ms, witnessed {witnessed} ms");

        eventually("the server says that n1 is not there", TIME_TO_BE_MISSED, || {
            let seen: NodeResource = site.api.get("nodes/n1")?;
            let missed =
                seen.status.conditions.iter().any(|one| one.kind == ConditionKind::AgentDisconnected);
            ensure!(missed && !seen.status.connected, "{:?}", seen.status);
            Ok(())
        })?;
        for name in ["n2", "n3"] {
            let seen: NodeResource = site.api.get(&format!("nodes/{name}"))?;
            ensure!(seen.status.connected && seen.status.conditions.is_empty(), "{name}: {:?}", seen.status);
        }
        Ok(())
    })
}
