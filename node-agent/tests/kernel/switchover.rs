//! Moving the addresses on request: a client loses nothing, and it is done at once.

use std::time::{Duration, Instant};

use api_types::boost::Boost;
use api_types::channel::DesiredGroup;
use api_types::transition::{State, TransitionReason};
use baton_agent::messages::ObservedTransition;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, BoostedPriority, Version};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::pinger::Pinger;
use crate::router::{Router, VIP, group};
use crate::wire::Capture;

/// Five times the 50 ms that it should take, and never less than a second: the machine may be busy.
const BOUND: Duration = Duration::from_secs(1);

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
    let (first, second) = (
        Router::running(lab, 1, every(milliseconds, 240)),
        Router::running(lab, 2, every(milliseconds, 200)),
    );
    first.reaches(State::Active, 1);
    eventually(
        "it is obeyed",
        || second.group().and_then(|group| group.active_source),
        |source| *source == own_address(1).parse().ok(),
    );
    eventually("one holder", || (lab.has(1, VIP), lab.has(2, VIP)), |holders| *holders == (true, false));
    (first, second)
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
    for milliseconds in [1_000, 100, 10] {
        let lab = Lab::new(3);
        let (first, second) = pair(&lab, milliseconds);
        let pinger = Pinger::start(&lab, 3, VIP, 0);
        pinger.asks(20);
        let before = taken_over(&second);
        let asked = boottime_ns();
        second.boost(vec![boost(1)]);
        let taken = second.reaches(State::Active, before + 1);
        assert_eq!((taken.reason, taken.priority.get()), (TransitionReason::Switchover, 254));
        let there = took(&taken, asked);
        eventually(
            "it alone holds",
            || (lab.has(1, VIP), lab.has(2, VIP)),
            |holders| *holders == (false, true),
        );
        eventually(
            "it says which",
            || second.group().and_then(|group| group.boost),
            |boost| *boost == Some(Uuid::from_u128(1)),
        );
        pinger.asks(20);
        // Taken away, the ordinary rules move the addresses back.
        second.boost(Vec::new());
        first.reaches(State::Active, 2);
        eventually(
            "the better holds",
            || (lab.has(1, VIP), lab.has(2, VIP)),
            |holders| *holders == (true, false),
        );
        pinger.asks(20);
        let outcome = pinger.finish();
        println!("{milliseconds} ms: announced {there:?} after the request, {} requests", outcome.sent);
        assert_eq!(outcome.lost, [0; 0], "at {milliseconds} ms, of {}", outcome.sent);
        assert!(there < BOUND, "{there:?} at {milliseconds} ms");
    }
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
    let lab = Lab::new(3);
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
