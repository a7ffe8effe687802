//! An operator moves the address of a group to a node: at once, without a lost packet, until that is taken
//! back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::failover::FailoverCause;
use api_types::group::Group;
use api_types::switchover::{Switchover, SwitchoverState};
use e2e::{BOUND, Keepalived, Lab, Moment, Operator, Served, VIP, VRID, VrrpInstance, eventually};
use nix::sys::signal::Signal;
use serde_json::json;

/// Far more than the 50 ms that it takes, and less than any timer at this interval.
const AT_ONCE: Duration = Duration::from_millis(2_500);
/// What makes a host say nothing on the LAN, and hear all.
const MUTE: &str = "
table netdev mute {
  chain out {
    type filter hook egress device eth0 priority 0
    policy drop
  }
}
";

fn ask(served: &Served<'_>, to: &str) -> Result<Switchover> {
    served.site.api.create("groups/web/switchovers", &json!({"to": to}))
}

/// The group's newest switchover, once it is in this state and `is` agrees.
fn becomes(
    served: &Served<'_>,
    state: SwitchoverState,
    is: impl Fn(&Switchover) -> bool,
) -> Result<Switchover> {
    eventually(&format!("the switchover is {}", state.as_str()), BOUND, || {
        let seen: Vec<Switchover> = served.site.api.list("groups/web/switchovers")?;
        let newest = seen.into_iter().next().context("there is none")?;
        ensure!(newest.state == state && is(&newest), "{newest:?}");
        Ok(newest)
    })
}

/// Moves the address to `to` by what an operator does, at once and without a lost packet.
fn move_at_once(served: &Served<'_>, how: &str, to: &str, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let moved = served.move_by(to, || {
        let asked = Moment::now();
        act().map(|()| asked)
    })?;
    let (sent, lost) = moved.timeline.lost(moved.since);
    println!(
        "{how}, to {to}: advertised {:?} and announced {:?} after the request; {lost} of {sent} lost, longest \
         gap {:?}",
        moved.advertised,
        moved.announced,
        moved.timeline.worst_gap(moved.since).length
    );
    ensure!(moved.advertised < AT_ONCE && moved.announced < AT_ONCE, "{how} took too long: {moved:?}");
    ensure!(lost == 0, "{how} lost {lost} of {sent}");
    served.until_ready("n1")?;
    served.until_ready("n2")
}

/// Whether n2 alone advertises, with the priority of a switchover, as long as it takes.
fn stays_at_n2(served: &Served<'_>, since: Moment) -> Result<()> {
    let n2 = served.site.node("n2")?.host.lan;
    let adverts = served.site.wait_for_adverts(3, since)?;
    ensure!(adverts.iter().all(|(_, one)| one.from == n2 && one.priority > 250), "{adverts:?}");
    served.site.lab.only_holder(VIP, "n2")
}

#[test]
fn the_node_holds_at_once_and_until_it_is_taken_back_or_fails() -> Result<()> {
    Lab::run(|lab| {
        let served = Served::start_slow(lab, &[("n1", 240), ("n2", 200)])?;
        let site = &served.site;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let operator = Operator::log_in(lab, &site.server)?;

        move_at_once(&served, "POST", "n2", || ask(&served, "n2").map(drop))?;
        let record = becomes(&served, SwitchoverState::Active, |one| one.gap_ms.is_some())?;
        ensure!((record.from.as_str(), record.to.as_str()) == ("n1", "n2"), "{record:?}");
        let bound = record.bound_at.context("it was never bound")?.as_datetime();
        let took = bound - record.requested_at.as_datetime();
        println!("bound {took} after the server took the request; gap {:?} ms", record.gap_ms);
        ensure!(record.gap_ms.is_some_and(|gap| gap < 1_000.0), "{record:?}");
        ensure!(site.wait_for_failover_to("n2")?.cause == FailoverCause::Switchover);
        // The better one, which preempts, comes back, and holds nothing.
        let bounced = Moment::now();
        n1.kill_worker()?;
        n1.host.set_interface(false)?;
        n1.host.set_interface(true)?;
        stays_at_n2(&served, bounced)?;
        served.until_ready("n1")?;

        let prober = served.prober()?;
        let undone = Moment::now();
        let said = operator.baton(&["switchover", "undo", "web"])?;
        ensure!(said.contains("switchover to n2 undone"), "{said}");
        eventually("n1, which preempts, holds it alone", BOUND, || lab.only_holder(VIP, "n1"))?;
        prober.warm_up(BOUND)?;
        let timeline = prober.finish()?.pop().context("no timeline")?;
        ensure!(timeline.lost(undone).1 == 0, "{:?} lost by the way back", timeline.lost(undone));
        becomes(&served, SwitchoverState::Undone, |_| true)?;
        served.until_ready("n2")?;

        move_at_once(&served, "baton switchover", "n2", || {
            let said = operator.baton(&["switchover", "web", "--to", "n2"])?;
            ensure!(said.contains("n2 was told to take over from n1"), "{said}");
            Ok(())
        })?;
        becomes(&served, SwitchoverState::Active, |_| true)?;
        let failed = n2.host.set_interface(false)?;
        eventually("n1 holds it alone", BOUND, || lab.only_holder(VIP, "n1"))?;
        let ended = becomes(&served, SwitchoverState::Ended, |_| true)?;
        ensure!(
            ended.reason.as_deref().is_some_and(|why| why.contains("n2 lost the addresses")),
            "{ended:?}"
        );
        n2.host.set_interface(true)?;
        served.until_ready("n2")?;
        ensure!(
            site.capture.adverts_from(VRID, n2.host.lan, failed).is_empty(),
            "its boost outlived the fault"
        );
        lab.only_holder(VIP, "n1")
    })
}

#[test]
fn a_node_that_does_not_take_over_is_told_to_let_it_be_and_no_client_notices() -> Result<()> {
    Lab::run(|lab| {
        let served = Served::start(lab, &[("n1", 240), ("n2", 200)])?;
        let site = &served.site;
        let (n1, n2) = (site.node("n1")?, site.node("n2")?);
        let prober = served.prober()?;
        let begun = Moment::now();

        // It obeys, and nobody hears it.
        n2.host.namespace.nft(MUTE)?;
        ask(&served, "n2")?;
        let record = becomes(&served, SwitchoverState::Failed, |_| true)?;
        println!("{:?}", record.reason);
        ensure!(record.reason.as_deref().is_some_and(|why| why.contains("n1")), "{record:?}");
        eventually("n2 lets it be", BOUND, || lab.only_holder(VIP, "n1"))?;
        n2.host.namespace.nft("delete table netdev mute")?;
        served.until_ready("n2")?;
        let heard = site.capture.adverts_from(VRID, n2.host.lan, begun);
        ensure!(heard.is_empty(), "somebody heard it: {heard:?}");

        // It hangs from now on, and its session does not tell. Once it wakes, it may read that it was told
        // before it reads that this was taken back, and give back what it took.
        n2.signal_all(Signal::SIGSTOP);
        ask(&served, "n2")?;
        let record = becomes(&served, SwitchoverState::Failed, |_| true)?;
        n2.signal_all(Signal::SIGCONT);
        println!("{:?}", record.reason);
        let why = "n2 did not take over within 2 s, and is backup";
        ensure!(record.reason.as_deref() == Some(why), "{record:?}");
        served.until_ready("n2")?;
        eventually("n1 holds it and goes on", BOUND, || {
            let since = Moment::now();
            let adverts = site.wait_for_adverts(5, since)?;
            ensure!(adverts.iter().all(|(_, one)| one.from == n1.host.lan), "{adverts:?}");
            lab.only_holder(VIP, "n1")
        })?;
        let timeline = prober.finish()?.pop().context("no timeline")?;
        let (sent, lost) = timeline.lost(begun);
        ensure!(lost == 0, "{lost} of {sent} lost");
        Ok(())
    })
}

#[test]
fn a_refusal_says_why_and_moves_nothing() -> Result<()> {
    Lab::run(|lab| {
        let served = Served::start(lab, &[("n1", 240), ("n2", 200)])?;
        let (site, n2) = (&served.site, served.site.node("n2")?);
        let operator = Operator::log_in(lab, &site.server)?;
        let begun = Moment::now();
        let refused = |why: &str| {
            eventually(&format!("a switchover is refused because {why}"), BOUND, || {
                let refusal =
                    operator.baton(&["switchover", "web", "--to", "n2"]).err().context("it is not")?;
                ensure!(refusal.to_string().contains(why), "{refusal:#}");
                Ok(())
            })
        };
        operator.baton(&["drain", "n2"])?;
        refused("n2 cannot take over group web now: it is drained")?;
        operator.baton(&["undrain", "n2"])?;
        served.until_ready("n2")?;

        n2.host.set_interface(false)?;
        eventually("the server knows that its interface is down", BOUND, || {
            let seen: Group = site.api.get("groups/web")?;
            let two = seen.status.members.into_iter().find(|member| member.name == "n2");
            let said = two.and_then(|member| member.not_ready_because);
            ensure!(said.as_deref().is_some_and(|said| said.contains("interface eth0 down")), "{said:?}");
            Ok(())
        })?;
        refused("n2 cannot take over group web now: it has its interface eth0 down")?;
        n2.host.set_interface(true)?;
        served.until_ready("n2")?;
        let mine = site.capture.adverts(VRID, begun);
        ensure!(mine.iter().all(|(_, advert)| advert.priority == 240), "something moved: {mine:?}");
        lab.only_holder(VIP, "n1")?;

        let stranger =
            VrrpInstance { vrid: VRID, priority: 252, interval_ms: 100, preempt: true, address: VIP };
        let _keepalived = Keepalived::start(&site.observer, stranger)?;
        eventually("the stranger holds it", BOUND, || lab.only_holder(VIP, "observer"))?;
        let why = format!("a router at {} advertises priority 252, and only up to 249", site.observer.lan);
        refused(&why)
    })
}
