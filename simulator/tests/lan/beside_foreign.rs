//! What clients know of the holder beside keepalived and FRR, and what they cannot know.

use std::time::Duration;

use simulator::{Lan, Manners};
use vrrp::{Config, Settings};

use crate::planned::router;

const SECOND: Duration = Duration::from_secs(1);
const REFRESH: Duration = Duration::from_secs(10);

fn refreshing(config: &Config) -> Config {
    Config::new(Settings { refresh: Some(REFRESH), ..config.settings().clone() }).unwrap()
}

/// A LAN of two that was split and has been healed: router 0 has won, with the one of these manners, against
/// router 1 with the other.
fn healed([winner, loser]: [Manners; 2], refreshes: bool) -> Lan {
    let mut lan = Lan::new([router(0, 200, 1_000, true), router(1, 100, 1_000, true)], 1);
    for (node, manners) in lan.nodes.iter_mut().zip([winner, loser]) {
        node.manners = manners;
        if refreshes && !manners.is_foreign() {
            node.config = refreshing(&node.config);
        }
    }
    lan.start_all();
    lan.split(1);
    lan.run_for(SECOND * 30);
    assert_eq!(lan.active(), [0, 1]);
    assert_eq!(believed(&lan), [Some(0), Some(1)]);
    lan.heal();
    lan.run_for(SECOND * 2);
    assert_eq!(lan.active(), [0]);
    lan
}

fn believed(lan: &Lan) -> Vec<Option<usize>> {
    lan.nodes.iter().map(|node| node.believed).collect()
}

#[test]
fn a_router_of_ours_that_yields_makes_keepalived_announce_again() {
    let lan = healed([Manners::Keepalived, Manners::Baton], true);
    assert_eq!(believed(&lan), [Some(0), Some(0)], "within two intervals");
    assert_eq!(lan.nodes[0].config.refresh(), None, "and not because it refreshes");
}

#[test]
fn a_router_of_ours_that_wins_from_a_foreign_one_that_says_nothing_is_known_one_refresh_later() {
    for loser in [Manners::Keepalived, Manners::Frr] {
        let mut lan = healed([Manners::Baton, loser], true);
        lan.run_for(REFRESH);
        assert_eq!(believed(&lan), [Some(0), Some(0)], "{loser:?}");
    }
}

#[test]
fn without_refresh_a_foreign_router_that_lost_in_silence_is_believed_for_ever() {
    let mut lan = healed([Manners::Baton, Manners::Keepalived], false);
    // Had the loser advertised once more before it heard ours, ours would have announced. Here it has not.
    lan.run_for(SECOND * 600);
    assert_eq!(believed(&lan), [Some(0), Some(1)], "this is what refreshing is for");
}

#[test]
fn frr_does_not_answer_a_router_of_ours_that_yields_and_its_clients_are_not_told() {
    let mut lan = healed([Manners::Frr, Manners::Baton], true);
    lan.run_for(SECOND * 600);
    assert_eq!(believed(&lan), [Some(0), Some(1)], "a limit: its holder never announces again");
}

#[test]
fn a_foreign_router_that_yields_to_keepalived_tells_nobody() {
    let mut lan = healed([Manners::Keepalived, Manners::Keepalived], true);
    lan.run_for(SECOND * 600);
    assert_eq!(believed(&lan), [Some(0), Some(1)], "a limit: both are foreign");
}
