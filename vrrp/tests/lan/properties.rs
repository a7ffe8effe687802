//! What must hold whatever happens.

use std::time::Duration;

use proptest::prelude::*;
use vrrp::{Action, Config, HANDOVER};

use crate::lan::Lan;
use crate::scenario::{Trouble, any_routers, any_trouble, planned_routers};

/// Longer than the longest backoff and the longest Active_Down_Interval of [`any_routers`] together.
const QUIET: Duration = Duration::from_secs(45);
/// Longer than the longest pause and the longest farewell.
const SETTLED: Duration = Duration::from_secs(27);

/// The drivers hand over packets before deadlines, or, if they are `careless`, after them.
fn after_trouble(routers: Vec<Config>, troubles: &[(Trouble, Duration)], seed: u64, careless: bool) -> Lan {
    let mut lan = Lan::new(routers, seed);
    lan.careless = careless;
    lan.start_all();
    for (trouble, lasts) in troubles {
        trouble.strike(&mut lan);
        lan.run_for(*lasts);
    }
    lan
}

fn repair(lan: &mut Lan) {
    lan.wire.heal();
    for node in 0..lan.nodes.len() {
        lan.nodes[node].refuses = false;
        lan.start(node);
    }
}

fn best_priority(lan: &Lan) -> u8 {
    lan.nodes.iter().map(|node| node.config.priority().get()).max().unwrap()
}

fn longest_interval(lan: &Lan) -> Duration {
    lan.nodes.iter().map(|node| node.config.interval().as_duration()).max().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn after_quiet_time_exactly_one_is_active_and_it_is_the_best_candidate(
        routers in any_routers(Just(true)),
        troubles in prop::collection::vec(any_trouble(), 0..12),
        careless: bool,
        seed: u64,
    ) {
        let mut lan = after_trouble(routers, &troubles, seed, careless);
        lan.run_for(SETTLED);
        repair(&mut lan);
        lan.run_for(QUIET);

        let active = lan.active();
        prop_assert_eq!(active.len(), 1, "{:?}", active);
        prop_assert_eq!(&active, &lan.holders());
        prop_assert_eq!(lan.nodes[active[0]].config.priority().get(), best_priority(&lan));

        let changes = lan.changes().len();
        lan.run_for(QUIET);
        prop_assert_eq!(lan.changes().len(), changes, "and so it stays");
    }

    #[test]
    fn without_preemption_exactly_one_is_active_and_an_incumbent_stays(
        routers in planned_routers(false),
        troubles in prop::collection::vec(any_trouble(), 0..12),
        careless: bool,
        joins in 0..5_usize,
        seed: u64,
    ) {
        let mut lan = after_trouble(routers, &troubles, seed, careless);
        lan.run_for(SETTLED);
        repair(&mut lan);
        lan.run_for(QUIET);
        let incumbent = lan.active();
        prop_assert_eq!(incumbent.len(), 1);

        let number = lan.nodes.len();
        let joins = (incumbent[0] + 1 + joins % (number - 1)) % number;
        lan.crash(joins);
        lan.run_for(Duration::from_secs(1));
        lan.start(joins);
        lan.run_for(QUIET);
        prop_assert_eq!(lan.active(), incumbent);
    }

    #[test]
    fn a_lossless_lan_has_two_holders_no_longer_than_a_frame_and_a_handover_take(
        routers in any::<bool>().prop_flat_map(planned_routers),
        restarts in prop::collection::vec((0..5_usize, 0..3_u8, 0..5_000_u64), 0..12),
        seed: u64,
    ) {
        let mut lan = Lan::new(routers, seed);
        lan.start_all();
        for (node, what, lasts) in restarts {
            let node = node % lan.nodes.len();
            match what {
                0 => lan.crash(node),
                1 => lan.stop(node),
                _ => lan.start(node),
            }
            lan.run_for(Duration::from_millis(lasts));
        }
        lan.run_for(QUIET);
        let bound = lan.wire.longest_latency() * 2 + HANDOVER;
        prop_assert!(lan.overlap.longest() <= bound, "{:?}", lan.overlap.longest());
    }

    #[test]
    fn a_healed_lan_has_one_holder_within_an_interval_and_it_announces_last(
        routers in planned_routers(true),
        boundary in 1..5_usize,
        split_ms in 0..10_000_u64,
        seed: u64,
    ) {
        let mut lan = Lan::new(routers, seed);
        lan.start_all();
        let boundary = 1 + (boundary - 1) % (lan.nodes.len() - 1);
        lan.split(boundary);
        lan.run_for(Duration::from_secs(10) + Duration::from_millis(split_ms));
        prop_assert_eq!(lan.active().len(), 2, "both sides have one");

        lan.wire.heal();
        let interval = longest_interval(&lan);
        lan.run_for(interval + lan.wire.longest_latency() * 2);
        let active = lan.active();
        prop_assert_eq!(active.len(), 1);
        prop_assert_eq!(lan.nodes[active[0]].config.priority().get(), best_priority(&lan));

        lan.run_for(interval);
        let last = |is_it: &dyn Fn(usize, Action) -> bool| {
            lan.trace.iter().rposition(|trace| is_it(trace.node, trace.action))
        };
        let announced = last(&|node, action| node == active[0] && action == Action::Announce);
        let released = last(&|node, action| node != active[0] && action == Action::Release);
        prop_assert!(announced > released, "neighbours hear the winner after the loser has let go");
    }

    #[test]
    fn losing_two_advertisements_in_a_row_moves_nothing(
        routers in planned_routers(true),
        loss_percent in 1..=90_u32,
        seed: u64,
    ) {
        let mut lan = Lan::new(routers, seed);
        lan.start_all();
        lan.run_for(QUIET);
        let changes = lan.changes();

        lan.wire.losses_in_a_row = 2;
        lan.wire.loss_percent = loss_percent;
        lan.run_for(QUIET);
        prop_assert_eq!(lan.changes(), changes);
    }

    #[test]
    fn a_stop_with_a_live_backup_leaves_no_instant_without_a_holder(
        routers in planned_routers(true),
        phase_ms in 0..2_000_u64,
        seed: u64,
    ) {
        let mut lan = Lan::new(routers, seed);
        lan.start_all();
        lan.run_for(QUIET + Duration::from_millis(phase_ms));
        lan.measure_anew();

        let leaves = lan.active()[0];
        lan.stop(leaves);
        lan.run_for(QUIET);
        prop_assert_eq!(lan.vacancy.longest(), Duration::ZERO);
        prop_assert_eq!(lan.active().len(), 1);
        prop_assert_ne!(lan.active()[0], leaves);
        let handover = HANDOVER + lan.wire.longest_latency();
        prop_assert!(lan.overlap.longest() <= handover, "{:?}", lan.overlap.longest());
    }

    #[test]
    fn the_same_seed_gives_the_same_trace(
        routers in any_routers(any::<bool>()),
        troubles in prop::collection::vec(any_trouble(), 0..12),
        careless: bool,
        seed: u64,
    ) {
        let first = after_trouble(routers.clone(), &troubles, seed, careless);
        let second = after_trouble(routers, &troubles, seed, careless);
        prop_assert_eq!(first.trace, second.trace);
    }
}
