//! The other router is better: Baton waits behind it, and takes over when it is gone.

use nix::sys::signal::Signal;

use super::class;
use super::dialect::{of_frr, of_keepalived, of_version_2};
use super::record::{NOTHING, Question, Record, Row, Told};
use super::scene::{Scene, beside_others, now, two_at_a_time};
use crate::neighbour::Neighbour;

const QUESTION: Question = Question(1, "The other router is better than Baton");
/// Of the other router, and of Baton.
const BETTER: u8 = 250;
const OURS: u8 = 200;

/// Baton waits; the other one dies, comes back and resigns.
fn incidents(record: &Record, scene: &Scene) {
    let Scene { lab, dialect, .. } = scene;
    let row = |scenario, holder: &str, frames: Told, takeover: Told, client: Told| {
        let (peer, spoken, holder) = (dialect.peer(), dialect.spoken, holder.to_owned());
        record.saw(&Row { scenario, peer, spoken, holder, frames, takeover, client });
    };
    let peer = dialect.start_peer(lab, 2, BETTER);
    scene.held_by(&[2], "the other one holds");
    scene.others_while(2, 2);
    let begun = now();
    let mut agent = scene.start_agent(1, OURS);
    scene.obeys(&agent, 2);
    let client = scene.client();
    let neighbour = dialect.virtual_mac.then(|| Neighbour::start(lab, 3, dialect.address));
    scene.others_while(2, 3);
    scene.held_by(&[2], "it still holds");
    let ours = scene.frames_of(1, begun).len();
    row((1, "It is Active first"), "it", format!("of Baton: {ours}").into(), NOTHING.into(), NOTHING.into());

    let mut marks = vec![client.mark()];
    let killed = now();
    scene.cut_off(2);
    drop(peer);
    scene.held_by(&[1], "Baton holds");
    let silence = scene.gap(2, 1, killed);
    let others = scene.others_while(1, 2);
    marks.push(client.mark());

    scene.remove_leftovers(2);
    scene.put_back(2);
    let peer = dialect.start_peer(lab, 2, BETTER);
    scene.held_by(&[2], "it holds again");
    scene.obeys(&agent, 2);
    let still = scene.others_while(2, 2);
    marks.push(client.mark());

    let stopped = now();
    peer.stop();
    scene.held_by(&[1], "Baton holds again");
    let resigned = scene.gap(2, 1, stopped);
    let resignations = scene.resignations(2, stopped).len();
    scene.others_while(1, 2);
    marks.push(client.mark());

    let outages = client.finish(&marks);
    let outage = |phase: usize| class::outage(dialect, OURS, outages[phase]);
    row(
        (2, "Its host dies"),
        "Baton",
        format!("of it: {others}").into(),
        class::after_silence(dialect, OURS, silence),
        outage(0),
    );
    row((3, "It comes back"), "it", format!("of Baton: {still}").into(), NOTHING.into(), outage(1));
    row(
        (4, "It is stopped"),
        "Baton",
        format!("of priority 0: {resignations}").into(),
        class::after_resignation(dialect, OURS, resigned),
        outage(2),
    );
    if let Some(neighbour) = neighbour {
        let seen = format!("had one neighbour entry: {}", neighbour.finish().join(", "));
        row((5, "All of these"), NOTHING, NOTHING.into(), NOTHING.into(), seen.into());
    }
    assert_eq!(scene.bad_checksums(), 0);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn a_better_keepalived_is_obeyed_and_survived() {
    Record::of("a_better_keepalived_is_obeyed_and_survived", QUESTION, |record| {
        two_at_a_time(&of_keepalived(), |scene| incidents(record, scene));
    });
}

#[test]
fn a_better_keepalived_of_version_2_is_obeyed_and_survived() {
    Record::of("a_better_keepalived_of_version_2_is_obeyed_and_survived", QUESTION, |record| {
        beside_others(&of_version_2(), |scene| incidents(record, scene));
    });
}

#[test]
fn a_better_frr_is_obeyed_and_survived() {
    Record::of("a_better_frr_is_obeyed_and_survived", QUESTION, |record| {
        two_at_a_time(&of_frr(), |scene| incidents(record, scene));
    });
}
