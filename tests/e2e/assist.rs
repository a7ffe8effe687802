//! A holder loses its LAN, and says so over the management network: another one holds at once. When nobody
//! can be told, the timers of VRRP hold as if there were no server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::transition::{Transition, TransitionReason};
use e2e::{BOUND, Lab, Moment, Move, Node, Served, VIP, VRID, eventually};

/// Far more than the 20 ms that it takes, and less than any timer at this interval: the last advertisement
/// may be a second old.
const AT_ONCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a loss of carrier must last at this interval.
const CARRIER_DELAY: Duration = Duration::from_millis(200);
/// What a busy machine may add to a timer.
const LATE: Duration = Duration::from_secs(1);

/// From the last advertisement of the holder to the first one of who waits with this priority (RFC 9568
/// §6.1).
fn active_down(priority: u32) -> Duration {
    INTERVAL * 3 + INTERVAL * (256 - priority) / 256
}

fn says(what: &str, moved: &Move) {
    let (sent, lost) = moved.timeline.lost(moved.since);
    let Move { advertised, announced, .. } = moved;
    println!("{what}: advertised after {advertised:?}, announced after {announced:?}; {lost} of {sent} lost");
}

/// Takes the LAN from `holder` while nobody hears of it: `to`, of this priority, waits for its timer.
fn by_timers(served: &Served<'_>, what: &str, holder: &str, to: &str, priority: u32) -> Result<()> {
    let (site, host) = (&served.site, &served.site.node(holder)?.host);
    // Just after an advertisement, so that none is due while the link goes.
    let begun = Moment::now();
    let adverts = || site.capture.adverts_from(VRID, host.lan, begun);
    eventually("the holder advertises", BOUND, || {
        ensure!(!adverts().is_empty());
        Ok(())
    })?;
    let moved = served.move_by(to, || host.set_interface(false))?;
    says(what, &moved);
    let (last, _) = *adverts().last().context("it never advertised")?;
    let waited = moved.since + moved.advertised - last;
    let wanted = active_down(priority);
    // The two hear an advertisement, and whoever looks on, within a millisecond.
    let bounds = wanted - Duration::from_millis(1)..wanted + LATE;
    ensure!(bounds.contains(&waited), "{what}: waited {waited:?}, not {wanted:?}");
    Ok(())
}

/// From when `holder` lost the LAN to the first advertisement of whoever holds next.
fn held_after(served: &Served<'_>, holder: &Node, moved: &Move) -> Result<Duration> {
    let adverts = served.site.capture.adverts(VRID, moved.since);
    let next = adverts.iter().find(|(_, advert)| advert.from != holder.host.lan && advert.priority > 0);
    Ok(next.context("nobody advertised")?.0 - moved.since)
}

#[test]
fn a_backup_holds_at_once_where_the_holder_can_say_that_it_lost_its_lan_and_by_timers_where_it_cannot()
-> Result<()> {
    Lab::run(|lab| {
        let served = Served::start_slow(lab, &[("n1", 240), ("n2", 200), ("n3", 160)])?;
        let site = &served.site;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);

        // Where a busy machine has the worse one hear it long before the better one, it holds meanwhile.
        let moved = served.move_by("n2", || n1.host.set_interface(false))?;
        says("interface down", &moved);
        let held = held_after(&served, n1, &moved)?;
        ensure!(held < AT_ONCE, "{held:?}");
        eventually("who took over says why", BOUND, || {
            let taken: Vec<Transition> = site.api.list("transitions?group=web")?;
            ensure!(taken.iter().any(|one| one.record.reason == TransitionReason::Assist), "{taken:?}");
            Ok(())
        })?;
        site.wait_for_failover_to("n2")?;
        served.until_ready("n3")?;

        let moved = served.move_by("n3", || lab.set_carrier(&n2.host, false))?;
        says("carrier lost", &moved);
        ensure!(moved.advertised >= CARRIER_DELAY, "a carrier may come back: {:?}", moved.advertised);
        ensure!(moved.advertised < AT_ONCE + CARRIER_DELAY, "{:?}", moved.advertised);

        // From here on nobody can be told.
        n1.host.set_interface(true)?;
        served.until_ready("n1")?;
        lab.cut_management(&site.node("n3")?.host)?;
        by_timers(&served, "cut off from the server", "n3", "n1", 240)?;
        lab.only_holder(VIP, "n1")
    })
}
