//! Seeded schedules of faults, and the seeds that once failed.

use std::sync::atomic::{AtomicU64, Ordering};

use simulator::{Schedule, SiteSchedule};

/// What the name of the test that runs so many promises.
const SEEDS: u64 = 2_000;

/// Seeds that found a bug, one per line.
const FAILED_ONCE: &str = include_str!("../../regressions.txt");

#[test]
fn two_thousand_schedules_of_faults_break_no_promise() {
    let workers = std::thread::available_parallelism().map_or(1, |number| number.get() as u64);
    let [clients_knew, concessions_helped, switched_over, assists_obeyed, begun_at_once] =
        [0; 5].map(AtomicU64::new);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (clients_knew, concessions_helped) = (&clients_knew, &concessions_helped);
            let (switched_over, assists_obeyed) = (&switched_over, &assists_obeyed);
            let begun_at_once = &begun_at_once;
            scope.spawn(move || {
                for seed in (worker..SEEDS).step_by(usize::try_from(workers).unwrap()) {
                    let summary = std::panic::catch_unwind(|| Schedule::draw(seed).run());
                    let summary = summary.unwrap_or_else(|_| panic!("seed {seed}"));
                    assert!(summary.promises_kept > 0, "seed {seed} was never quiet");
                    clients_knew.fetch_add(summary.clients_knew, Ordering::Relaxed);
                    concessions_helped.fetch_add(summary.concessions_helped, Ordering::Relaxed);
                    switched_over.fetch_add(summary.switched_over, Ordering::Relaxed);
                    assists_obeyed.fetch_add(summary.assists_obeyed, Ordering::Relaxed);
                    begun_at_once.fetch_add(summary.begun_at_once, Ordering::Relaxed);
                }
            });
        }
    });
    let [knew, helped] = [clients_knew, concessions_helped].map(AtomicU64::into_inner);
    println!(
        "clients beside foreign routers knew ours {knew} times, keepalived after a concession {helped} times"
    );
    let [switched, assisted, begun] =
        [switched_over, assists_obeyed, begun_at_once].map(AtomicU64::into_inner);
    println!("{switched} switchovers, {assisted} assists obeyed, {begun} fast starts");
    assert!(switched > 300 && assisted > 100, "hardly any: {switched}, {assisted}");
    assert!(begun > 1_000, "hardly any: {begun}");
    assert!(knew > 500 && helped > 10, "hardly anybody looked at clients: {knew}, {helped}");
}

#[test]
fn hundreds_of_the_schedules_have_three_to_five_routers_and_foreign_ones_among_them() {
    for number in 3..=5 {
        let mixed = |seed: &u64| {
            let (routers, foreign) = Schedule::draw(*seed).routers();
            routers == number && (1..routers).contains(&foreign)
        };
        let count = (0..SEEDS).filter(mixed).count();
        assert!(count >= 100, "{count} of {SEEDS} schedules have {number} routers, some of them foreign");
    }
}

#[test]
fn no_seed_that_failed_once_fails_again() {
    for line in FAILED_ONCE.lines().filter(|line| !line.starts_with('#')) {
        let seed: u64 = line.parse().unwrap();
        println!("seed {seed}");
        let _summary = (Schedule::draw(seed).run(), SiteSchedule::draw(seed).run());
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        assert_eq!(Schedule::draw(seed).run(), Schedule::draw(seed).run(), "seed {seed}");
    }
}

#[test]
fn another_seed_gives_another_trace() {
    let digests: std::collections::BTreeSet<u64> =
        (0..20).map(|seed| Schedule::draw(seed).run().digest).collect();
    assert_eq!(digests.len(), 20);
}
