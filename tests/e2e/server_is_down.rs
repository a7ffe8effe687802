//! The server goes away, and Postgres with it. Elections do not need them; the record arrives later.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::failover::FailoverCause;
use api_types::transition::{State, Transition, TransitionReason};
use chrono::Utc;
use e2e::{BOUND, Haproxy, Lab, Moment, Prober, Site, VIP, eventually, http_prober, ping_prober};

/// Waits for twenty more adverts and fails unless all are n1's, without a probe lost.
fn nothing_moves(site: &Site, pings: &Prober, since: Moment) -> Result<()> {
    let n1 = site.node("n1")?.host.lan;
    let adverts = site.wait_for_adverts(20, since)?;
    ensure!(adverts.iter().all(|(_, one)| one.from == n1 && one.priority == 200), "{adverts:?}");
    let outage = pings.outage(since);
    ensure!(outage.lost == 0, "{outage}");
    site.lab.only_holder(VIP, "n1")
}

#[test]
fn a_failover_without_server_and_postgres_happens_and_is_recorded_later() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let _web = [Haproxy::answering(&n1.host)?, Haproxy::answering(&n2.host)?];
        let http = http_prober::start(&site.client, VIP)?;
        let pings = ping_prober::start(&site.client, VIP, Duration::from_millis(5))?;
        http.wait_until_answered("n1", 20, Moment::now(), BOUND)?;

        let stopped = Moment::now();
        site.server.stop()?;
        nothing_moves(&site, &pings, stopped)?;
        for node in [n1, n2] {
            eventually("the agent notices that the server is away", BOUND, || {
                let link = node.status()?.server;
                ensure!(!link.connected && link.last_error.is_some(), "{link:?}");
                Ok(())
            })?;
        }

        // Whoever started first may have held for a moment before.
        let alone_since = Utc::now();
        let died = lab.cut(&n1.host)?;
        n1.kill()?;
        http.wait_until_answered("n2", 20, died, BOUND)?;
        let outage = http.outage(died);
        ensure!(outage.longest_gap < Duration::from_secs(2), "{outage}");
        eventually("the transition waits for a server", BOUND, || {
            let journal = n2.status()?.journal;
            ensure!(journal.unacknowledged > 0, "{journal:?}");
            Ok(())
        })?;

        let back = Utc::now();
        site.server.restart()?;
        let failover = site.wait_for_failover_to("n2")?;
        ensure!(failover.cause == FailoverCause::NoResponse, "{failover:?}");
        ensure!(failover.from.as_deref() == Some("n1"), "{failover:?}");
        let bound_at = failover.bound_at.context("it does not say when it was bound")?;
        ensure!(bound_at.as_datetime() < back, "it happened before the server was back: {failover:?}");
        let transitions: Vec<Transition> = site.api.list("transitions?group=web&node=n2")?;
        let is_takeover =
            |one: &&Transition| one.record.to == State::Active && one.record.at.as_datetime() >= alone_since;
        let reasons: Vec<_> = transitions.iter().filter(is_takeover).map(|one| one.record.reason).collect();
        ensure!(reasons == [TransitionReason::NoResponse], "recorded once: {transitions:?}");
        eventually("the journal is acknowledged", BOUND, || {
            let journal = n2.status()?.journal;
            ensure!(journal.unacknowledged == 0, "{journal:?}");
            Ok(())
        })?;
        lab.holders(VIP).and_then(|holders| {
            ensure!(holders.contains(&"n2".to_owned()), "{holders:?}");
            Ok(())
        })
    })
}

#[test]
fn a_killed_postgres_moves_nothing_and_comes_back() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let pings = ping_prober::start(&site.client, VIP, Duration::from_millis(5))?;
        pings.wait_until_answered("", 20, Moment::now(), BOUND)?;
        let killed = Moment::now();
        site.server.kill_postgres()?;
        nothing_moves(&site, &pings, killed)?;
        eventually("the server has a database again", BOUND, || site.api.is_ready())?;
        for node in &site.nodes {
            site.wait_until_connected(node)?;
        }
        // What was committed is still there, and the next edit goes all the way.
        site.settle(&Site::group(&[("n1", 100), ("n2", 150)]), "n2").map(drop)
    })
}

#[test]
fn agents_that_start_without_a_server_elect_from_what_they_know() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        site.server.stop()?;
        for node in &site.nodes {
            node.stop()?;
        }
        eventually("nobody holds it", BOUND, || {
            let holders = lab.holders(VIP)?;
            ensure!(holders.is_empty(), "{holders:?}");
            Ok(())
        })?;
        for node in &site.nodes {
            node.restart()?;
        }
        eventually("n1 holds it, as before", BOUND, || lab.only_holder(VIP, "n1"))
    })
}
