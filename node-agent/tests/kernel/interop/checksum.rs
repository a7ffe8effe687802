//! Which form of the checksum of version 3 over IPv4 the others speak, by a sum of the test's own, and what
//! they make of the other form (RFC 9568 §5.2.8, RFC 5798 §5.2.8).

use api_types::channel::DesiredGroup;
use api_types::group::Checksum;
use nix::sys::signal::Signal;

use super::dialect::{Dialect, of_frr, usual};
use super::record::{NOTHING, Question, Record, Row};
use super::scene::Scene;
use crate::checksums::right_forms;
use crate::lab::Lab;
use crate::wire::Receiver;

const QUESTION: Question = Question(8, "Which checksum is spoken over IPv4");
const WITH: &str = "with pseudo-header";
const WITHOUT: &str = "without pseudo-header";

/// The form of the next packet that a client gets from a host.
fn form_from(receiver: &mut Receiver, host: u8) -> &'static str {
    let packet = std::iter::repeat_with(|| receiver.next()).find(|packet| packet[15] == host);
    match right_forms(&packet.expect("a packet")) {
        (false, true) => WITH,
        (true, false) => WITHOUT,
        forms => panic!("{forms:?}"),
    }
}

fn row(record: &Record, dialect: &Dialect, scenario: (u8, &'static str), holder: &str, frames: String) {
    let (takeover, client) = (NOTHING.into(), NOTHING.into());
    let (peer, spoken, holder) = (dialect.peer(), dialect.spoken, holder.to_owned());
    record.saw(&Row { scenario, peer, spoken, holder, frames: frames.into(), takeover, client });
}

/// Baton may choose, hears the other one, and takes over from it.
fn chooses(record: &Record, dialect: Dialect) {
    let scene = Scene::new(dialect, 2, Lab::beside_others);
    let peer = dialect.start_peer(&scene.lab, 2, 250);
    scene.held_by(&[2], "it holds");
    let mut receiver = Receiver::on(&scene.lab, 3);
    let its = form_from(&mut receiver, 2);
    let mut agent = scene.start_agent(1, 200);
    let heard = || scene.standing(&agent).and_then(|group| group.heard.first()?.checksum);
    scene.sees("the form is told", heard, |form| *form == Some(Checksum::Rfc5798));
    peer.stop();
    scene.held_by(&[1], "Baton holds");
    let ours = form_from(&mut receiver, 1);
    row(record, &dialect, (1, "`checksum: auto`"), NOTHING, format!("it: {its}; Baton: {ours}"));
    agent.stop(Signal::SIGTERM);
}

fn without(group: DesiredGroup) -> DesiredGroup {
    DesiredGroup { checksum: Checksum::Rfc9568, ..group }
}

/// Baton is better and forced to the newer form.
fn insists(record: &Record, dialect: Dialect) {
    let scene = Scene::new(dialect, 2, Lab::beside_others);
    let _peer = dialect.start_peer(&scene.lab, 2, 100);
    scene.held_by(&[2], "it holds");
    let mut agent = scene.start_agent(1, 200);
    scene.held_by(&[1, 2], "both hold");
    let mut receiver = Receiver::on(&scene.lab, 3);
    let ours = form_from(&mut receiver, 1);
    scene.others_while(1, 5);
    scene.held_by(&[1, 2], "both still hold");
    let holder = "both: it drops what Baton sends";
    row(record, &dialect, (2, "`checksum: rfc9568`"), holder, format!("Baton: {ours}"));
    agent.stop(Signal::SIGTERM);
}

fn of_ipv4() -> [(Dialect, Dialect); 2] {
    let (keepalived, frr) = (usual(), of_frr()[0]);
    [
        (keepalived, Dialect { ours: |priority| without((usual().ours)(priority)), ..keepalived }),
        (frr, Dialect { ours: |priority| without((of_frr()[0].ours)(priority)), ..frr }),
    ]
}

#[test]
fn every_peer_speaks_the_older_checksum_and_baton_with_it() {
    Record::of("every_peer_speaks_the_older_checksum_and_baton_with_it", QUESTION, |record| {
        std::thread::scope(|scope| {
            for (dialect, _) in of_ipv4() {
                scope.spawn(move || chooses(record, dialect));
            }
        });
    });
}

#[test]
fn no_peer_hears_the_newer_checksum() {
    Record::of("no_peer_hears_the_newer_checksum", QUESTION, |record| {
        std::thread::scope(|scope| {
            for (_, dialect) in of_ipv4() {
                scope.spawn(move || insists(record, dialect));
            }
        });
    });
}
