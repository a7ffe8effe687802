//! Processes of the agent die and are started again. A dead worker costs nothing; a dead agent leaves no
//! orphan.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{
    BOUND, Haproxy, Lab, Moment, Node, Operator, Site, VIP, VRID, eventually, http_prober, ping_prober,
};

/// Kills the worker of `node` and waits until the parent has another one that answers.
fn lose_worker(node: &Node) -> Result<()> {
    let before = node.worker()?;
    let deaths = node.status()?.worker_deaths;
    node.kill_worker()?;
    eventually("another worker answers", BOUND, || {
        let (worker, status) = (node.worker()?, node.status()?);
        ensure!(worker != before && status.worker_deaths > deaths, "{worker} after {before}, {status:?}");
        Ok(())
    })
}

#[test]
fn a_killed_worker_moves_no_address_neither_active_nor_backup() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let _web = Haproxy::answering(&n1.host)?;
        let http = http_prober::start(&site.client, VIP)?;
        let pings = ping_prober::start(&site.client, VIP, Duration::from_millis(2))?;
        http.wait_until_answered("n1", 20, Moment::now(), BOUND)?;

        for victim in [n1, n2] {
            let killed = Moment::now();
            lose_worker(victim)?;
            site.wait_for_adverts(10, killed)?;
            site.wait_until_connected(victim)?;
            lab.only_holder(VIP, "n1")?;
            let strangers = site.capture.adverts_from(VRID, n2.host.lan, killed);
            ensure!(strangers.is_empty(), "n2 took over: {strangers:?}");
            let resigned = site.capture.adverts(VRID, killed).iter().any(|(_, one)| one.priority == 0);
            ensure!(!resigned, "somebody resigned");
            let (requests, pings) = (http.outage(killed), pings.outage(killed));
            ensure!(pings.lost == 0, "{} died, ping: {pings}", victim.name());
            let served = requests.longest_gap < Duration::from_secs(1);
            ensure!(served, "{} died, http: {requests}", victim.name());
        }
        Ok(())
    })
}

#[test]
fn a_killed_agent_leaves_no_orphan_when_it_starts_again() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let before = n1.status()?.boot_id;

        // Active: the kernel of n1 keeps the address while n2 takes over.
        n1.kill()?;
        eventually("n2 holds it too", BOUND, || {
            ensure!(n2.host.has_address(VIP)?, "{:?}", lab.holders(VIP)?);
            Ok(())
        })?;
        let restarted = Moment::now();
        n1.restart()?;
        eventually("n1, which preempts, holds it alone", BOUND, || {
            lab.only_holder(VIP, "n1")?;
            ensure!(
                !site.capture.adverts_from(VRID, n1.host.lan, restarted).is_empty(),
                "it does not advertise"
            );
            Ok(())
        })?;
        ensure!(n1.status()?.boot_id != before, "a new start has a new boot id");

        // Backup: nobody notices.
        let killed = Moment::now();
        n2.kill()?;
        n2.restart()?;
        site.wait_until_connected(n2)?;
        site.wait_for_adverts(20, killed)?;
        ensure!(site.capture.adverts_from(VRID, n2.host.lan, killed).is_empty(), "n2 took over");
        lab.only_holder(VIP, "n1")
    })
}

#[test]
fn a_dead_parent_costs_no_client_an_answer_and_makes_baton_status_fail() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let operator = Operator::log_in(lab, &site.server)?;
        let before = operator.baton(&["status"])?;
        ensure!(before.starts_with("1 group, all ok; 2 nodes, all ok\n"), "{before}");
        let pings = ping_prober::start(&site.client, VIP, Duration::from_millis(2))?;
        pings.wait_until_answered("", 20, Moment::now(), BOUND)?;
        let killed = Moment::now();
        n1.kill_parent()?;
        site.wait_for_adverts(20, killed)?;
        ensure!(site.capture.adverts_from(VRID, n2.host.lan, killed).is_empty(), "n2 took over");
        let outage = pings.outage(killed);
        ensure!(outage.lost == 0, "{outage}");
        eventually("the operator is told", BOUND, || {
            let seen = operator.glance(&["status"])?;
            ensure!(
                seen.starts_with("1 group, all ok; 2 nodes, 1 FAILING\n\nnode/n1: fence_not_armed for "),
                "{seen}"
            );
            ensure!(seen.contains("\n    on and not armed: guard (the parent process is gone)\n"), "{seen}");
            ensure!(operator.baton(&["status"]).is_err(), "its exit status is 0");
            Ok(())
        })?;
        lab.only_holder(VIP, "n1")
    })
}
