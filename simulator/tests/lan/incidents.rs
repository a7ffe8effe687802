//! One incident each, with the numbers it must show.

use std::time::Duration;

use simulator::Lan;
use vrrp::{Action, Change, Config, Reason, Role, Settings};

use crate::planned::router;

const SECOND: Duration = Duration::from_secs(1);

fn pair(preempt: bool) -> [Config; 2] {
    [router(0, 200, 1_000, preempt), router(1, 100, 1_000, preempt)]
}

/// Both run, and router 0 is Active.
fn settled(preempt: bool) -> Lan {
    let mut lan = Lan::new(pair(preempt), 1);
    lan.start_all();
    lan.run_for(SECOND * 10);
    assert_eq!(lan.active(), [0]);
    lan.measure_anew();
    lan
}

fn last_reason(lan: &Lan, node: usize) -> (Role, Reason) {
    let (_, change) = lan.changes().into_iter().rfind(|(who, _)| *who == node).unwrap();
    (change.to, change.reason)
}

#[test]
fn the_first_election_makes_the_best_candidate_active_and_nobody_else() {
    let lan = settled(true);
    let became_active: Vec<usize> = lan
        .changes()
        .into_iter()
        .filter(|(_, change)| change.to == Role::Active)
        .map(|(node, _)| node)
        .collect();
    assert_eq!(became_active, [0]);
}

#[test]
fn a_dead_active_router_is_replaced_within_active_down_interval() {
    let mut lan = settled(true);
    lan.crash(0);
    lan.run_for(SECOND * 10);
    assert_eq!((lan.active(), last_reason(&lan, 1)), (vec![1], (Role::Active, Reason::NoResponse)));
    let bound = Duration::from_micros(3_609_375) + Duration::from_micros(500 + 2_000);
    let shortest = bound - SECOND - Duration::from_micros(2_500);
    let gap = lan.vacancy.longest();
    assert!(
        gap <= bound && gap >= shortest,
        "{gap:?}: it died up to an interval after its last advertisement"
    );
}

#[test]
fn a_better_router_that_comes_back_preempts() {
    let mut lan = settled(true);
    lan.crash(0);
    lan.run_for(SECOND * 10);
    lan.start(0);
    lan.run_for(SECOND * 10);
    assert_eq!((lan.active(), last_reason(&lan, 0)), (vec![0], (Role::Active, Reason::Preempting)));
    assert_eq!(last_reason(&lan, 1), (Role::Backup, Reason::HigherPriorityHeard));
}

#[test]
fn a_better_router_that_does_not_preempt_stays_backup() {
    let mut lan = settled(false);
    lan.crash(0);
    lan.run_for(SECOND * 10);
    lan.start(0);
    lan.run_for(SECOND * 100);
    assert_eq!(lan.active(), [1]);
}

#[test]
fn a_preempt_delay_moves_the_addresses_once_and_not_before_it_is_over() {
    let delay = SECOND * 10;
    let [better, other] = pair(true);
    let better = Config::new(Settings { preempt_delay: delay, ..better.settings().clone() }).unwrap();
    let mut lan = Lan::new([better, other], 1);
    lan.start(1);
    lan.run_for(SECOND * 10);
    assert_eq!(lan.active(), [1]);
    lan.measure_anew();
    let (changes, started) = (lan.changes().len(), lan.now);

    lan.start(0);
    lan.run_for(SECOND * 60);
    let moved: Vec<(usize, Role)> =
        lan.changes().into_iter().skip(changes).map(|(node, change)| (node, change.to)).collect();
    assert_eq!(
        moved,
        [(0, Role::Backup), (0, Role::Active), (1, Role::Backup)],
        "one move, to the better one"
    );
    assert_eq!(last_reason(&lan, 0), (Role::Active, Reason::Preempting));

    let taken = lan.trace.iter().rfind(|trace| trace.node == 0 && trace.action == Action::Hold).unwrap().at;
    let latest = started + SECOND + delay + Duration::from_micros(3_218_750);
    assert!(taken >= started + delay && taken <= latest, "{:?}", taken.saturating_duration_since(started));
    assert_eq!(lan.vacancy.longest(), Duration::ZERO);
    assert!(lan.overlap.longest() <= lan.wire.longest_latency(), "{:?}", lan.overlap.longest());
}

#[test]
fn an_owner_that_comes_back_takes_over_at_once() {
    let mut lan = Lan::new([router(0, 255, 1_000, true), router(1, 254, 1_000, true)], 1);
    lan.start(1);
    lan.run_for(SECOND * 10);
    assert_eq!(lan.active(), [1]);
    lan.start(0);
    lan.run_for(Duration::from_millis(10));
    assert_eq!((lan.active(), last_reason(&lan, 0)), (vec![0], (Role::Active, Reason::OwnerStarted)));
}

#[test]
fn a_stopped_router_hands_over_within_the_skew() {
    let mut lan = settled(true);
    lan.stop(0);
    lan.run_for(SECOND * 156 / 256 + Duration::from_millis(30));
    assert_eq!((lan.active(), last_reason(&lan, 1)), (vec![1], (Role::Active, Reason::PriorityZero)));
    assert_eq!(lan.vacancy.longest(), Duration::ZERO);
}

#[test]
fn a_kernel_that_refuses_moves_the_addresses_to_the_other() {
    let mut lan = settled(true);
    lan.refuse_to_hold(0);
    lan.run_for(SECOND);
    assert_eq!((lan.active(), last_reason(&lan, 0)), (vec![1], (Role::Backup, Reason::HoldFailed)));

    lan.run_for(SECOND * 120);
    assert_eq!(lan.active(), [1], "attempts that fail disturb nobody");
    let attempts = lan.trace.iter().filter(|trace| trace.node == 0 && trace.action == Action::Hold).count();
    assert!((5..=12).contains(&attempts), "{attempts} in two minutes");

    lan.permit_to_hold(0);
    lan.run_for(SECOND * 40);
    assert_eq!(lan.active(), [0]);
}

#[test]
fn a_lowered_priority_moves_the_addresses_without_a_gap() {
    let mut lan = settled(true);
    lan.reconfigure(0, router(0, 50, 1_000, true));
    lan.run_for(SECOND * 5);
    assert_eq!(lan.active(), [1]);
    assert_eq!(lan.vacancy.longest(), Duration::ZERO);
}

#[test]
fn an_interval_that_grows_tenfold_disturbs_nobody_even_when_two_advertisements_are_lost() {
    let [active, backup] = [router(0, 200, 100, true), router(1, 100, 100, true)];
    let mut lan = Lan::new([active, backup], 1);
    lan.start_all();
    lan.run_for(SECOND * 5);
    let changes = lan.changes();

    lan.wire.losses_in_a_row = 2;
    lan.wire.loss_percent = 100;
    lan.reconfigure(0, router(0, 200, 1_000, true));
    lan.run_for(SECOND * 5);
    assert_eq!(lan.changes(), changes);
}

#[test]
fn a_pause_shorter_than_active_down_interval_moves_nothing() {
    for node in [0, 1] {
        let mut lan = settled(true);
        let changes = lan.changes();
        lan.pause(node, SECOND * 2);
        lan.run_for(SECOND * 10);
        assert_eq!(lan.changes(), changes, "router {node}");
    }
}

#[test]
fn a_router_that_finds_itself_too_late_lets_go_before_it_hears_or_says_anything() {
    let strikes: [fn(&mut Lan); 2] = [|lan| lan.pause(0, SECOND * 60), |lan| lan.jump(0, SECOND * 60)];
    for strike in strikes {
        let mut lan = settled(true);
        let struck = lan.trace.len();
        strike(&mut lan);
        lan.run_for(SECOND * 70);
        let mut own = lan.trace[struck..].iter().filter(|trace| trace.node == 0).map(|trace| trace.action);
        let lapsed = Change { from: Role::Active, to: Role::Backup, reason: Reason::Lapsed };
        let back = Change { from: Role::Backup, to: Role::Active, reason: Reason::Preempting };
        assert_eq!(own.next(), Some(Action::Release));
        assert_eq!(own.next(), Some(Action::Report(lapsed)));
        assert_eq!(own.next(), Some(Action::Hold), "not a word before it is to be Active again");
        assert_eq!(own.find(|action| matches!(action, Action::Report(_))), Some(Action::Report(back)));
        assert_eq!(lan.active(), [0]);
    }
}

#[test]
fn a_backup_that_wakes_late_hears_what_came_in_before_it_judges() {
    let mut lan = settled(true);
    let changes = lan.changes();
    lan.pause(1, SECOND * 60);
    lan.run_for(SECOND * 70);
    assert_eq!(lan.changes(), changes);
}

#[test]
fn a_worker_that_is_restarted_before_three_intervals_have_passed_moves_nothing() {
    for takes_ms in [0, 300, 1_000, 1_900] {
        let mut lan = settled(true);
        let changes = lan.changes();
        lan.restart_worker(0, Duration::from_millis(takes_ms));
        lan.run_for(SECOND * 10);
        assert_eq!(lan.changes(), changes, "restarted in {takes_ms} ms");
        assert_eq!(lan.vacancy.longest(), Duration::ZERO);
    }
}

#[test]
fn a_router_that_hears_but_is_not_heard_does_not_keep_two_holders_for_longer_than_the_cut() {
    let mut lan = settled(true);
    lan.wire.cut((0, 1));
    lan.run_for(SECOND * 10);
    assert_eq!(lan.active(), [0, 1], "nothing on this LAN could tell them");
    lan.heal();
    lan.run_for(SECOND + lan.wire.longest_latency());
    assert_eq!(lan.active(), [0]);
}

#[test]
fn whoever_obeys_the_loser_of_an_election_waits_for_the_winner_at_the_winner_s_pace() {
    for seed in 0..20 {
        let routers = [router(0, 200, 3_000, true), router(1, 100, 10, false), router(2, 90, 10, false)];
        let mut lan = Lan::new(routers, seed);
        // A last advertisement that the loser's concession overtakes misleads again, for one takeover: that
        // takes a LAN that swaps two frames of one sender.
        lan.wire.latency_us = 200..=200;
        for node in [1, 2, 0] {
            lan.run_for(SECOND);
            lan.start(node);
        }
        lan.run_for(SECOND * 60);
        let became_active: Vec<usize> = lan
            .changes()
            .iter()
            .filter(|(_, change)| change.to == Role::Active)
            .map(|(node, _)| *node)
            .collect();
        assert_eq!(became_active, [1, 0], "seed {seed}: nobody else, and nobody twice");
    }
}
