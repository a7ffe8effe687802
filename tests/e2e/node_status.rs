//! What the server answers of a node is what its agent finds: how its fences stand, and how late it is.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::condition::ConditionKind;
use api_types::fences::FenceState::{self, Armed, NotArmed, Off};
use api_types::fences::Fences;
use api_types::group::Group;
use api_types::node::Node as NodeResource;
use api_types::timing::Timing;
use e2e::{BOUND, Lab, Moment, Node, Site, VRID, eventually};
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::json;

/// Of the guard, the nftables lease, the address lease and the self-check.
type States = [FenceState; 4];

/// Longer than it takes until the next deadline of a group that advertises every second, by more than
/// [`LATE_US`]; with that second, shorter than three intervals.
const PAUSE: Duration = Duration::from_millis(1_250);
const LATE_US: u64 = 200_000;
/// The same for a group that advertises every 100 ms: half an interval late at least, and nothing moves.
const SHORT_PAUSE: Duration = Duration::from_millis(160);
/// How many such groups, so that deadlines are soon as many as it takes to judge by.
const QUICK: u8 = 4;
/// Of fewer deadlines nothing is concluded.
const ENOUGH: u64 = 200;

fn wait_for_fences(site: &Site<'_>, states: States) -> Result<Fences> {
    eventually(&format!("the fences of n1 are {states:?}"), BOUND, || {
        let node: NodeResource = site.api.get("nodes/n1")?;
        let fences = node.status.fences.context("the agent has not said")?;
        ensure!(fences.each().map(|(_, fence)| fence.state) == states, "{fences:?}");
        Ok(fences)
    })
}

#[test]
fn the_server_says_of_each_fence_whether_it_is_armed_off_or_why_not() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1"])?;
        let mut group = Site::group(&[("n1", 200)]);
        group["advertisement_interval_ms"] = json!(300);
        site.settle(&group, "n1")?;
        let n1 = site.node("n1")?;
        wait_for_fences(&site, [Armed; 4])?;

        n1.kill_parent()?;
        let fences = wait_for_fences(&site, [NotArmed, Armed, Armed, Armed])?;
        ensure!(fences.guard.detail.as_deref() == Some("the parent process is gone"), "{fences:?}");

        n1.kill()?;
        n1.configure("[fences]\nguard = false\nself_check = false\n")?;
        n1.restart()?;
        wait_for_fences(&site, [Off, Armed, Armed, Off]).map(drop)
    })
}

/// Keeps every process of the agent from running, as a host does that is too busy.
fn pause(node: &Node, time: Duration) {
    node.signal_all(SIGSTOP);
    thread::sleep(time);
    node.signal_all(SIGCONT);
}

fn timing_of(site: &Site<'_>, node: &Node) -> Result<Timing> {
    let seen: NodeResource = site.api.get(&format!("nodes/{}", node.name()))?;
    seen.status.timing.context("the agent has not said")
}

/// Writes groups of `node` alone that advertise every 100 ms, and answers the name of one.
fn add_quick_groups(site: &Site<'_>, node: &Node) -> Result<String> {
    let name = |number| format!("quick{number}");
    for number in 0..QUICK {
        let mut group = Site::group(&[(node.name(), 200)]);
        group["name"] = json!(name(number));
        group["vrid"] = json!(VRID + 1 + number);
        group["virtual_addresses"] = json!([format!("{}/24", site.lab.lan_address(101 + number))]);
        let _group: Group = site.api.put(&format!("groups/{}", name(number)), &group)?;
    }
    Ok(name(0))
}

#[test]
fn a_node_that_was_late_says_how_late_and_a_group_that_asks_too_much_of_it_has_the_advice() -> Result<()> {
    Lab::run(|lab| {
        let site = Site::start(lab, &["n1", "n2"])?;
        let mut group = Site::group(&[("n1", 200), ("n2", 150)]);
        group["advertisement_interval_ms"] = json!(1_000);
        site.settle(&group, "n1")?;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let worker = n1.worker()?;

        let paused = Moment::now();
        pause(n1, PAUSE);
        let timing = eventually("the server says how late n1 was", BOUND, || {
            let timing = timing_of(&site, n1)?;
            ensure!(timing.lag.max_us >= LATE_US, "{timing:?}");
            Ok(timing)
        })?;
        println!("{}", timing.summary());

        let quick = add_quick_groups(&site, n1)?;
        eventually("there are enough deadlines to judge by", BOUND, || {
            let timing = timing_of(&site, n1)?;
            ensure!(timing.lag.samples >= ENOUGH, "{timing:?}");
            Ok(())
        })?;
        let advice = eventually("the advice for a group of n1", BOUND, || {
            pause(n1, SHORT_PAUSE);
            thread::sleep(SHORT_PAUSE);
            let status = site.api.get::<Group>(&format!("groups/{quick}"))?.status;
            let mut advice = status.conditions.iter();
            let advice = advice.find(|one| one.kind == ConditionKind::IntervalTooShort);
            advice.map(|one| one.detail.clone()).with_context(|| format!("{status:?}"))
        })?;
        println!("{advice}");
        // Without real-time scheduling alone it would be 100 ms, which the group does not fall short of.
        ensure!(advice.contains("n1 keeps to "), "{advice}");

        let moved = site.capture.adverts_from(VRID, n2.host.lan, paused);
        ensure!(moved.is_empty(), "n2 took over: {moved:?}");
        ensure!(n1.worker()? == worker, "n1 has another worker");
        lab.only_holder(e2e::VIP, "n1")
    })
}
