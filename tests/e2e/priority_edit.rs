//! An operator edits a priority through REST, and the address moves.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::audit::AuditEvent;
use api_types::failover::FailoverCause;
use e2e::{BOUND, Haproxy, Lab, Moment, Site, VIP, VRID, http_prober};
use serde_json::json;

/// At this interval n2 waits about three seconds before it takes over, and n1, had it let go at the edit,
/// would be missed for as long.
const INTERVAL_MS: u32 = 1_000;
const GAP_BOUND: Duration = Duration::from_secs(1);

#[test]
fn the_member_that_is_raised_above_the_holder_takes_the_address() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let group = Site::group(&[("n1", 200), ("n2", 150)]);
        site.settle(&group, "n1")?;
        let mut group = site.slow_down(&group, INTERVAL_MS)?;
        let _web = [Haproxy::answering(&site.node("n1")?.host)?, Haproxy::answering(&site.node("n2")?.host)?];
        let http = http_prober::start(&site.client, VIP)?;
        http.wait_until_answered("n1", 20, Moment::now(), BOUND)?;

        let edited = Moment::now();
        group["members"][1]["priority"] = json!(220);
        let written = site.settle(&group, "n2")?;
        ensure!(written.generation == 3, "one edit, one generation: {}", written.generation);
        http.wait_until_answered("n2", 20, Moment::now(), BOUND)?;
        let outage = http.outage(edited);
        ensure!(outage.longest_gap < GAP_BOUND, "{outage}");
        let taken = site.capture.adverts_from(VRID, site.node("n2")?.host.lan, edited);
        ensure!(taken[0].0 - edited > GAP_BOUND, "it took over too soon to tell: {taken:?}");

        let failover = site.wait_for_failover_to("n2")?;
        ensure!(failover.cause == FailoverCause::Preempting, "{failover:?}");
        ensure!(failover.from.as_deref() == Some("n1"), "{failover:?}");
        let audit: Vec<AuditEvent> = site.api.list("audit-events")?;
        // The latest comes first.
        let update = audit.iter().find(|event| event.action == "group.update").context("no audit event")?;
        ensure!(update.target_name.as_deref() == Some("web") && update.before != update.after, "{update:?}");

        // And back again, by lowering it.
        group["members"][1]["priority"] = json!(150);
        site.settle(&group, "n1").map(drop)
    })
}
