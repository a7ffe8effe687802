//! An owner (priority 255) has the address on its interface always, and is Active whenever it lives.
//!
//! keepalived advertises 255 for an address that it adds; it does not run on an interface whose one address
//! is the virtual one. Where another host holds an owner's address, Linux drops what the owner sends from
//! that address, unless `accept_local` is set; Baton, which reads from the wire, hears it all the same.

use api_types::channel::DesiredGroup;
use nix::sys::signal::Signal;

use super::class;
use super::dialect::{Dialect, beside, usual};
use super::record::{NOTHING, Question, Record, Row, Told};
use super::scene::{Scene, now};
use crate::lab::Lab;

const QUESTION: Question = Question(6, "One of them is the owner of the address");
const OWNER: u8 = 255;
const OTHER: u8 = 200;

fn of_our_address(priority: u8) -> DesiredGroup {
    let virtual_addresses = vec!["10.66.0.1/16".parse().expect("an address")];
    DesiredGroup { virtual_addresses, ..beside(priority) }
}

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

#[test]
fn a_keepalived_of_priority_255_is_obeyed_survived_and_obeyed_again() {
    Record::of("a_keepalived_of_priority_255_is_obeyed_survived_and_obeyed_again", QUESTION, |record| {
        let dialect = usual();
        let scene = Scene::new(dialect, 2, Lab::new);
        let lab = &scene.lab;
        let peer = dialect.start_peer(lab, 2, OWNER);
        scene.others_while(2, 2);
        let mut agent = scene.start_agent(1, OTHER);
        scene.obeys(&agent, 2);
        let others = scene.others_while(2, 5);
        scene.held_by(&[2], "keepalived holds");
        row(record, &scene, (1, "It has priority 255"), "it", others, NOTHING);

        let died = now();
        scene.cut_off(2);
        drop(peer);
        scene.held_by(&[1], "Baton holds");
        let taken = class::after_silence(&dialect, OTHER, scene.gap(2, 1, died));
        row(
            record,
            &scene,
            (2, "It has priority 255, and its host dies"),
            "Baton",
            scene.others_while(1, 5),
            taken,
        );

        scene.remove_leftovers(2);
        scene.put_back(2);
        let _peer = dialect.start_peer(lab, 2, OWNER);
        scene.obeys(&agent, 2);
        scene.held_by(&[2], "keepalived holds again");
        row(
            record,
            &scene,
            (3, "It has priority 255, and comes back"),
            "it",
            scene.others_while(2, 5),
            NOTHING,
        );
        agent.stop(Signal::SIGTERM);
    });
}

#[test]
fn a_keepalived_holds_the_address_of_an_owner_that_is_cut_off_and_no_longer() {
    Record::of(
        "a_keepalived_holds_the_address_of_an_owner_that_is_cut_off_and_no_longer",
        QUESTION,
        |record| {
            let dialect = Dialect { address: "10.66.0.1", ours: of_our_address, ..usual() };
            let scene = Scene::new(dialect, 2, Lab::new);
            let accept_local = || std::fs::write("/proc/sys/net/ipv4/conf/all/accept_local", "1");
            scene.lab.inside(2, accept_local).expect("a sysctl");
            let _peer = dialect.start_peer(&scene.lab, 2, OTHER);
            scene.held_by(&[1, 2], "keepalived holds what its owner has");
            let mut agent = scene.start_agent(1, OWNER);
            scene.held_by(&[1], "its owner has it alone");
            row(
                record,
                &scene,
                (4, "Baton is the owner, and starts"),
                "Baton",
                scene.others_while(1, 5),
                NOTHING,
            );

            let died = now();
            scene.cut_off(1);
            scene.held_by(&[2], "keepalived holds it for its owner");
            let taken = class::after_silence(&dialect, OTHER, scene.gap(1, 2, died));
            let scenario = (5, "Baton is the owner, and its host is cut off");
            row(record, &scene, scenario, "it", scene.others_while(2, 5), taken);

            scene.put_back(1);
            scene.held_by(&[1], "its owner has it alone again");
            let scenario = (6, "Baton is the owner, and its host is back");
            row(record, &scene, scenario, "Baton", scene.others_while(1, 5), NOTHING);
            agent.stop(Signal::SIGTERM);
        },
    );
}
