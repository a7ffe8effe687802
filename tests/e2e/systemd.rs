//! An operator tells systemd what to do with the holder's agent: nobody on the LAN notices.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::auth::JoinToken;
use api_types::node::Node as NodeResource;
use e2e::{BOUND, Lab, Moment, Ports, Site, Systemd, UdpEcho, UdpProber, VIP, VRID, eventually};
use serde_json::json;

/// Shorter than every wrong way to go: n2 takes over a skew of (256 − 10)/256 × 2 s = 1.92 s after a
/// resignation, and 7.9 s after a silence.
const GAP_BOUND: Duration = Duration::from_secs(1);
const INTERVAL_MS: u32 = 2_000;

#[test]
fn what_systemctl_does_to_the_holders_agent_costs_no_client_an_answer() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n2"])?;
        let n1 = lab.host("n1", 12, Ports::Both)?;
        let token: JoinToken = site.api.create("join-tokens", &json!({"node": "n1"}))?;
        let systemd = Systemd::boot(&n1, &site.server.url(), &token.secret.context("no secret")?)?;
        systemd.agent("start")?;
        eventually("the agent of n1 is connected", BOUND, || {
            let seen: NodeResource = site.api.get("nodes/n1")?;
            ensure!(seen.status.connected, "{:?}\n{}", seen.status, systemd.output());
            Ok(())
        })?;
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
