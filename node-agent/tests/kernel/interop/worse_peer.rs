//! The other router is worse: it obeys Baton, and takes over when Baton is gone.

use nix::sys::signal::Signal;

use super::class::{self, Successor};
use super::dialect::{of_frr, of_keepalived, of_version_2};
use super::record::{NOTHING, Question, Record, Row, Told};
use super::scene::{Scene, beside_others, now, two_at_a_time};
use crate::neighbour::Neighbour;

const QUESTION: Question = Question(2, "Baton is better than the other router");
/// Of the other router, and of Baton.
const WORSE: u8 = 100;
const OURS: u8 = 200;

/// Baton preempts the other one, dies, comes back and stops.
fn incidents(record: &Record, scene: &Scene) {
    let Scene { lab, dialect, .. } = scene;
    let row = |scenario, holder: &str, frames: Told, takeover: Told, client: Told| {
        let (peer, spoken, holder) = (dialect.peer(), dialect.spoken, holder.to_owned());
        record.saw(&Row { scenario, peer, spoken, holder, frames, takeover, client });
    };
    let _peer = dialect.start_peer(lab, 2, WORSE);
    scene.held_by(&[2], "the other one holds alone");
    let client = scene.client();
    let neighbour = dialect.virtual_mac.then(|| Neighbour::start(lab, 3, dialect.address));
    let mut marks = vec![client.mark()];
    let mut agent = scene.start_agent(1, OURS);
    scene.held_by(&[1], "Baton has preempted it");
    let waiting = scene.others_while(1, 3);
    marks.push(client.mark());

    let died = now();
    scene.cut_off(1);
    agent.kill_parent();
    agent.kill_worker();
    scene.held_by(&[2], "the other one has taken over");
    let silence = scene.gap(1, 2, died);
    scene.others_while(2, 2);
    marks.push(client.mark());

    scene.remove_leftovers(1);
    scene.put_back(1);
    agent.start_again(lab, 1);
    scene.held_by(&[1], "Baton has it alone");
    let others = scene.others_while(1, 3);
    marks.push(client.mark());

    let stopped = now();
    agent.stop(Signal::SIGTERM);
    scene.held_by(&[2], "it was handed the address");
    let resigned = scene.gap(1, 2, stopped);
    let resignations = scene.resignations(1, stopped).len();
    scene.others_while(2, 2);
    marks.push(client.mark());

    let outages = client.finish(&marks);
    let successor = Successor::peer(dialect, WORSE);
    let outage = |phase: usize| class::outage(dialect, WORSE, outages[phase]);
    row(
        (1, "It is Active, and Baton starts"),
        "Baton",
        format!("of it: {waiting}").into(),
        NOTHING.into(),
        outage(0),
    );
    row(
        (2, "Baton's host dies"),
        "it",
        NOTHING.into(),
        class::after_silence(dialect, successor, silence),
        outage(1),
    );
    row((3, "Baton comes back"), "Baton", format!("of it: {others}").into(), NOTHING.into(), outage(2));
    row(
        (4, "Baton is stopped"),
        "it",
        class::resignations(dialect, resignations, resigned),
        class::after_resignation(dialect, successor, resigned),
        outage(3),
    );
    if let Some(neighbour) = neighbour {
        let seen = format!("had one neighbour entry: {}", neighbour.finish().join(", "));
        row((5, "All of these"), NOTHING, NOTHING.into(), NOTHING.into(), seen.into());
    }
    assert_eq!(scene.bad_checksums(), 0);
}

#[test]
fn a_worse_keepalived_obeys_takes_over_and_gives_back() {
    Record::of("a_worse_keepalived_obeys_takes_over_and_gives_back", QUESTION, |record| {
        two_at_a_time(&of_keepalived(), |scene| incidents(record, scene));
    });
}

#[test]
fn a_worse_keepalived_of_version_2_obeys_takes_over_and_gives_back() {
    Record::of("a_worse_keepalived_of_version_2_obeys_takes_over_and_gives_back", QUESTION, |record| {
        beside_others(&of_version_2(), |scene| incidents(record, scene));
    });
}

#[test]
fn a_worse_frr_obeys_takes_over_and_gives_back() {
    Record::of("a_worse_frr_obeys_takes_over_and_gives_back", QUESTION, |record| {
        two_at_a_time(&of_frr(), |scene| incidents(record, scene));
    });
}
