//! An operator tells systemd what to do with the holder's agent: nobody on the LAN notices.
//! When its main process is killed instead, the unit's settings decide what becomes of the rest.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::auth::JoinToken;
use api_types::node::Node as NodeResource;
use e2e::{
    BOUND, Host, Lab, Moment, Observer, Ports, Site, Systemd, UdpEcho, UdpProber, VIP, VRID, eventually,
    is_alive,
};
use serde_json::json;

/// Shorter than every wrong way to go: n2 takes over a skew of (256 − 10)/256 × 2 s = 1.92 s after a
/// resignation, and 7.9 s after a silence.
const GAP_BOUND: Duration = Duration::from_secs(1);
const INTERVAL_MS: u32 = 2_000;
/// The interval of the group whose holder is killed.
const KILLED_AT_MS: u32 = 1_000;
/// Active_Down_Interval of n2 at priority 150, 3 s + (256 − 150)/256 s, and what a busy machine adds.
const SILENCE_BOUND: Duration = Duration::from_millis(3_415 + 250);
/// As `make fences` has it of every fence.
const TWO_ANSWERS_BOUND: Duration = Duration::from_millis(50);
const ASK_EVERY: Duration = Duration::from_millis(5);

/// A host n1, whose agent is a unit of systemd and connected.
fn n1_under_systemd(site: &Site<'_>) -> Result<(Host, Systemd)> {
    let n1 = site.lab.host("n1", 12, Ports::Both)?;
    let token: JoinToken = site.api.create("join-tokens", &json!({"node": "n1"}))?;
    let systemd = Systemd::boot(&n1, &site.server.url(), &token.secret.context("no secret")?)?;
    systemd.agent("start")?;
    eventually("the agent of n1 is connected", BOUND, || {
        let seen: NodeResource = site.api.get("nodes/n1")?;
        ensure!(seen.status.connected, "{:?}\n{}", seen.status, systemd.output());
        Ok(())
    })?;
    Ok((n1, systemd))
}

#[test]
fn what_systemctl_does_to_the_holders_agent_costs_no_client_an_answer() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n2"])?;
        let (n1, systemd) = n1_under_systemd(&site)?;
        let group = Site::group(&[("n1", 200), ("n2", 10)]);
        site.settle(&group, "n1")?;
        site.slow_down(&group, INTERVAL_MS)?;
        let anywhere = Ipv4Addr::UNSPECIFIED;
        let _echo = [UdpEcho::start(&n1, anywhere)?, UdpEcho::start(&site.node("n2")?.host, anywhere)?];

        let judge = |what: &str, act: &dyn Fn() -> Result<()>| -> Result<Moment> {
            let prober = UdpProber::start(&site.client, &[VIP.into()], Duration::from_millis(1))?;
            prober.warm_up(BOUND)?;
            let begun = Moment::now();
            act()?;
            prober.warm_up(BOUND)?;
            for timeline in prober.finish()? {
                let (gap, stall) = (timeline.worst_gap(begun).length, timeline.worst_stall(begun));
                ensure!(gap < GAP_BOUND + stall, "{what}: {gap:?} without an answer");
                let (sent, lost) = timeline.lost(begun);
                println!("{what}: {lost} of {sent} probes lost, at most {gap:?} between two answers");
                ensure!(
                    lost * 20 <= sent,
                    "{what}: more than one probe in twenty was lost: {lost} of {sent}"
                );
            }
            Ok(begun)
        };

        let main_before = systemd.property("MainPID")?;
        systemd.replace_program()?;
        ensure!(systemd.agents_processes()? == (0, 2), "parent and worker run what was replaced");
        let reloaded = judge("reload", &|| {
            systemd.agent("reload")?;
            eventually("parent and worker run the new program, and nothing runs the old one", BOUND, || {
                let (new, old) = systemd.agents_processes()?;
                ensure!(new == 2 && old == 0, "{new} of the new, {old} of the old\n{}", systemd.output());
                Ok(())
            })
        })?;
        ensure!(systemd.property("MainPID")? == main_before, "an upgrade is the same process");
        ensure!(systemd.property("NRestarts")? == "0" && systemd.property("ActiveState")? == "active");
        let n2 = site.node("n2")?.host.lan;
        ensure!(site.capture.adverts_from(VRID, n2, reloaded).is_empty(), "an upgrade moved the address");

        judge("restart", &|| {
            systemd.agent("restart")?;
            eventually("n1 holds the address again", BOUND, || lab.only_holder(VIP, "n1"))
        })?;
        judge("stop", &|| {
            systemd.agent("stop")?;
            eventually("n2 holds the address alone", BOUND, || lab.only_holder(VIP, "n2"))
        })?;
        ensure!(systemd.property("Result")? == "success", "{}", systemd.output());
        Ok(())
    })
}

/// systemd kills the worker that has lost its parent, and starts both again: a new start, which clears away
/// what it finds and listens first. To clients that is a host that died, and no more.
#[test]
fn a_killed_main_process_costs_clients_what_a_dead_host_does_and_its_return_nothing() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n2"])?;
        let (n1, systemd) = n1_under_systemd(&site)?;
        let n2 = &site.node("n2")?.host;
        let group = Site::group(&[("n1", 200), ("n2", 150)]);
        site.settle(&group, "n1")?;
        site.slow_down(&group, KILLED_AT_MS)?;
        let anywhere = Ipv4Addr::UNSPECIFIED;
        let _echo = [UdpEcho::start(&n1, anywhere)?, UdpEcho::start(n2, anywhere)?];
        let prober = UdpProber::start(&site.client, &[VIP.into()], Duration::from_millis(1))?;
        prober.warm_up(BOUND)?;
        let observer = Observer::start(lab, &site.observer, &[&n1, n2], &[VIP.into()], ASK_EVERY)?;

        let killed = Moment::now();
        let former = systemd.kill_main_process()?;
        ensure!(former.len() == 2, "parent and worker: {former:?}");
        eventually("systemd has ended the worker and started the agent again", BOUND, || {
            let (restarts, state) = (systemd.property("NRestarts")?, systemd.property("ActiveState")?);
            ensure!(restarts == "1" && state == "active", "{restarts}, {state}\n{}", systemd.output());
            ensure!(!former.iter().any(|process| is_alive(*process)), "one of {former:?} lives");
            Ok(())
        })?;
        let started = Moment::now();
        eventually("n2 has taken over", BOUND, || {
            site.capture.adverts_from(VRID, n2.lan, killed).first().map(drop).context("not yet")
        })?;
        eventually("n1, which preempts, holds the address alone", BOUND, || lab.only_holder(VIP, "n1"))?;
        prober.warm_up(BOUND)?;

        let answers = observer.finish()?;
        let two = answers.iter().map(|one| one.two(killed)).max().context("nobody was observed")?;
        let [timeline] = &prober.finish()?[..] else { anyhow::bail!("one address, one timeline") };
        let (gap, stall) = (timeline.worst_gap(killed), timeline.worst_stall(killed));
        let (sent, lost) = timeline.lost(killed);
        println!(
            "started again after {:?}: {lost} of {sent} probes lost, at most {:?} between two answers, two \
             answered for {two:?}",
            started - killed,
            gap.length
        );
        ensure!(gap.length < SILENCE_BOUND + stall, "{:?} without an answer", gap.length);
        ensure!(two <= TWO_ANSWERS_BOUND, "two answered for {two:?}");
        let taken_back = site.capture.adverts_from(VRID, n1.lan, started);
        let (back, _) = taken_back.first().context("n1 does not advertise")?;
        let unanswered = timeline.unanswered(*back - TWO_ANSWERS_BOUND);
        ensure!(unanswered.is_empty(), "{} probes lost as n1 took the address back", unanswered.len());
        Ok(())
    })
}
