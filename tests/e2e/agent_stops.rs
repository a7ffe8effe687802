//! An operator stops the agent of the holder: the address is handed over, not dropped.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::failover::FailoverCause;
use e2e::{BOUND, Haproxy, Lab, Moment, Site, VIP, VRID, eventually, http_prober, ping_prober};

/// Longer than a busy machine delays an answer, shorter than every wrong way to hand over takes at this
/// interval: who does not know the other members takes over a skew of (256 − 150)/256 × 4 s = 1.66 s after a
/// resignation, and 13.7 s after a silence.
const GAP_BOUND: Duration = Duration::from_secs(1);
const INTERVAL_MS: u32 = 4_000;

#[test]
fn a_stopping_holder_hands_the_address_over_before_it_lets_go() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let group = Site::group(&[("n1", 200), ("n2", 150)]);
        site.settle(&group, "n1")?;
        site.slow_down(&group, INTERVAL_MS)?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let _web = [Haproxy::answering(&n1.host)?, Haproxy::answering(&n2.host)?];
        let http = http_prober::start(&site.client, VIP)?;
        let pings = ping_prober::start(&site.client, VIP, Duration::from_millis(2))?;
        http.wait_until_answered("n1", 20, Moment::now(), BOUND)?;

        let stopped = Moment::now();
        n1.stop()?;
        eventually("n2 holds the address alone", BOUND, || lab.only_holder(VIP, "n2"))?;
        http.wait_until_answered("n2", 20, stopped, BOUND)?;

        let last_words = site.capture.adverts_from(VRID, n1.host.lan, stopped);
        let resigned: Vec<_> = last_words.iter().filter(|(_, advert)| advert.priority == 0).collect();
        ensure!(resigned.len() == 1, "the successor came before it was time to resign again: {last_words:?}");
        ensure!(last_words.last().is_some_and(|(_, advert)| advert.priority == 0), "{last_words:?}");
        let taken = site.capture.adverts_from(VRID, n2.host.lan, stopped);
        let waited = taken[0].0 - resigned[0].0;
        ensure!(waited < GAP_BOUND, "the successor waited for {waited:?}, and no other is better");

        // The holder answers until its successor does. A busy machine may cost a probe.
        for (who, outage) in [("http", http.outage(stopped)), ("ping", pings.outage(stopped))] {
            ensure!(outage.longest_gap < GAP_BOUND, "{who}: {outage}");
        }
        let pings = pings.outage(stopped);
        ensure!(pings.lost * 20 <= pings.sent, "more than one probe in twenty was lost: {pings}");
        ensure!(n1.host.namespace.processes().len() == 1, "only HAProxy runs on n1");

        let failover = site.wait_for_failover_to("n2")?;
        ensure!(failover.cause == FailoverCause::PriorityZero, "{failover:?}");
        ensure!(failover.from.as_deref() == Some("n1"), "{failover:?}");
        Ok(())
    })
}

#[test]
fn a_stopping_backup_says_nothing() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let n2 = site.node("n2")?;
        let stopped = Moment::now();
        n2.stop()?;
        let adverts = site.wait_for_adverts(10, stopped)?;
        let n1 = site.node("n1")?.host.lan;
        ensure!(adverts.iter().all(|(_, advert)| advert.from == n1), "{adverts:?}");
        lab.only_holder(VIP, "n1")
    })
}
