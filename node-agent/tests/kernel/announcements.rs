//! What neighbours learn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api_types::transition::State;

use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::router::{Router, VIP, group};
use crate::wire::{Capture, Line};

#[test]
fn a_neighbours_arp_table_follows_the_address() {
    let lab = Lab::new(2);
    // A neighbour that believes somebody else to have it, as after a failover.
    lab.ip(2, &["neighbour", "replace", VIP, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0"]);
    let capture = Capture::start(&lab, 2, "arp");
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    let learnt = |table: &String| table.contains("lladdr 02:00:00:00:00:01");
    eventually("the neighbour has learnt it", || lab.ip(2, &["neighbour", "show", VIP]), learnt);

    // At once, and after 10, 50, 200 ms and 1 s; a request and a reply each.
    let requests = capture.sees(5, &["Request who-has 10.66.1.51", "tell 10.66.1.51"]);
    let replies = capture.sees(5, &["Reply 10.66.1.51 is-at 02:00:00:00:00:01"]);
    assert!(
        requests
            .iter()
            .chain(&replies)
            .all(|line| { line.text.starts_with("02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff") })
    );
    let after: Vec<_> = requests.iter().map(|line| (line.at - requests[0].at).as_millis()).collect();
    for (seen, planned) in after.iter().zip([0, 10, 50, 200, 1_000]) {
        assert!((planned..planned + 1_000).contains(&(*seen + 1)), "announced after {after:?} ms");
    }
}

#[test]
fn nobody_announces_who_holds_no_longer() {
    let lab = Lab::new(2);
    let capture = Capture::start(&lab, 2, "arp or proto 112");
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    capture.sees(1, &["Reply 10.66.1.51 is-at"]);
    router.apply(2, Vec::new());
    router.reaches(State::Initialize, 1);
    let resigned = capture.sees(1, &["10.66.0.1 > 224.0.0.18", "prio 0"])[0].at;

    // Whoever comes next announces until a second after its first announcement, and by then the last repetition of
    // the one that has gone would have been due.
    let mut next = group(240);
    next.id = uuid::Uuid::from_u128(52);
    next.vrid = vrrp::Vrid::new(52).expect("a VRID");
    next.virtual_addresses = vec!["10.66.1.52/16".parse().expect("an address")];
    router.apply(3, vec![next]);
    capture.sees(5, &["Reply 10.66.1.52 is-at"]);

    // After 10, 50 and 200 ms it may still have held; a second after its first announcement it did not.
    let announced = capture.with(&["Reply 10.66.1.51 is-at"]);
    assert!(announced.len() < 5, "resigned at {resigned:?}: {announced:?}");
}

/// Has a client forget the address and ask for it, again and again, until `stop` is set.
fn ask_again_and_again(lab: &Lab, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let _unknown = std::process::Command::new("ip")
            .args(["-n", &lab.host(3), "neighbour", "del", VIP, "dev", "eth0"])
            .stderr(std::process::Stdio::null())
            .status();
        ask(lab);
    }
}

fn ask(lab: &Lab) {
    lab.inside(3, || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("bound");
        let _unreachable = socket.send_to(b"?", (VIP, 9));
    });
}

/// What a client knows that asks when it knows nothing.
fn known(lab: &Lab) -> String {
    let shown = lab.ip(3, &["neighbour", "show", VIP]);
    if shown.is_empty() {
        // It has forgotten once more after its last question.
        ask(lab);
    }
    shown
}

#[test]
fn a_client_that_asks_while_two_answer_knows_the_new_holder_within_a_second() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "arp or proto 112");
    let stays = Router::running(&lab, 2, group(200));
    for round in 1..=3 {
        let leaves = Router::running(&lab, 1, group(240));
        leaves.reaches(State::Active, 1);
        eventually("the other one lets go", || lab.has(2, VIP), |has| !has);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| ask_again_and_again(&lab, &stop));
            leaves.ask_to_stop();
            stays.reaches(State::Active, round);
            stop.store(true, Ordering::Relaxed);
        });
        let knows = |table: &String| table.contains("lladdr 02:00:00:00:00:02");
        within(Duration::from_secs(1), "the new holder", || known(&lab), knows);
        leaves.stop();

        let lines = capture.lines();
        let has = |line: &&Line, words: [&str; 2]| words.iter().all(|word| line.text.contains(word));
        let resigned =
            lines.iter().rfind(|line| has(line, ["10.66.0.1 > 224", "prio 0"])).expect("resigned").at;
        let since = || lines.iter().filter(|line| line.at > resigned);
        let taken = since().find(|line| has(line, ["10.66.0.2 > 224", "prio 200"])).expect("taken over").at;
        let mut old = since().filter(|line| has(line, ["Reply 10.66.1.51", "is-at 02:00:00:00:00:01"]));
        let overlap = old.next_back().map_or(Duration::ZERO, |line| line.at.saturating_sub(taken));
        println!("two answered for {overlap:?}");
        // Five times what the release may take.
        assert!(overlap < Duration::from_millis(250), "two answered for {overlap:?}");
    }
}
