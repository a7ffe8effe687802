//! Moving the addresses on request: a client loses nothing, and it is done at once.

use std::time::{Duration, Instant};

use api_types::boost::Boost;
use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::{State, TransitionReason};
use baton_agent::messages::ObservedTransition;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, BoostedPriority, Version};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::macvlan;
use crate::pinger::Pinger;
use crate::router::{Router, VIP, group};
use crate::wire::Capture;

/// Five times the 50 ms that it should take, and never less than a second: the machine may be busy.
const BOUND: Duration = Duration::from_secs(1);
/// Whoever yields goes on answering for so long at least.
const ANSWERS_ON: Duration = Duration::from_millis(8);

fn every(milliseconds: u32, priority: u8) -> DesiredGroup {
    let interval = AdvertisementInterval::from_millis(Version::V3, milliseconds).expect("an interval");
    DesiredGroup { advertisement_interval_ms: interval, ..group(priority) }
}

pub(crate) fn boost(sequence: u64) -> Boost {
    Boost {
        group_id: group(1).id,
        switchover_id: Uuid::from_u128(sequence.into()),
        sequence,
        boot_id: Uuid::from_u128(2),
        priority: BoostedPriority::new(254).expect("one"),
    }
}

/// Host 1 holds, host 2 obeys it.
fn pair(lab: &Lab, milliseconds: u32) -> (Router, Router) {
    pair_with(lab, MacMode::Interface, milliseconds)
}

fn pair_with(lab: &Lab, mac_mode: MacMode, milliseconds: u32) -> (Router, Router) {
    let options = ProtocolOptions { mac_mode, ..ProtocolOptions::default() };
    let member = |priority| DesiredGroup { options: options.clone(), ..every(milliseconds, priority) };
    let (first, second) = (Router::running(lab, 1, member(240)), Router::running(lab, 2, member(200)));
    first.reaches(State::Active, 1);
    eventually(
        "it is obeyed",
        || second.group().and_then(|group| group.active_source),
        |source| *source == own_address(1).parse().ok(),
    );
    let holders = || [1, 2].map(|host| holds(lab, mac_mode, host));
    eventually("one holder", holders, |holders| *holders == [true, false]);
    (first, second)
}

fn holds(lab: &Lab, mac_mode: MacMode, host: u8) -> bool {
    match mac_mode {
        MacMode::Interface => lab.has(host, VIP),
        MacMode::Virtual => macvlan::shown(lab, host).contains(&format!("inet {VIP}/")),
    }
}

/// For how long after it yielded it had the address.
fn kept(transition: &ObservedTransition) -> Duration {
    assert_eq!(transition.reason, TransitionReason::HigherPriorityHeard);
    let released = transition.released_at_boottime_ns.expect("it let go");
    Duration::from_nanos(released.saturating_sub(transition.at_boottime_ns))
}

/// How often it became Active so far.
fn taken_over(router: &Router) -> usize {
    router.transitions().iter().filter(|transition| transition.to == State::Active).count()
}

/// From the request to the moment when the neighbours heard of it.
fn took(transition: &ObservedTransition, asked_boottime_ns: u64) -> Duration {
    let announced = transition.announced_at_boottime_ns.expect("it was announced");
    Duration::from_nanos(announced.saturating_sub(asked_boottime_ns))
}

fn boottime_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).expect("a clock");
    u64::try_from(Duration::from(now).as_nanos()).expect("nanoseconds")
}

#[test]
fn a_switchover_there_and_back_loses_no_packet_and_takes_no_interval() {
    switches_over_and_back(MacMode::Interface);
}

#[test]
fn with_a_virtual_mac_address_too_a_switchover_there_and_back_loses_no_packet() {
    switches_over_and_back(MacMode::Virtual);
}

fn switches_over_and_back(mac_mode: MacMode) {
    for milliseconds in [1_000, 100, 10] {
        let lab = Lab::alone(3);
        let (first, second) = pair_with(&lab, mac_mode, milliseconds);
        let holders = || [1, 2].map(|host| holds(&lab, mac_mode, host));
        let pinger = Pinger::start(&lab, 3, VIP, 0);
        pinger.asks(20);
        let before = taken_over(&second);
        let asked = boottime_ns();
        second.boost(vec![boost(1)]);
        let taken = second.reaches(State::Active, before + 1);
        assert_eq!((taken.reason, taken.priority.get()), (TransitionReason::Switchover, 254));
        let there = took(&taken, asked);
        eventually("it alone holds", holders, |holders| *holders == [false, true]);
        eventually(
            "it says which",
            || second.group().and_then(|group| group.boost),
            |boost| *boost == Some(Uuid::from_u128(1)),
        );
        pinger.asks(20);
        // Taken away, the ordinary rules move the addresses back.
        second.boost(Vec::new());
        first.reaches(State::Active, 2);
        eventually("the better holds", holders, |holders| *holders == [true, false]);
        for router in [&first, &second] {
            let kept = kept(&router.reaches(State::Backup, 2));
            assert!(kept >= ANSWERS_ON, "what was on its way was answered for {kept:?}");
        }
        pinger.asks(20);
        let outcome = pinger.finish();
        println!("{milliseconds} ms: announced {there:?} after the request, {} requests", outcome.sent);
        assert_eq!(outcome.lost, [0; 0], "at {milliseconds} ms, of {}", outcome.sent);
        assert!(there < BOUND, "{there:?} at {milliseconds} ms");
    }
}

#[test]
fn a_switchover_that_is_taken_back_at_once_loses_no_packet_whenever_that_is() {
    let lab = Lab::alone(3);
    let (_first, second) = pair(&lab, 100);
    let pinger = Pinger::start(&lab, 3, VIP, 0);
    pinger.asks(20);
    for round in 0..16 {
        second.boost(vec![boost(round + 1)]);
        // It takes over and is heard within two milliseconds or so.
        std::thread::sleep(Duration::from_micros(200) * u32::try_from(round).expect("few"));
        second.boost(Vec::new());
        pinger.asks(20);
        eventually("the better holds", || [1, 2].map(|host| lab.has(host, VIP)), |has| *has == [true, false]);
    }
    let outcome = pinger.finish();
    println!("it took over {} times, {} requests", taken_over(&second), outcome.sent);
    assert_eq!(outcome.lost, [0; 0], "of {}", outcome.sent);
    assert!(taken_over(&second) > 0, "it was always taken back before it had taken over");
}

#[test]
fn what_was_switched_over_stays_where_it_is_when_the_worker_that_holds_it_is_replaced() {
    let lab = Lab::new(3);
    let (first, second) = pair(&lab, 1_000);
    second.boost(vec![boost(1)]);
    second.reaches(State::Active, 1);
    eventually("it alone holds", || (lab.has(1, VIP), lab.has(2, VIP)), |holders| *holders == (false, true));
    let obeyed = taken_over(&first);
    let capture = Capture::start(&lab, 3, "proto 112");
    let second = second.succeeded(&lab, 2, every(1_000, 200));
    capture.sees(3, &["10.66.0.2 > 224.0.0.18"]);
    let sent = |words: &[&str]| capture.with(words).len();
    assert_eq!(sent(&["10.66.0.1 > 224.0.0.18"]), 0, "who would preempt has noticed nothing");
    assert_eq!(sent(&["prio 254"]), sent(&["10.66.0.2 > 224.0.0.18"]), "nothing else was said");
    assert_eq!(taken_over(&first), obeyed);
    // Said again by the server, and taken back by it.
    second.boost(vec![boost(1)]);
    let which = || second.group().and_then(|group| group.boost);
    eventually("it says which", which, |boost| *boost == Some(Uuid::from_u128(1)));
    second.boost(Vec::new());
    first.reaches(State::Active, obeyed + 1);
}

#[test]
fn a_drained_holder_hands_over_without_losing_a_packet_and_comes_back_as_backup() {
    let lab = Lab::alone(3);
    let (first, second) = pair(&lab, 100);
    let pinger = Pinger::start(&lab, 3, VIP, 0);
    pinger.asks(20);
    first.apply(2, vec![DesiredGroup { drained: true, ..group(240) }]);
    let drained = first.reaches(State::Initialize, 1);
    assert_eq!(drained.reason, TransitionReason::Drained);
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (false, true));
    pinger.asks(60);
    eventually(
        "it stays out",
        || first.group().map(|group| group.state),
        |state| *state == Some(State::Initialize),
    );
    second.reaches(State::Active, 1);

    let before = Instant::now();
    first.apply(3, vec![DesiredGroup { preempt_mode: false, ..group(240) }]);
    first.reaches(State::Backup, 2);
    assert!(before.elapsed() < Duration::from_secs(5));
    pinger.asks(20);
    let outcome = pinger.finish();
    assert_eq!(outcome.lost, [0; 0], "of {}", outcome.sent);
}
