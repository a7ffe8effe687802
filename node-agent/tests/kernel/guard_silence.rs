//! What the guard does with a virtual MAC address once it hears who takes over.

use std::time::{Duration, Instant};

use vrrp::AdvertisementInterval;

use crate::agent::Agent;
use crate::asker::Asker;
use crate::eventually::eventually;
use crate::guard::{GUARD_ALONE, with_virtual_mac};
use crate::lab::Lab;
use crate::macvlan;
use crate::pinger::Pinger;
use crate::router::{VIP, group};
use crate::wire::{Capture, Line, advertisement_from_2, send_from_2};

/// Long enough for the test to answer a resignation before the guard gives up, which it does after two of
/// them.
const INTERVAL: u16 = 50;
/// The address stays for 20 ms and is asked for every 5 ms, unless the machine is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many requests were left unanswered by ARP while the address was still there.
fn unanswered_in_silence(lines: &[Line]) -> usize {
    let last = |words: &str| lines.iter().rposition(|line| line.text.contains(words));
    let answered = last(&format!("Reply {VIP} is-at")).expect("ARP was answered");
    let there = last(&format!("{VIP} > 10.66.0.3: ICMP echo reply")).expect("pings were answered");
    let between = lines.get(answered..there).unwrap_or_default();
    between.iter().filter(|line| line.text.contains(&format!("who-has {VIP}"))).count()
}

/// Kills two workers of a holder, answers the guard's resignation as a successor does, and tells the above.
fn lets_go_for_a_successor() -> usize {
    let lab = Lab::new(3);
    let mut group = with_virtual_mac(group(240));
    group.advertisement_interval_ms =
        AdvertisementInterval::from_centiseconds(INTERVAL).expect("an interval");
    let agent = Agent::start_fenced(&lab, 1, vec![group], GUARD_ALONE, |_, _| {});
    let capture = Capture::start(&lab, 3, "arp or icmp or proto 112");
    let holds = || macvlan::holds(&lab, 1, &[VIP]);
    eventually("it holds", holds, |holds| *holds);
    // By its own MAC address the host is reached whatever its macvlan says.
    lab.ip(3, &["neighbour", "replace", VIP, "lladdr", "02:00:00:00:00:01", "dev", "eth0"]);
    let (_asker, _pinger) = (Asker::start(&lab, 3, VIP), Pinger::start(&lab, 3, VIP, 0));

    let killed = agent.kill_worker();
    eventually("another worker", || agent.worker(), |worker| worker.is_some_and(|worker| worker != killed));
    capture.sees(capture.with(&["prio 240"]).len() + 1, &["prio 240"]);
    let before = capture.lines().len();
    agent.kill_worker();
    capture.sees(1, &["prio 0"]);
    send_from_2(&lab, 255, &advertisement_from_2());
    eventually("it lets go", holds, |holds| !holds);
    unanswered_in_silence(&capture.lines()[before..])
}

/// The MAC address is the successor's by then: an answer would draw the switch back.
#[test]
fn the_guard_silences_a_virtual_mac_address_once_a_successor_is_heard_and_before_the_address_goes() {
    let began = Instant::now();
    while lets_go_for_a_successor() < 2 {
        assert!(began.elapsed() < PATIENCE, "it answers until the address goes");
    }
}
