//! What comes from outside the LAN: switchovers, the word that a router has let go, and fast starts.

use std::time::Duration;

use proptest::prelude::*;
use simulator::Lan;
use vrrp::{BoostedPriority, Reason, Role, Version};

use crate::planned::{planned_routers, router};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything takes to settle.
const QUIET: Duration = Duration::from_secs(45);
/// Until when the first advertisement of a switchover has gone out three times.
const REPEATED: Duration = Duration::from_millis(30);

fn boosted() -> BoostedPriority {
    BoostedPriority::new(254).unwrap()
}

fn settled(routers: Vec<vrrp::Config>, seed: u64) -> Lan {
    let mut lan = Lan::new(routers, seed);
    lan.start_all();
    lan.run_for(QUIET);
    assert_eq!(lan.active().len(), 1);
    lan.measure_anew();
    lan
}

fn holder(lan: &Lan) -> usize {
    lan.active()[0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn switchovers_and_their_ends_leave_no_instant_without_a_holder(
        routers in any::<bool>().prop_flat_map(planned_routers),
        told in prop::collection::vec((0..5_usize, prop::bool::weighted(0.6), 0..4_000_u64), 1..16),
        seed: u64,
    ) {
        let mut lan = settled(routers, seed);
        for (node, boosts, lasts) in told {
            let node = node % lan.nodes.len();
            if boosts { lan.boost(node, boosted()) } else { lan.unboost(node) }
            lan.run_for(Duration::from_millis(lasts));
        }
        lan.run_for(QUIET);
        prop_assert_eq!(lan.vacancy.longest(), Duration::ZERO);
        let bound = lan.wire.longest_latency() * 2;
        prop_assert!(lan.overlap.longest() <= bound, "{:?}", lan.overlap.longest());
    }

    #[test]
    fn a_switchover_that_is_taken_back_at_once_leaves_no_instant_without_a_holder(
        routers in any::<bool>().prop_flat_map(planned_routers),
        told in prop::collection::vec((0..5_usize, 0..3_000_u64), 1..8),
        seed: u64,
    ) {
        let mut lan = settled(routers, seed);
        for (node, back_after_us) in told {
            let node = node % lan.nodes.len();
            lan.boost(node, boosted());
            lan.run_for(Duration::from_micros(back_after_us));
            lan.unboost(node);
            lan.run_for(QUIET);
        }
        prop_assert_eq!(lan.vacancy.longest(), Duration::ZERO);
    }

    #[test]
    fn a_switchover_is_done_within_50_milliseconds_even_when_two_advertisements_are_lost(
        routers in any::<bool>().prop_flat_map(planned_routers),
        to in 0..5_usize,
        seed: u64,
    ) {
        let mut lan = settled(routers, seed);
        let (from, to) = (holder(&lan), to % lan.nodes.len());
        lan.wire.losses_in_a_row = 2;
        lan.wire.loss_percent = 100;
        lan.boost(to, boosted());
        lan.run_for(Duration::from_millis(50));
        prop_assert_eq!(lan.active(), [to]);
        prop_assert_eq!(lan.vacancy.longest(), Duration::ZERO);
        let bound = REPEATED + lan.wire.longest_latency();
        prop_assert!(lan.overlap.longest() <= bound, "{:?}", lan.overlap.longest());
        let reason = lan.changes().into_iter().rfind(|(node, _)| *node == to).map(|(_, change)| change.reason);
        prop_assert!(from == to || reason == Some(Reason::Switchover), "{:?}", reason);
    }

    #[test]
    fn once_a_switchover_is_undone_the_addresses_go_where_the_ordinary_rules_put_them(
        preempt: bool,
        routers in planned_routers(true),
        to in 0..5_usize,
        seed: u64,
    ) {
        let routers: Vec<_> = routers.into_iter().map(|config| {
            let settings = vrrp::Settings { preempt, ..config.settings().clone() };
            vrrp::Config::new(settings).unwrap()
        }).collect();
        let mut lan = settled(routers, seed);
        let (before, to) = (holder(&lan), to % lan.nodes.len());
        lan.boost(to, boosted());
        lan.run_for(QUIET);
        prop_assert_eq!(lan.active(), [to], "for as long as it lasts");
        lan.unboost(to);
        lan.run_for(QUIET);
        prop_assert_eq!(lan.active(), [if preempt { before } else { to }]);
        prop_assert_eq!(lan.vacancy.longest(), Duration::ZERO);
    }

    #[test]
    fn the_best_backup_follows_a_router_that_let_go_as_soon_as_it_is_told(
        routers in any::<bool>().prop_flat_map(planned_routers),
        told_after_ms in 0..10_u64,
        phase_ms in 0..1_000_u64,
        seed: u64,
    ) {
        let mut lan = settled(routers, seed);
        lan.run_for(Duration::from_millis(phase_ms));
        let gone = holder(&lan);
        // Who is told before it has heard the last advertisement cannot know that it was the last one.
        let told_after = lan.wire.longest_latency() + Duration::from_millis(told_after_ms);
        lan.let_go(gone, &[told_after, told_after * 2]);
        lan.run_for(SECOND);
        let rest = |number: &usize| *number != gone;
        let best = (0..lan.nodes.len()).filter(rest).max_by_key(|number| lan.nodes[*number].config.priority());
        prop_assert_eq!(lan.active(), [best.unwrap()]);
        let bound = told_after + Duration::from_micros(*lan.hold_us.end());
        prop_assert!(lan.vacancy.longest() <= bound, "{:?}", lan.vacancy.longest());
        let overlap = lan.wire.longest_latency() * 2;
        prop_assert!(lan.overlap.longest() <= overlap, "{:?}", lan.overlap.longest());
    }

    #[test]
    fn an_assist_that_is_late_or_repeated_or_names_another_router_or_number_moves_nothing(
        routers in any::<bool>().prop_flat_map(planned_routers),
        said in prop::collection::vec((0..6_usize, 1..=u16::MAX - 2, 0..2_000_u64), 1..24),
        seed: u64,
    ) {
        let mut lan = settled(routers, seed);
        let changes = lan.changes();
        let active = holder(&lan);
        for (of, behind, lasts) in said {
            // Of the holder itself: one that it might have sent before, or has not sent yet by far.
            let source = lan.nodes.get(of).map_or_else(
                || "192.0.2.250".parse().unwrap(),
                |node| node.config.source(),
            );
            let sequence = lan.nodes[active].sequence.wrapping_sub(behind);
            lan.tell_all(source, sequence, Duration::ZERO);
            lan.run_for(Duration::from_millis(lasts));
        }
        lan.run_for(QUIET);
        prop_assert_eq!(lan.changes(), changes);
        prop_assert_eq!(lan.assists_obeyed, 0);
    }

    #[test]
    fn a_forger_who_knows_the_number_makes_two_holders_until_the_real_one_is_heard(
        routers in planned_routers(true),
        phase_ms in 0..1_000_u64,
        seed: u64,
    ) {
        let mut lan = settled(routers, seed);
        lan.run_for(Duration::from_millis(phase_ms));
        let active = holder(&lan);
        let (source, sequence) = (lan.nodes[active].config.source(), lan.nodes[active].sequence);
        lan.tell_all(source, sequence, Duration::ZERO);
        lan.run_for(QUIET);
        prop_assert_eq!(lan.active(), [active]);
        prop_assert_eq!(lan.vacancy.longest(), Duration::ZERO);
        // Version 2 does not answer a router that loses; it is heard when it advertises next.
        let config = &lan.nodes[active].config;
        let silent = if config.version() == Version::V2 { config.interval().as_duration() } else { Duration::ZERO };
        let bound = silent + lan.wire.longest_latency() * 2;
        prop_assert!(lan.overlap.longest() <= bound, "{:?}", lan.overlap.longest());
    }
}

#[test]
fn a_worker_that_is_restarted_after_a_switchover_goes_on_with_it_until_it_is_undone() {
    let mut lan = settled(vec![router(0, 200, 1_000, true), router(1, 100, 1_000, true)], 1);
    lan.boost(1, boosted());
    lan.run_for(SECOND);
    assert_eq!(lan.active(), [1]);
    lan.restart_worker(1, Duration::from_millis(50));
    assert_eq!(lan.nodes[1].effective().priority(), boosted().get());
    lan.run_for(QUIET);
    assert_eq!((lan.active(), lan.vacancy.longest()), (vec![1], Duration::ZERO));
    let takeovers = |lan: &Lan| {
        let changes = lan.changes();
        changes
            .iter()
            .filter(|(_, change)| change.to == Role::Active)
            .map(|(node, _)| *node)
            .collect::<Vec<_>>()
    };
    assert_eq!(takeovers(&lan), [0, 1]);
    lan.unboost(1);
    lan.run_for(QUIET);
    assert_eq!((lan.active(), lan.vacancy.longest()), (vec![0], Duration::ZERO));
    assert_eq!(takeovers(&lan), [0, 1, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_new_group_of_which_the_best_member_is_told_is_held_a_moment_later_by_that_one_alone(
        routers in any::<bool>().prop_flat_map(planned_routers),
        seed: u64,
    ) {
        let best = (0..routers.len()).max_by_key(|number| routers[*number].priority()).unwrap();
        let mut lan = Lan::new(routers, seed);
        lan.start_all();
        lan.tell_to_begin(best, Duration::from_millis(40));
        lan.run_for(Duration::from_millis(50));
        prop_assert_eq!(lan.active(), [best]);
        lan.run_for(QUIET);
        prop_assert_eq!(lan.active(), [best]);
        prop_assert_eq!((lan.begun_at_once, lan.overlap.longest()), (1, Duration::ZERO));
        prop_assert_eq!(lan.changes().iter().filter(|(_, change)| change.to == Role::Active).count(), 1);
    }

    #[test]
    fn whoever_is_told_to_begin_and_whenever_two_hold_for_no_longer_than_it_takes_to_hear_each_other(
        routers in any::<bool>().prop_flat_map(planned_routers),
        told in prop::collection::vec((0..5_usize, 0..4_000_u64), 1..8),
        seed: u64,
    ) {
        let mut lan = Lan::new(routers, seed);
        lan.start_all();
        for (node, after) in told {
            lan.tell_to_begin(node % lan.nodes.len(), Duration::from_millis(after));
        }
        lan.run_for(QUIET);
        prop_assert_eq!(lan.active().len(), 1);
        // A kernel may be binding already when the other one is heard.
        let bound = lan.wire.longest_latency() * 2 + Duration::from_micros(*lan.hold_us.end());
        prop_assert!(lan.overlap.longest() <= bound, "{:?}", lan.overlap.longest());
    }
}
