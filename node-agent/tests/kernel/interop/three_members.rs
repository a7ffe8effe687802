//! Two keepalived and one Baton in one group: at each moment one of them holds, and it is the best that
//! lives.

use api_types::channel::DesiredGroup;
use nix::sys::signal::Signal;

use super::class;
use super::dialect::{Dialect, beside, member, usual};
use super::record::{NOTHING, Question, Record, Row, Told};
use super::scene::{Scene, now};
use crate::lab::{Lab, own_address};

const QUESTION: Question = Question(7, "A group of two others and one Baton");
/// Of the better keepalived on host 2, of Baton on host 1, and of the worse keepalived on host 3.
const PRIORITIES: (u8, u8, u8) = (250, 200, 100);

fn of_three(priority: u8) -> DesiredGroup {
    DesiredGroup { peers: vec![member(&own_address(2)), member(&own_address(3))], ..beside(priority) }
}

#[test]
fn of_two_keepalived_and_one_baton_the_best_that_lives_holds() {
    Record::of("of_two_keepalived_and_one_baton_the_best_that_lives_holds", QUESTION, |record| {
        let scene = Scene::new(Dialect { ours: of_three, ..usual() }, 3, Lab::new);
        let Scene { lab, dialect, .. } = &scene;
        let (better, ours, worse) = PRIORITIES;
        let row = |scenario, holder: &str, others: usize, takeover: Told| {
            let (peer, spoken, holder) = (dialect.peer(), dialect.spoken, holder.to_owned());
            let (frames, client) = (format!("of both others: {others}").into(), NOTHING.into());
            record.saw(&Row { scenario, peer, spoken, holder, frames, takeover, client });
        };
        let _worse = dialect.start_peer(lab, 3, worse);
        let peer = dialect.start_peer(lab, 2, better);
        let mut agent = scene.start_agent(1, ours);
        scene.held_by(&[2], "the better keepalived");
        scene.obeys(&agent, 2);
        row((1, "All three live"), "the better keepalived", scene.others_while(2, 5), NOTHING.into());

        let died = now();
        scene.cut_off(2);
        drop(peer);
        scene.held_by(&[1], "Baton");
        let taken = class::after_silence(dialect, ours, scene.gap(2, 1, died));
        row((2, "The better keepalived's host dies"), "Baton", scene.others_while(1, 5), taken);

        let stopped = now();
        agent.stop(Signal::SIGTERM);
        scene.held_by(&[3], "the worse keepalived");
        let taken = class::after_resignation(dialect, worse, scene.gap(1, 3, stopped));
        row((3, "Baton is stopped"), "the worse keepalived", scene.others_while(3, 5), taken);

        agent.start_again(lab, 1);
        scene.held_by(&[1], "Baton again");
        row((4, "Baton comes back"), "Baton", scene.others_while(1, 5), NOTHING.into());

        scene.remove_leftovers(2);
        scene.put_back(2);
        let _peer = dialect.start_peer(lab, 2, better);
        scene.held_by(&[2], "the better keepalived again");
        scene.obeys(&agent, 2);
        let others = scene.others_while(2, 5);
        row((5, "The better keepalived comes back"), "the better keepalived", others, NOTHING.into());
        assert_eq!(scene.bad_checksums(), 0);
    });
}
