//! An operator makes a group on a LAN that its nodes have listened to: its address answers at once.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::group::Group;
use api_types::transition::{State, Transition, TransitionReason};
use e2e::{BOUND, Lab, Moment, Site, VIP, VRID, eventually, ping_prober};
use serde_json::json;

const INTERVAL_MS: u32 = 2_000;
/// More than a busy machine makes of the 60 ms, and less than the 6.4 s of Active_Down_Interval.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Longer than three intervals.
const LISTENED: Duration = Duration::from_millis(6_100);

#[test]
fn a_new_group_answers_long_before_three_of_its_intervals_have_passed() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let pings = ping_prober::start(&site.client, VIP, Duration::from_millis(2))?;
        thread::sleep(LISTENED);
        let mut group = Site::group(&[("n1", 200), ("n2", 150)]);
        group["advertisement_interval_ms"] = json!(INTERVAL_MS);
        let asked = Moment::now();
        let _group: Group = site.api.put("groups/web", &group)?;
        let answered = eventually("the address answers", BOUND, || {
            let probes = pings.since(asked);
            let answers = probes.into_iter().filter_map(|probe| Some(probe.answer.ok()?.at));
            answers.min().context("not yet")
        })?;
        println!("the address of a new group answered {:?} after the request", answered - asked);
        ensure!(answered - asked < ANSWERS_WITHIN, "after {:?}", answered - asked);
        lab.only_holder(VIP, "n1")?;

        let n1 = site.node("n1")?.host.lan;
        eventually("n1 goes on, alone", BOUND, || {
            let adverts = site.capture.adverts(VRID, asked);
            ensure!(adverts.len() >= 3, "{} adverts", adverts.len());
            ensure!(adverts.iter().all(|(_, advert)| advert.from == n1), "{adverts:?}");
            Ok(())
        })?;
        eventually("it is recorded why", BOUND, || {
            let transitions: Vec<Transition> = site.api.list("transitions?group=web")?;
            let taken = transitions.iter().find(|one| one.record.to == State::Active);
            let reason = taken.context("not yet")?.record.reason;
            ensure!(reason == TransitionReason::FastStart, "{reason:?}");
            Ok(())
        })
    })
}
