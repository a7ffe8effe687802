//! A holder that loses its LAN side tells the others by another way, which the tests are here.

use std::time::{Duration, Instant};

use api_types::assist::{LetGo, LetGoReason};
use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::transition::{State, TransitionReason};
use vrrp::{AdvertisementInterval, Priority, Version};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::router::{Router, VIP, group};

/// Less than what is left of Active_Down_Interval when an advertisement has just been missed: 2.2 s. 20 ms are meant.
const BOUND: Duration = Duration::from_secs(2);

fn peer(host: u8, priority: u8) -> DesiredPeer {
    DesiredPeer {
        name: format!("lb{host}").parse().expect("a name"),
        address: own_address(host).parse().ok(),
        priority: Priority::new(priority).expect("a priority"),
        external: false,
    }
}

/// Hosts and their priorities.
type Members = [(u8, u8); 3];

/// The group of a member that knows the others.
fn member(all: Members, host: u8, milliseconds: u32) -> DesiredGroup {
    let interval = AdvertisementInterval::from_millis(Version::V3, milliseconds).expect("an interval");
    let (others, own): (Vec<_>, Vec<_>) = all.into_iter().partition(|(other, _)| *other != host);
    let peers = others.into_iter().map(|(host, priority)| peer(host, priority)).collect();
    DesiredGroup { advertisement_interval_ms: interval, peers, ..group(own[0].1) }
}

/// Three members that advertise every second; the first one holds and is obeyed.
fn three(lab: &Lab) -> [Router; 3] {
    members(lab, [(1, 240), (2, 200), (3, 150)], 1_000)
}

fn members(lab: &Lab, all: Members, milliseconds: u32) -> [Router; 3] {
    let routers = all.map(|(host, _)| Router::running(lab, host, member(all, host, milliseconds)));
    routers[0].reaches(State::Active, 1);
    for backup in &routers[1..] {
        eventually(
            "it is obeyed",
            || backup.group().and_then(|group| group.active_source),
            |source| *source == own_address(1).parse().ok(),
        );
    }
    routers
}

/// What the router has let go of, as soon as it says so.
fn let_go(router: &Router) -> LetGo {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(let_go) = router.let_go().pop() {
            return let_go;
        }
        assert!(Instant::now() < deadline, "it has not said that it has let go");
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn the_best_backup_holds_as_soon_as_it_is_told_that_the_holder_lost_its_interface() {
    for reason in [LetGoReason::LinkDown, LetGoReason::CarrierLost] {
        let lab = Lab::new(3);
        let [holder, best, other] = three(&lab);
        let lost = Instant::now();
        if reason == LetGoReason::LinkDown {
            lab.ip(1, &["link", "set", "eth0", "down"]);
        } else {
            lab.set_carrier(1, false);
        }
        let said = let_go(&holder);
        let told = lost.elapsed();
        assert!(!lab.has(1, VIP), "the addresses go first");
        assert_eq!((said.reason, said.source), (reason, own_address(1).parse().expect("an address")));
        best.assist(said);
        other.assist(said);
        let taken = best.reaches(State::Active, 1);
        let took = lost.elapsed();
        assert_eq!(taken.reason, TransitionReason::Assist);
        assert!(lab.has(2, VIP));
        println!("{reason:?}: told after {told:?}, held after {took:?}");
        assert!(took < BOUND, "{took:?}");
        // Told again, with the same word and with an older one, nobody moves.
        other.assist(said);
        best.assist(LetGo { source: own_address(3).parse().expect("an address"), ..said });
        eventually(
            "the new one is obeyed",
            || other.group().and_then(|group| group.active_source),
            |source| *source == own_address(2).parse().ok(),
        );
        other.assist(said);
        eventually(
            "it stays Backup",
            || other.group().map(|group| group.state),
            |state| *state == Some(State::Backup),
        );
    }
}

#[test]
fn whoever_is_best_takes_over_from_a_member_that_resigns_and_waits_for_no_skew() {
    let lab = Lab::beside_others(3);
    let all = [(1, 240), (2, 20), (3, 10)];
    let routers = members(&lab, all, 100);
    for (router, (host, _)) in routers.iter().zip(all) {
        router.apply(2, vec![member(all, host, 10_000)]);
    }
    for backup in &routers[1..] {
        eventually(
            "it goes by the longer interval",
            || backup.group().and_then(|group| group.active_down_interval),
            |down| down.is_some_and(|down| down > Duration::from_secs(30)),
        );
    }
    let [holder, best, other] = routers;
    let asked = Instant::now();
    holder.stop();
    let taken = best.reaches(State::Active, 1);
    let took = asked.elapsed();
    println!("held after {took:?}");
    assert_eq!(taken.reason, TransitionReason::PriorityZero);
    assert!(took < BOUND, "{took:?}, and the skew is 9.2 s");
    eventually(
        "the best one is obeyed",
        || other.group().and_then(|group| group.active_source),
        |source| *source == own_address(2).parse().ok(),
    );
    assert!(other.transitions().iter().all(|transition| transition.to != State::Active));
    // Without a successor it would resign for two intervals.
    best.apply(3, vec![member(all, 2, 100)]);
}

#[test]
fn a_carrier_that_is_gone_for_a_moment_only_moves_nothing_at_one_second() {
    let lab = Lab::new(3);
    let [holder, best, _other] = three(&lab);
    let before = holder.transitions().len();
    for _ in 0..3 {
        lab.set_carrier(1, false);
        lab.set_carrier(1, true);
    }
    let sent = || holder.group().map_or(0, |group| group.counters.advertisement_sent);
    // Long enough for a loss that is not bridged to be seen.
    let goal = sent() + 2;
    eventually("it goes on", sent, |sent| *sent >= goal);
    assert_eq!((holder.transitions().len(), holder.let_go()), (before, vec![]));
    assert!(lab.has(1, VIP) && best.transitions().iter().all(|transition| transition.to != State::Active));
}
