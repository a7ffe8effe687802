//! What must hold whatever happens.

use std::time::Duration;

use proptest::prelude::*;
use simulator::Lan;
use vrrp::{Action, HANDOVER};

use crate::planned::planned_routers;

/// Longer than anything takes to settle.
const QUIET: Duration = Duration::from_secs(45);
fn best_priority(lan: &Lan) -> u8 {
    lan.nodes.iter().map(|node| node.config.priority().get()).max().unwrap()
}

fn longest_interval(lan: &Lan) -> Duration {
    lan.nodes.iter().map(|node| node.config.interval().as_duration()).max().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

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

        lan.heal();
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
        let released = last(&|node, action| node != active[0] && action == Action::HandOver);
        prop_assert!(announced > released, "neighbours hear the winner after the loser has let go");
        let believed: Vec<_> = lan.nodes.iter().map(|node| node.believed).collect();
        prop_assert!(believed.iter().all(|believed| *believed == Some(active[0])), "{:?}", believed);
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

}
