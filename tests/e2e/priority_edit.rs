//! An operator edits a priority through REST, and the address moves.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::audit::AuditEvent;
use api_types::failover::{Failover, FailoverCause};
use e2e::{BOUND, Haproxy, Lab, Moment, Site, VIP, eventually, http_prober};

#[test]
fn the_member_that_is_raised_above_the_holder_takes_the_address() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1")?;
        let _web = [Haproxy::answering(&site.node("n1")?.host)?, Haproxy::answering(&site.node("n2")?.host)?];
        let http = http_prober::start(&site.client, VIP)?;
        http.wait_until_answered("n1", 20, Moment::now(), BOUND)?;

        let edited = Moment::now();
        let group = site.settle(&Site::group(&[("n1", 200), ("n2", 220)]), "n2")?;
        ensure!(group.generation == 2, "one edit, one generation: {}", group.generation);
        http.wait_until_answered("n2", 20, Moment::now(), BOUND)?;
        let outage = http.outage(edited);
        ensure!(outage.longest_gap < Duration::from_secs(1), "{outage}");

        let failover = eventually("the failover is recorded", BOUND, || {
            let failovers: Vec<Failover> = site.api.list("failovers?group=web")?;
            failovers.iter().find(|one| one.to == "n2").cloned().with_context(|| format!("{failovers:?}"))
        })?;
        ensure!(failover.cause == FailoverCause::Preempting, "{failover:?}");
        ensure!(failover.from.as_deref() == Some("n1"), "{failover:?}");
        let audit: Vec<AuditEvent> = site.api.list("audit-events")?;
        let update = audit.iter().find(|event| event.action == "group.update").context("no audit event")?;
        ensure!(update.target_name.as_deref() == Some("web") && update.before != update.after, "{update:?}");

        // And back again, by lowering it.
        site.settle(&Site::group(&[("n1", 200), ("n2", 150)]), "n1").map(drop)
    })
}
