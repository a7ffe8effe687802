//! Who hears whom, and what is not believed.

use std::time::{Duration, SystemTime};

use api_types::transition::{State, TransitionReason};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::monitor::Monitor;
use crate::router::{Router, VIP, group};
use crate::wire::{Capture, advertisement_from_2, send_from_2};

#[test]
fn the_better_of_two_becomes_active_and_the_other_obeys() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "proto 112");
    let (better, other) = (Router::running(&lab, 1, group(240)), Router::running(&lab, 2, group(200)));
    better.reaches(State::Active, 1);
    eventually("one holder", || (lab.has(1, VIP), lab.has(2, VIP)), |holders| *holders == (true, false));
    eventually(
        "it is obeyed",
        || other.group().and_then(|group| group.active_source),
        |source| *source == Some(own_address(1).parse().expect("an address")),
    );
    // In the words of tcpdump: from the interface's own MAC and address, to the group, with everything in it.
    let words = [
        "02:00:00:00:00:01 > 01:00:5e:00:00:12",
        "tos 0xc0, ttl 255",
        "proto VRRP (112)",
        "10.66.0.1 > 224.0.0.18: VRRPv3, Advertisement",
        "vrid 51, prio 240, intvl 10cs",
        "addrs: 10.66.1.51",
    ];
    capture.sees(3, &words);
    assert!(capture.with(&["bad vrrp cksum"]).is_empty(), "{:?}", capture.with(&["bad vrrp cksum"]));
}

#[test]
fn a_backup_takes_over_when_the_active_one_falls_silent() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "proto 112 or arp");
    let (first, second) = (Router::running(&lab, 1, group(240)), Router::running(&lab, 2, group(200)));
    first.reaches(State::Active, 1);
    eventually("it is obeyed", || second.group().and_then(|group| group.active_source), Option::is_some);
    let before = second.transitions().iter().filter(|transition| transition.to == State::Active).count();
    // Power off: nothing of it reaches the switch any more.
    lab.set_carrier(1, false);
    let taken = second.reaches(State::Active, before + 1);
    assert_eq!(taken.reason, TransitionReason::NoResponse);
    assert!(lab.has(2, VIP));
    let last_heard = taken.last_advertisement.expect("it had heard the other");
    assert_eq!(last_heard.source.to_string(), own_address(1));
    assert_eq!(last_heard.priority.octet(), 240);

    // On the wire: Active_Down_Interval is 3 × 100 ms + 56/256 × 100 ms = 321.9 ms. At most five times that.
    let last = capture.sees(1, &["10.66.0.1 > 224.0.0.18", "prio 240"]).pop().expect("one");
    let taken_over = |line: &&crate::wire::Line| line.at > last.at;
    let adverts = eventually(
        "the successor advertises",
        || capture.with(&["10.66.0.2 > 224.0.0.18", "prio 200"]),
        |lines| lines.iter().any(|line| taken_over(&line)),
    );
    let first_advert = adverts.iter().find(taken_over).expect("one");
    let silence = (first_advert.at - last.at).as_millis();
    assert!(
        (320..1_610).contains(&silence),
        "{silence} ms between the last advertisement and the successor's first"
    );
    let announced = capture.sees(1, &["02:00:00:00:00:02 > ff:ff:ff:ff:ff:ff", "ARP", VIP]);
    assert!(announced.iter().any(|line| line.at >= first_advert.at), "announced after it advertised");
}

#[test]
fn a_graceful_stop_hands_over_without_a_moment_without_holder() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "proto 112");
    let (first, second) = (Router::running(&lab, 1, group(240)), Router::running(&lab, 2, group(200)));
    first.reaches(State::Active, 1);
    eventually("it is obeyed", || second.group().and_then(|group| group.active_source), Option::is_some);
    let before = second.transitions().iter().filter(|transition| transition.to == State::Active).count();
    let monitor = Monitor::of_all(&lab);
    first.stop();
    let taken = second.reaches(State::Active, before + 1);
    assert_eq!(taken.reason, TransitionReason::PriorityZero);

    let of_address = |seen: &Vec<String>| -> Vec<String> {
        let about = seen.iter().filter(|line| line.contains(VIP));
        about.map(|line| line.split_once("eth0").expect("eth0").0.to_owned()).collect()
    };
    let changes = eventually("bound and released", || of_address(&monitor.seen()), |seen| seen.len() >= 2);
    let (bound, released) = (&changes[0], &changes[1]);
    assert!(bound.starts_with("[nsid 2]") && !bound.contains("Deleted"), "first bound: {changes:?}");
    assert!(released.starts_with("[nsid 1]Deleted"), "then released: {changes:?}");
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(
        capture.with(&["10.66.0.1 > 224.0.0.18", "prio 0"]).len(),
        1,
        "resigned once, since it was heard"
    );
    assert_eq!((lab.has(1, VIP), lab.has(2, VIP)), (false, true));
}

#[test]
fn what_cannot_be_believed_is_dropped_by_its_cause_and_moves_nothing() {
    let lab = Lab::new(2);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let good = advertisement_from_2();
    let (mut checksum, mut version) = (good.clone(), good.clone());
    checksum[6] ^= 0xff;
    version[0] = 0x41;
    let cases: [(&str, u8, &[u8]); 4] = [
        ("ttl", 254, &good),
        ("checksum", 255, &checksum),
        ("length", 255, &good[..10]),
        ("version", 255, &version),
    ];
    for (cause, ttl, message) in cases {
        assert_eq!(router.dropped(cause), 0, "{cause}");
        send_from_2(&lab, ttl, message);
        eventually(&format!("a drop for {cause}"), || router.dropped(cause), |count| *count == 1);
    }
    assert_eq!(router.group().map(|group| group.counters.packets_dropped), Some(4));
    assert_eq!(router.transitions().len(), 2, "nothing moved: {:?}", router.transitions());

    // The same advertisement with nothing wrong is obeyed, so the drops above were not for another reason.
    send_from_2(&lab, 255, &good);
    assert_eq!(router.reaches(State::Backup, 2).reason, TransitionReason::HigherPriorityHeard);
}

#[test]
fn a_holder_hears_an_owner_that_advertises_from_the_virtual_address_itself() {
    let lab = Lab::new(2);
    let holder = Router::running(&lab, 1, group(240));
    holder.reaches(State::Active, 1);
    assert!(lab.has(1, VIP));
    // The owner's only address is the virtual one: its advertisements can come from nowhere else.
    lab.ip(2, &["address", "flush", "dev", "eth0"]);
    lab.ip(2, &["address", "add", &format!("{VIP}/16"), "dev", "eth0"]);
    let capture = Capture::start(&lab, 1, "proto 112");
    let owner = Router::running(&lab, 2, group(255));
    assert_eq!(owner.reaches(State::Active, 1).reason, TransitionReason::OwnerStarted);
    let yielded = holder.reaches(State::Backup, 2);
    assert_eq!(yielded.reason, TransitionReason::HigherPriorityHeard);
    assert_eq!(yielded.last_advertisement.map(|heard| heard.source.to_string()), Some(VIP.to_owned()));
    capture.sees(1, &[&format!("{VIP} > 224.0.0.18"), "prio 255"]);
    eventually("one holder", || lab.has(1, VIP), |has| !has);

    owner.stop();
    assert!(
        lab.addresses(2).contains(&format!("inet {VIP}/16 ")),
        "the owner keeps it: {}",
        lab.addresses(2)
    );
    assert_eq!(holder.reaches(State::Active, 2).reason, TransitionReason::PriorityZero);
}

#[test]
fn a_better_router_waits_for_its_preempt_delay_beside_a_worse_one_that_advertises() {
    const DELAY: Duration = Duration::from_secs(2);
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "proto 112");
    let worse = Router::running(&lab, 1, group(200));
    worse.reaches(State::Active, 1);
    let mut delayed = group(240);
    delayed.options.preempt_delay_ms = 2_000.try_into().expect("a delay");
    let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let better = Router::running(&lab, 2, delayed);
    assert_eq!(better.reaches(State::Active, 1).reason, TransitionReason::Preempting);
    let first = capture.sees(1, &["10.66.0.2 > 224.0.0.18", "prio 240"])[0].at;
    assert!(first - before >= DELAY, "its first advertisement left after {:?}", first - before);
    let heard = capture.with(&["10.66.0.1 > 224.0.0.18", "prio 200"]);
    let meanwhile = heard.iter().filter(|line| (before..first).contains(&line.at)).count();
    assert!(meanwhile >= 15, "{meanwhile} advertisements of the worse one");
    worse.reaches(State::Backup, 2);
}
