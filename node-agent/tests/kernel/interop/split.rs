//! The LAN splits between the routers, so that both hold the address, and heals: who keeps it, and whether
//! the client learns that.
//!
//! What decides is the priority, and the greater address where priorities are equal (RFC 9568 §6.4.3). A
//! keepalived that loses says nothing: then only Baton's announcements, which it repeats every 10 s while a
//! member is not Baton, tell the client. A Baton that loses says so, and keepalived announces.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::dialect::{Dialect, beside, member, usual};
use super::record::{NOTHING, Question, Record, Row};
use super::scene::Scene;
use crate::lab::{Lab, own_address};
use api_types::channel::DesiredGroup;

const QUESTION: Question = Question(3, "The LAN splits, both are Active, and it heals");
const OURS: u8 = 200;
/// While a member is not Baton, a holder announces at least as often.
const REFRESH: Duration = Duration::from_secs(10);

struct Split {
    scenario: (u8, &'static str),
    priority: u8,
    /// The host with the agent; the other one of 1 and 2 is keepalived's.
    baton: u8,
    winner: u8,
}

const SPLITS: [Split; 4] = [
    Split { scenario: (1, "It is better"), priority: 250, baton: 1, winner: 2 },
    Split { scenario: (2, "Baton is better"), priority: 100, baton: 1, winner: 1 },
    Split { scenario: (3, "Equal, and its address is greater"), priority: OURS, baton: 1, winner: 2 },
    Split { scenario: (4, "Equal, and Baton's address is greater"), priority: OURS, baton: 2, winner: 2 },
];

fn beside_host_1(priority: u8) -> DesiredGroup {
    DesiredGroup { peers: vec![member(&own_address(1))], ..beside(priority) }
}

fn incident(record: &Record, split: &Split) {
    let Split { scenario, priority, baton, winner } = *split;
    let other = 3 - baton;
    let ours = if baton == 1 { beside } else { beside_host_1 };
    let scene = Scene::new(Dialect { ours, ..usual() }, 2, Lab::beside_others);
    let Scene { lab, dialect, .. } = &scene;
    lab.isolate(1, true);
    lab.isolate(2, true);
    let (mut peer, mut agent) = (None, None);
    // The loser announces last, when the winner has done with that: the client asks the loser.
    for host in [winner, 3 - winner] {
        if host == other {
            peer = Some(dialect.start_peer(lab, other, priority));
        } else {
            agent = Some(scene.start_agent(baton, OURS));
        }
        scene.sees("it advertises", || scene.frames_of(host, Duration::ZERO).len(), |count| *count >= 15);
    }
    scene.held_by(&[1, 2], "both hold");
    let client = scene.client();
    let losers = format!("lladdr 02:00:00:00:00:{:02x}", 3 - winner);
    let entry = || lab.ip(3, &["neighbour", "show", dialect.address]);
    scene.sees("the client asks the loser", entry, |entry| entry.contains(&losers));

    let mark = client.mark();
    lab.isolate(1, false);
    scene.held_by(&[winner], "one of them holds");
    let others = scene.others_while(winner, 5);
    let _answered = client.mark();
    scene.others_while(winner, 3);
    let marks = [mark, client.mark()];
    let outage = client.finish(&marks)[0];
    eprintln!("{}: without an answer for {outage:?}", scenario.1);
    let class = if winner == other {
        assert!(outage <= dialect.interval * 3, "{outage:?}");
        "at most 3 intervals"
    } else {
        assert!(outage <= REFRESH + dialect.interval, "{outage:?}");
        "at most the 10 s until Baton announces again"
    };
    record.saw(&Row {
        scenario,
        peer: dialect.peer(),
        spoken: dialect.spoken,
        holder: if winner == baton { "Baton" } else { "it" }.to_owned(),
        frames: format!("of the loser: {others}").into(),
        takeover: NOTHING.into(),
        client: class.into(),
    });
    let _status = agent.map(|mut agent| agent.stop(Signal::SIGTERM));
    drop(peer);
}

#[test]
fn of_two_active_routers_the_better_one_or_the_greater_address_keeps_the_address() {
    Record::of(
        "of_two_active_routers_the_better_one_or_the_greater_address_keeps_the_address",
        QUESTION,
        |record| {
            std::thread::scope(|scope| {
                for split in &SPLITS {
                    scope.spawn(|| incident(record, split));
                }
            });
        },
    );
}
