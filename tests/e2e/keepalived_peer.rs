//! Debian's keepalived takes part as an external member: elected correctly, active and backup, both ways
//! round.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::failover::{Failover, FailoverCause};
use api_types::group::Group;
use e2e::{
    BOUND, Haproxy, Host, Keepalived, Lab, Moment, Ports, Prober, Site, VIP, VRID, VrrpInstance, eventually,
    http_prober,
};
use serde_json::{Value, json};

const TAKEOVER_BOUND: Duration = Duration::from_millis(2_000);
const GAP_BOUND: Duration = Duration::from_secs(1);

fn instance(priority: u8) -> VrrpInstance {
    VrrpInstance { vrid: VRID, priority, interval_ms: 100, preempt: true, address: VIP }
}

fn group_with_external(node_priority: u8, address: Ipv4Addr, priority: u8) -> Value {
    let mut group = Site::group(&[("n1", node_priority)]);
    let external = json!({"kind": "external", "name": "old-lb", "address": address, "priority": priority});
    if let Some(members) = group["members"].as_array_mut() {
        members.push(external);
    }
    group
}

/// Plugs in a host for keepalived, with web servers there and on n1, and a client that probes.
fn plug_in(site: &Site) -> Result<(Host, [Haproxy; 2], Prober)> {
    let host = site.lab.host("old-lb", 40, Ports::Both)?;
    let web = [Haproxy::answering(&site.node("n1")?.host)?, Haproxy::answering(&host)?];
    let http = http_prober::start(&site.client, VIP)?;
    Ok((host, web, http))
}

fn recorded(site: &Site, from: &str, to: &str, since: Moment) -> Result<Failover> {
    eventually(&format!("a failover from {from} to {to}"), BOUND, || {
        let failovers: Vec<Failover> = site.api.list("failovers?group=web")?;
        let ours = failovers.iter().find(|one| {
            let recorded = one.recorded_at.as_datetime().timestamp_nanos_opt().unwrap_or_default();
            one.from.as_deref() == Some(from) && one.to == to && recorded > since.nanoseconds()
        });
        ours.cloned().with_context(|| format!("{failovers:?}"))
    })
}

#[test]
fn an_active_keepalived_is_obeyed_survived_and_obeyed_again() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1"])?;
        let n1 = site.node("n1")?;
        let (host, _web, http) = plug_in(&site)?;
        let mut keepalived = Keepalived::start(&host, instance(220))?;
        eventually("keepalived holds the address", BOUND, || lab.only_holder(VIP, "old-lb"))?;

        let joined = Moment::now();
        let _group: Group = site.api.put("groups/web", &group_with_external(150, host.lan, 220))?;
        eventually("n1 waits behind keepalived", BOUND, || {
            let groups = n1.status()?.groups;
            ensure!(groups.iter().any(|one| one.active_source == Some(host.lan.into())), "{groups:?}");
            Ok(())
        })?;
        eventually("the server names keepalived as active", BOUND, || {
            let seen: Group = site.api.get("groups/web")?;
            ensure!(seen.status.active == ["old-lb"], "{:?}", seen.status);
            Ok(())
        })?;
        http.wait_until_answered("old-lb", 20, joined, BOUND)?;
        ensure!(site.capture.adverts_from(VRID, n1.host.lan, joined).is_empty(), "n1 advertised");

        let died = lab.cut(&host)?;
        http.wait_until_answered("n1", 20, died, BOUND)?;
        let outage = http.outage(died);
        ensure!(outage.longest_gap < TAKEOVER_BOUND, "{outage}");
        ensure!(recorded(&site, "old-lb", "n1", died)?.cause == FailoverCause::NoResponse);

        let returned = Moment::now();
        lab.heal(&host)?;
        eventually("keepalived has it to itself again", BOUND, || lab.only_holder(VIP, "old-lb"))?;
        recorded(&site, "n1", "old-lb", returned)?;

        let stopped = Moment::now();
        keepalived.stop()?;
        http.wait_until_answered("n1", 20, stopped, BOUND)?;
        let outage = http.outage(stopped);
        ensure!(outage.longest_gap < TAKEOVER_BOUND, "{outage}");
        ensure!(recorded(&site, "old-lb", "n1", stopped)?.cause == FailoverCause::PriorityZero);
        lab.only_holder(VIP, "n1")
    })
}

#[test]
fn a_keepalived_behind_baton_waits_takes_over_and_gives_back() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1"])?;
        let n1 = site.node("n1")?;
        let (host, mut web, http) = plug_in(&site)?;
        let group = group_with_external(200, host.lan, 150);
        site.settle(&group, "n1")?;
        let begun = Moment::now();
        let _keepalived = Keepalived::start(&host, instance(150))?;
        http.wait_until_answered("n1", 50, begun, BOUND)?;
        ensure!(site.capture.adverts_from(VRID, host.lan, begun).is_empty(), "it accepts our adverts");

        let died = lab.cut(&n1.host)?;
        n1.kill()?;
        http.wait_until_answered("old-lb", 20, died, BOUND)?;
        let outage = http.outage(died);
        ensure!(outage.longest_gap < TAKEOVER_BOUND, "{outage}");

        n1.host.flush(VIP)?;
        lab.heal(&n1.host)?;
        web[0] = Haproxy::answering(&n1.host)?;
        let returned = Moment::now();
        n1.restart()?;
        http.wait_until_answered("n1", 20, returned, BOUND)?;
        eventually("keepalived yields", BOUND, || lab.only_holder(VIP, "n1"))?;
        ensure!(recorded(&site, "old-lb", "n1", returned)?.cause == FailoverCause::Preempting);

        // A graceful stop hands over to keepalived, which waits for its skew time, (256 − 150)/256 of the
        // interval that it has learned from n1, while n1 still answers. That is longer than the gap may be.
        site.slow_down(&group, 4_000)?;
        let stopped = Moment::now();
        n1.stop()?;
        http.wait_until_answered("old-lb", 20, stopped, BOUND)?;
        let taken = site.capture.adverts_from(VRID, host.lan, stopped);
        ensure!(taken[0].0 - stopped > GAP_BOUND, "it took over too soon to tell: {taken:?}");
        let outage = http.outage(stopped);
        ensure!(outage.longest_gap < GAP_BOUND, "{outage}");
        lab.only_holder(VIP, "old-lb")
    })
}
