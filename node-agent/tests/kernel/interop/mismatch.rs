//! The two are configured differently.
//!
//! In version 3 the others go by the interval of the one that is Active (RFC 9568 §5.2.7). Version 2 drops a
//! packet with another interval (RFC 3768 §7.1): then nobody obeys. Other addresses are for Baton no reason
//! to drop a packet, and for this keepalived they are. As Active it starts its interval anew at each packet
//! that it drops: beside a faster Baton it holds the address and says nothing.

use std::time::Duration;

use api_types::channel::DesiredGroup;
use vrrp::{AdvertisementInterval, Version};

use super::class;
use super::dialect::{Dialect, beside, of_version_2, usual};
use super::record::{NOTHING, Question, Record, Row, Told};
use super::scene::{Scene, now};
use crate::agent::Agent;
use crate::lab::Lab;

const QUESTION: Question = Question(5, "They are configured differently");

fn every_second(priority: u8) -> DesiredGroup {
    let interval = AdvertisementInterval::from_millis(Version::V3, 1_000).expect("an interval");
    DesiredGroup { advertisement_interval_ms: interval, ..beside(priority) }
}

/// Waits until the agent names these oddities of the other one.
fn names(scene: &Scene, agent: &Agent, wanted: &[&str]) {
    let named = || scene.standing(agent).and_then(|group| Some(group.heard.first()?.discrepancies.clone()));
    scene.sees("it is named", named, |odd| odd.as_ref().is_some_and(|odd| *odd == wanted));
}

fn row(
    record: &Record,
    scene: &Scene,
    scenario: (u8, &'static str),
    seen: [&str; 2],
    takeover: impl Into<Told>,
) {
    let [holder, frames] = seen.map(str::to_owned);
    let (peer, spoken) = (scene.dialect.peer(), scene.dialect.spoken);
    let (frames, takeover, client) = (frames.into(), takeover.into(), NOTHING.into());
    record.saw(&Row { scenario, peer, spoken, holder, frames, takeover, client });
}

/// keepalived is Active with one more address, every 500 ms; Baton has 1 s.
fn a_better_one_is_obeyed(record: &Record) {
    let dialect = Dialect { interval: Duration::from_millis(500), ours: every_second, ..usual() };
    let scene = Scene::new(dialect, 2, Lab::beside_others);
    let more = "priority 250\nvirtual_ipaddress {\n 10.66.1.52/32 dev eth0\n}\n";
    let peer = dialect.start_keepalived(&scene.lab, 2, more);
    scene.held_by(&[2], "keepalived holds");
    scene.others_while(2, 2);
    let agent = scene.start_agent(1, 200);
    names(&scene, &agent, &["interval", "address_list"]);
    scene.obeys(&agent, 2);
    let others = scene.others_while(2, 3);
    row(
        record,
        &scene,
        (1, "It is better, has another address more, and advertises twice as often"),
        ["it; Baton names interval and addresses", &format!("of Baton: {others}")],
        NOTHING,
    );
    let died = now();
    scene.cut_off(2);
    drop(peer);
    scene.held_by(&[1], "Baton holds");
    let taken = class::after_silence(&dialect, 200, scene.gap(2, 1, died));
    row(record, &scene, (2, "And its host dies"), ["Baton", NOTHING], taken.followed_by(", by its interval"));
}

/// Baton is Active every 100 ms; keepalived has 1 s.
fn a_worse_one_goes_by_our_interval(record: &Record) {
    let theirs = Dialect { interval: Duration::from_secs(1), ..usual() };
    let scene = Scene::new(usual(), 2, Lab::beside_others);
    let agent = scene.start_agent(1, 200);
    scene.held_by(&[1], "Baton holds");
    let peer = theirs.start_peer(&scene.lab, 2, 100);
    scene.sees("it takes part", || peer.takes_part(), |takes_part| *takes_part);
    let others = scene.others_while(1, 10);
    let died = now();
    scene.cut_off(1);
    drop(agent);
    scene.held_by(&[2], "keepalived holds");
    let taken = class::after_silence(&scene.dialect, 100, scene.gap(1, 2, died));
    row(
        record,
        &scene,
        (3, "It advertises a tenth as often, and Baton's host dies"),
        ["it", &format!("of it before: {others}")],
        taken.followed_by(", by Baton's interval"),
    );
}

/// keepalived drops the packets of a better Baton.
fn other_addresses_are_dropped_by_keepalived(record: &Record) {
    let scene = Scene::new(usual(), 2, Lab::beside_others);
    let more = "priority 100\nvirtual_ipaddress {\n 10.66.1.52/32 dev eth0\n}\n";
    let _peer = scene.dialect.start_keepalived(&scene.lab, 2, more);
    scene.held_by(&[2], "keepalived holds");
    let agent = scene.start_agent(1, 200);
    scene.held_by(&[1, 2], "both hold");
    names(&scene, &agent, &["address_list"]);
    scene.others_while(1, 5);
    scene.held_by(&[1, 2], "both still hold");
    row(
        record,
        &scene,
        (4, "Baton is better, and it has another address more"),
        ["both: it drops what Baton sends; Baton names the addresses", NOTHING],
        NOTHING,
    );
}

/// Both drop what the other one sends.
fn version_2_obeys_no_other_interval(record: &Record) {
    let dialect = of_version_2()[0];
    let theirs = Dialect { interval: Duration::from_secs(2), ..dialect };
    let scene = Scene::new(dialect, 2, Lab::beside_others);
    let _peer = theirs.start_peer(&scene.lab, 2, 250);
    let agent = scene.start_agent(1, 200);
    scene.held_by(&[1, 2], "both hold");
    let counted = || scene.standing(&agent).map_or(0, |group| group.counters.interval_errors);
    scene.sees("it is counted", counted, |count| *count >= 1);
    let others = scene.others_while(1, 3);
    scene.held_by(&[1, 2], "both still hold");
    row(
        record,
        &scene,
        (5, "It is better, and advertises half as often"),
        [
            "both: each drops what the other one sends; Baton counts it as `interval`",
            &format!("of it: {others}"),
        ],
        NOTHING,
    );
}

#[test]
fn other_addresses_and_another_interval_are_named_and_no_reason_not_to_obey() {
    Record::of(
        "other_addresses_and_another_interval_are_named_and_no_reason_not_to_obey",
        QUESTION,
        |record| {
            a_better_one_is_obeyed(record);
        },
    );
}

#[test]
fn a_keepalived_goes_by_the_interval_of_baton_and_drops_other_addresses() {
    Record::of("a_keepalived_goes_by_the_interval_of_baton_and_drops_other_addresses", QUESTION, |record| {
        std::thread::scope(|scope| {
            scope.spawn(|| a_worse_one_goes_by_our_interval(record));
            scope.spawn(|| other_addresses_are_dropped_by_keepalived(record));
        });
    });
}

#[test]
fn in_version_2_another_interval_makes_strangers_and_is_counted() {
    Record::of("in_version_2_another_interval_makes_strangers_and_is_counted", QUESTION, |record| {
        version_2_obeys_no_other_interval(record);
    });
}
