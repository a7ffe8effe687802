//! The story: who holds the address, who takes over when it loses power, and how it takes the address back.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::audit::AuditEvent;
use api_types::failover::Failover;
use e2e::{Api, Moment, Node, Prober, eventually, http_prober};

use crate::gap;
use crate::progress::Progress;
use crate::report::Report;
use crate::scene::Scene;

/// The first election waits for three agents to enrol.
const TIME_TO_ELECT: Duration = Duration::from_secs(20);
/// A takeover takes a third of a second; a client that nobody tells of it would wait for its ARP cache, far
/// longer.
const TIME_TO_TAKE_OVER: Duration = Duration::from_secs(5);
const TIME_TO_RECORD: Duration = Duration::from_secs(15);
/// A second's worth of requests.
const SERVED: usize = 50;

/// What a loss of power did.
struct Loss<'scene> {
    successor: &'scene Node,
    client_gap_ms: f64,
    /// The gap of [`gap::on_the_wire`].
    on_the_wire: Duration,
}

pub(crate) fn tell(scene: &Scene<'_>, progress: &Progress) -> Result<Report> {
    let best = scene.example.nodes()[0].node.to_string();
    let best = scene.node(&best).context("the example names a node that is not there")?;

    progress.act("A group is wanted");
    let begun = Moment::now();
    apply(scene, progress)?;
    wait_for_holder(scene, best, begun, TIME_TO_ELECT)?;
    progress.seen(&format!(
        "{} holds {}: it advertises, has announced itself, and its kernel has the address",
        best.name(),
        scene.address
    ));
    let http = http_prober::start(&scene.client, scene.address)?;
    http.wait_until_answered(best.name(), SERVED, begun, TIME_TO_TAKE_OVER)?;
    progress.seen(&format!("the client makes a new connection every 20 ms; {} answers", best.name()));

    progress.act(&format!("{} loses power", best.name()));
    let loss = lose_power(scene, best, &http, progress)?;
    let successor = loss.successor;

    glance_at_status(scene, best, successor, progress);

    progress.act(&format!("{} returns", best.name()));
    give_power_back(scene, best, &http, progress)?;

    progress.act("What Baton says about it");
    let api = scene.server.api()?;
    let failover = recorded_failover(&api, best, successor)?;
    let status = eventually("baton status finds everything well", TIME_TO_RECORD, || {
        scene.operator.baton(&["status"])
    })?;
    progress.quote("baton status", &status);
    progress.quote("baton get failovers", &scene.operator.baton(&["get", "failovers"])?);
    let recorded_ms = failover.gap_ms.context("the failover has no gap")?;
    gap::compare(recorded_ms, loss.on_the_wire)?;
    progress.remark(&format!(
        "The client's gap is {:.0} ms, the record's {recorded_ms:.0} ms and the capture's {:.0} ms: the \
         client counts from its last\nanswer to its next one, record and capture from the last \
         advertisement to the announcement.",
        loss.client_gap_ms,
        loss.on_the_wire.as_secs_f64() * 1_000.0,
    ));
    progress.quote("baton get audit", &scene.operator.baton(&["get", "audit"])?);

    http.stop();
    let outage = http.outage(begun);
    let (failovers, audit): (Vec<Failover>, Vec<AuditEvent>) =
        (api.list("failovers")?, api.list("audit-events")?);
    ensure!(!audit.is_empty(), "the audit log is empty");
    Ok(Report {
        group: scene.example.group.name.to_string(),
        vip: scene.example.group.virtual_addresses[0].to_string(),
        active_before: best.name().to_owned(),
        active_after: successor.name().to_owned(),
        client_gap_ms: rounded(loss.client_gap_ms),
        failover_gap_ms: rounded(recorded_ms),
        requests: outage.sent,
        requests_failed: outage.lost,
        failovers_recorded: failovers.len(),
        audit_events: audit.len(),
        seconds: rounded(progress.elapsed().as_secs_f64()),
    })
}

fn apply(scene: &Scene<'_>, progress: &Progress) -> Result<()> {
    let path = scene.example.path.to_string_lossy();
    let applied = scene.operator.baton(&["apply", "-f", &path])?;
    progress.quote("baton apply -f examples/haproxy-pair.yaml", &applied);
    progress.remark("");
    Ok(())
}

/// Waits until the capture and every kernel agree that `node` holds the address, and nobody else does.
fn wait_for_holder(scene: &Scene<'_>, node: &Node, since: Moment, within: Duration) -> Result<()> {
    let (address, lan) = (scene.address, node.host.lan);
    eventually(&format!("{} alone has {address} in its kernel", node.name()), within, || {
        scene.lab.only_holder(address, node.name())
    })?;
    eventually(&format!("{} advertises on the LAN", node.name()), TIME_TO_TAKE_OVER, || {
        let adverts = scene.capture.adverts_from(scene.example.vrid(), lan, since);
        ensure!(adverts.len() >= 3, "{} adverts from {lan}", adverts.len());
        Ok(())
    })?;
    eventually(&format!("{} announces {address} by gratuitous ARP", node.name()), TIME_TO_TAKE_OVER, || {
        let announced = scene.capture.announcements(address, since);
        ensure!(announced.iter().any(|(_, mac)| *mac == node.host.mac), "announced: {announced:?}");
        Ok(())
    })
}

fn lose_power<'scene>(
    scene: &'scene Scene<'_>,
    holder: &Node,
    http: &Prober,
    progress: &Progress,
) -> Result<Loss<'scene>> {
    let died = scene.lab.cut(&holder.host)?;
    holder.kill()?;
    progress.seen("the switch drops everything from and to its ports; every process on it is killed");

    let vrid = scene.example.vrid();
    let source: IpAddr = eventually("another node advertises", TIME_TO_TAKE_OVER, || {
        let adverts = scene.capture.adverts(vrid, died);
        let other = adverts.iter().rev().find(|(_, advert)| advert.from != holder.host.lan);
        other.map(|(_, advert)| advert.from).with_context(|| format!("{} adverts", adverts.len()))
    })?;
    let successor = scene
        .nodes
        .iter()
        .find(|node| node.host.lan == source)
        .with_context(|| format!("{source} is none of the nodes"))?;
    http.wait_until_answered(successor.name(), SERVED, died, TIME_TO_TAKE_OVER)?;
    ensure!(
        successor.host.has_address(scene.address)?,
        "the kernel of {} does not have it",
        successor.name()
    );
    eventually("the successor announces itself", TIME_TO_TAKE_OVER, || {
        let announced = scene.capture.announcements(scene.address, died);
        let all_its_own = announced.iter().all(|(_, mac)| *mac == successor.host.mac);
        ensure!(!announced.is_empty() && all_its_own, "announced: {announced:?}");
        Ok(())
    })?;
    let outage = http.outage(died);
    ensure!(outage.lost > 0, "the client noticed nothing, so nothing was cut off: {outage}");
    progress.seen(&format!(
        "{} took over; the client went {:.0} ms without an answer",
        successor.name(),
        outage.gap_ms()
    ));
    let on_the_wire = gap::on_the_wire(&scene.capture, (vrid, scene.address), holder.host.lan, died)?;
    Ok(Loss { successor, client_gap_ms: outage.gap_ms(), on_the_wire })
}

/// Shows what somebody who is called now sees. The server says it, so nothing depends on it.
fn glance_at_status(scene: &Scene<'_>, dead: &Node, successor: &Node, progress: &Progress) {
    let status = eventually("the server knows", TIME_TO_TAKE_OVER, || {
        let failovers: Vec<Failover> = scene.server.api()?.list("failovers")?;
        let is_known =
            |one: &Failover| one.from.as_deref() == Some(dead.name()) && one.to == successor.name();
        ensure!(failovers.iter().any(is_known), "{failovers:?}");
        scene.operator.glance(&["status"])
    });
    match status {
        Ok(status) => progress.quote("baton status", &status),
        Err(error) => progress.seen(&format!("{error:#}")),
    }
}

fn give_power_back(scene: &Scene<'_>, node: &Node, http: &Prober, progress: &Progress) -> Result<()> {
    // What the kernel held when the power went is gone when the machine boots.
    node.host.flush(scene.address)?;
    scene.start_balancer(node)?;
    scene.lab.heal(&node.host)?;
    let returned = Moment::now();
    node.restart()?;
    wait_for_holder(scene, node, returned, TIME_TO_ELECT)?;
    http.wait_until_answered(node.name(), SERVED, returned, TIME_TO_TAKE_OVER)?;
    let outage = http.outage(returned);
    progress.seen(&format!(
        "{} has the better priority and took the address back; longest gap of the client {:.0} ms",
        node.name(),
        outage.gap_ms()
    ));
    Ok(())
}

fn recorded_failover(api: &Api, from: &Node, to: &Node) -> Result<Failover> {
    eventually("the server has recorded both failovers", TIME_TO_RECORD, || {
        let failovers: Vec<Failover> = api.list("failovers")?;
        let find = |from: &Node, to: &Node| {
            let ours = |one: &&Failover| one.from.as_deref() == Some(from.name()) && one.to == to.name();
            failovers.iter().find(ours).cloned()
        };
        let back = find(to, from).with_context(|| format!("no way back in {failovers:?}"));
        let there = find(from, to).with_context(|| format!("no failover in {failovers:?}"))?;
        back.map(|_| there)
    })
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
