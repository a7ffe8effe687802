//! Who is Active stays so where the better one does not preempt, and where priorities are equal, whatever the
//! addresses (RFC 9568 §6.4.2).

use api_types::channel::DesiredGroup;
use nix::sys::signal::Signal;

use super::class;
use super::dialect::{Dialect, beside, usual};
use super::record::{NOTHING, Question, Record, Row, Told};
use super::scene::{Scene, now};
use crate::lab::Lab;

const QUESTION: Question = Question(4, "The one that is Active keeps the address");

fn never_preempting(priority: u8) -> DesiredGroup {
    DesiredGroup { preempt_mode: false, ..beside(priority) }
}

/// The row of a scenario that nobody loses anything in.
fn row(
    record: &Record,
    scene: &Scene,
    scenario: (u8, &'static str),
    holder: &str,
    others: usize,
    taken: impl Into<Told>,
) {
    record.saw(&Row {
        scenario,
        peer: scene.dialect.peer(),
        spoken: scene.dialect.spoken,
        holder: holder.to_owned(),
        frames: format!("of the other: {others}").into(),
        takeover: taken.into(),
        client: NOTHING.into(),
    });
}

/// keepalived is Active, and Baton comes; then keepalived stops.
fn baton_waits(record: &Record, dialect: Dialect, theirs: u8, ours: u8, scenario: (u8, &'static str)) {
    let scene = Scene::new(dialect, 2, Lab::beside_others);
    let peer = dialect.start_peer(&scene.lab, 2, theirs);
    scene.held_by(&[2], "keepalived holds");
    scene.others_while(2, 2);
    let agent = scene.start_agent(1, ours);
    scene.obeys(&agent, 2);
    if theirs == ours {
        let named =
            || scene.standing(&agent).and_then(|group| Some(group.heard.first()?.discrepancies.clone()));
        scene.sees("the tie is named", named, |odd| odd.as_deref() == Some(&["equal_priority".to_owned()]));
    }
    let others = scene.others_while(2, 5);
    scene.held_by(&[2], "it still holds");
    let stopped = now();
    peer.stop();
    scene.held_by(&[1], "Baton holds");
    let taken = class::after_resignation(&dialect, ours, scene.gap(2, 1, stopped));
    row(record, &scene, scenario, "it, and Baton once it is stopped", others, taken);
}

/// Baton is Active, and keepalived comes; then Baton stops.
fn keepalived_waits(record: &Record, theirs: u8, more: &str, ours: u8, scenario: (u8, &'static str)) {
    let scene = Scene::new(usual(), 2, Lab::beside_others);
    let mut agent = scene.start_agent(1, ours);
    scene.held_by(&[1], "Baton holds");
    let peer = scene.dialect.start_keepalived(&scene.lab, 2, &format!("priority {theirs}\n{more}"));
    scene.sees("it takes part", || peer.takes_part(), |takes_part| *takes_part);
    let others = scene.others_while(1, 5);
    scene.held_by(&[1], "Baton still holds");
    let stopped = now();
    agent.stop(Signal::SIGTERM);
    scene.held_by(&[2], "keepalived was there all the time");
    let taken = class::after_resignation(&scene.dialect, theirs, scene.gap(1, 2, stopped));
    row(record, &scene, scenario, "Baton, and it once Baton is stopped", others, taken);
}

#[test]
fn without_preemption_whoever_holds_keeps_the_address() {
    Record::of("without_preemption_whoever_holds_keeps_the_address", QUESTION, |record| {
        std::thread::scope(|scope| {
            let nopreempt = (1, "Baton is Active, and it is better, with `nopreempt`");
            scope.spawn(move || keepalived_waits(record, 250, "nopreempt\n", 100, nopreempt));
            let dialect = Dialect { ours: never_preempting, ..usual() };
            let preempt_mode = (2, "It is Active, and Baton is better, with `preempt_mode: false`");
            scope.spawn(move || baton_waits(record, dialect, 100, 254, preempt_mode));
        });
    });
}

#[test]
fn at_equal_priority_whoever_holds_keeps_the_address_whatever_the_addresses() {
    Record::of(
        "at_equal_priority_whoever_holds_keeps_the_address_whatever_the_addresses",
        QUESTION,
        |record| {
            std::thread::scope(|scope| {
                let its = (3, "It is Active, and Baton is as good");
                scope.spawn(move || baton_waits(record, usual(), 200, 200, its));
                let ours = (4, "Baton is Active, and it is as good, with the greater address");
                scope.spawn(move || keepalived_waits(record, 200, "", 200, ours));
            });
        },
    );
}
