//! Nodes whose routers on several LANs are a sync group.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use simulator::{Dialect, Fault, Site, SiteFault, SiteSchedule, router};
use vrrp::{Action, AdvertisementInterval, BoostedPriority, Change, Config, Priority, Reason, Role, Version};

const SECOND: Duration = Duration::from_secs(1);
/// How many schedules the test of that name runs.
const SEEDS: u64 = 150;

fn config(node: u8, priority: u8, interval_ms: u32, preempt: bool) -> Config {
    let interval = AdvertisementInterval::from_millis(Version::V3, interval_ms).unwrap();
    router(Dialect::V3Ipv4, node, Priority::new(priority).unwrap(), interval, preempt).unwrap()
}

/// Nodes 0, 1 and 2, the best first, on two LANs of these intervals.
fn nodes(intervals_ms: [u32; 2], preempt: bool) -> Site {
    let lan = |interval_ms| (0..3).map(|node| config(node, 200 - node * 50, interval_ms, preempt)).collect();
    Site::new(intervals_ms.map(lan), 1)
}

/// All three run, and node 0 is Active on both LANs.
fn settled(intervals_ms: [u32; 2], preempt: bool) -> Site {
    let mut site = nodes(intervals_ms, preempt);
    site.start_all();
    site.run_for(SECOND * 10);
    assert_eq!(site.whole(), Some(0));
    measure_anew(&mut site);
    site
}

fn measure_anew(site: &mut Site) {
    site.lans.iter_mut().for_each(simulator::Lan::measure_anew);
}

fn changes_since(site: &Site, before: usize) -> usize {
    site.changes() - before
}

fn reasons(site: &Site, node: usize, to: Role) -> Vec<Reason> {
    let of = |lan: &simulator::Lan| {
        let change = lan.changes().into_iter().rfind(|(who, change)| (*who, change.to) == (node, to));
        change.map(|(_, change)| change.reason)
    };
    site.lans.iter().filter_map(of).collect()
}

fn vacancies(site: &Site) -> Vec<Duration> {
    site.lans.iter().map(|lan| lan.vacancy.longest()).collect()
}

#[test]
fn schedules_of_faults_leave_every_node_active_on_all_lans_or_on_none() {
    let workers = std::thread::available_parallelism().map_or(1, |number| number.get() as u64);
    let [given_up, in_spite, switched_over] = [0; 3].map(AtomicU64::new);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (given_up, in_spite, switched_over) = (&given_up, &in_spite, &switched_over);
            scope.spawn(move || {
                for seed in (worker..SEEDS).step_by(usize::try_from(workers).unwrap()) {
                    let summary = std::panic::catch_unwind(|| SiteSchedule::draw(seed).run());
                    let summary = summary.unwrap_or_else(|_| panic!("seed {seed}"));
                    assert!(summary.times_settled > 0, "seed {seed} never settled");
                    given_up.fetch_add(summary.given_up, Ordering::Relaxed);
                    in_spite.fetch_add(summary.settled_in_spite, Ordering::Relaxed);
                    switched_over.fetch_add(summary.switched_over, Ordering::Relaxed);
                }
            });
        }
    });
    let [given_up, in_spite, switched] = [given_up, in_spite, switched_over].map(AtomicU64::into_inner);
    println!(
        "{given_up} groups given up, {in_spite} times settled in spite of a fault, {switched} switched over"
    );
    assert!(
        given_up > 60 && in_spite > 150 && switched > 25,
        "hardly any: {given_up}, {in_spite}, {switched}"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace_on_all_lans() {
    for seed in 0..5 {
        assert_eq!(SiteSchedule::draw(seed).run(), SiteSchedule::draw(seed).run(), "seed {seed}");
    }
}

#[test]
fn a_lan_that_is_cut_alone_moves_nothing() {
    for preempt in [false, true] {
        let mut site = settled([100, 1_000], preempt);
        let before = site.changes();
        for cut in [Fault::Split(1), Fault::Split(2), Fault::CutOneWay(0, 1)] {
            for lan in 0..2 {
                site.on_lan(lan, |lan| cut.strike(lan));
                site.run_for(SECOND * 60);
                site.on_lan(lan, |lan| Fault::Heal.strike(lan));
                site.run_for(SECOND * 60);
            }
        }
        assert_eq!(changes_since(&site, before), 0);
    }
}

#[test]
fn a_node_that_dies_is_replaced_on_all_lans_within_the_largest_active_down_interval_and_one_interval() {
    for intervals in [[100, 100], [100, 1_000]] {
        let mut site = settled(intervals, true);
        let before = site.changes();
        site.crash(0);
        site.run_for(SECOND * 30);
        assert_eq!((site.whole(), changes_since(&site, before)), (Some(1), 2));
        assert_eq!(reasons(&site, 1, Role::Active), [Reason::NoResponse; 2]);
        // Three intervals and the skew of priority 150, counted from an advertisement just before it died.
        let bound = Duration::from_millis(intervals[1].into()) * (3 * 256 + 106) / 256;
        let bound = bound + Duration::from_millis(5);
        assert!(vacancies(&site).iter().all(|gap| *gap <= bound), "{:?} of {bound:?}", vacancies(&site));
    }
}

#[test]
fn a_group_whose_interface_fails_takes_the_others_along_and_they_answer_all_the_time() {
    for told in [vec![], vec![Duration::from_millis(2)]] {
        let mut site = settled([100, 100], true);
        site.on_lan(0, |lan| Fault::LetGo(0, told.clone()).strike(lan));
        site.run_for(SECOND * 10);
        assert_eq!(site.whole(), Some(1));
        assert_eq!(reasons(&site, 0, Role::Backup), [Reason::Started, Reason::SyncGroup]);
        let bound = Duration::from_millis(if told.is_empty() { 350 } else { 40 });
        let [failed, other] = vacancies(&site)[..] else { panic!("two LANs") };
        assert!(failed <= bound && other.is_zero(), "{failed:?} and {other:?}");
    }
}

#[test]
fn a_better_node_that_comes_back_takes_all_at_once_and_each_group_yields_by_itself() {
    let mut site = settled([100, 250], true);
    site.crash(0);
    site.run_for(SECOND * 10);
    measure_anew(&mut site);
    let before = site.changes();
    site.start(0);
    site.run_for(SECOND * 10);
    assert_eq!(
        (site.whole(), changes_since(&site, before)),
        (Some(0), 6),
        "it starts, takes over, is obeyed"
    );
    assert_eq!(vacancies(&site), [Duration::ZERO; 2]);
    assert_eq!(reasons(&site, 0, Role::Active), [Reason::Preempting; 2]);
    assert_eq!(reasons(&site, 1, Role::Backup), [Reason::HigherPriorityHeard; 2]);
}

#[test]
fn one_that_has_lost_a_group_preempts_nobody_for_three_of_the_largest_active_down_interval() {
    let mut site = settled([100, 1_000], true);
    site.on_lan(0, |lan| Fault::LetGo(0, vec![]).strike(lan));
    site.run_for(Duration::from_millis(1));
    let lost_at = site.now();
    site.on_lan(0, |lan| lan.start(0));
    site.run_for(SECOND * 30);
    assert_eq!(site.whole(), Some(0));
    let is_return = |trace: &&simulator::Trace| {
        trace.node == 0
            && matches!(trace.action, Action::Report(Change { to: Role::Active, .. }))
            && trace.at > lost_at
    };
    let back = site.lans.iter().filter_map(|lan| lan.trace.iter().find(is_return)).map(|trace| trace.at);
    let held_off = Duration::from_millis(3_218) * 3;
    assert!(back.clone().count() == 2 && back.clone().all(|at| at > lost_at + held_off), "{:?}", back.min());
}

#[test]
fn a_switchover_and_its_end_move_all_groups_and_lose_nothing() {
    let mut site = settled([100, 1_000], true);
    let before = site.changes();
    site.boost(2, BoostedPriority::LOWEST);
    site.run_for(Duration::from_millis(30));
    assert_eq!((site.whole(), changes_since(&site, before)), (Some(2), 4));
    assert_eq!(reasons(&site, 2, Role::Active), [Reason::Switchover; 2]);
    site.run_for(SECOND * 30);
    assert_eq!(changes_since(&site, before), 4);
    SiteFault::Unboost(2).strike(&mut site);
    site.run_for(SECOND * 30);
    assert_eq!((site.whole(), changes_since(&site, before)), (Some(0), 8));
    assert_eq!(vacancies(&site), [Duration::ZERO; 2]);
}

#[test]
fn nobody_hears_of_an_attempt_that_one_kernel_refuses() {
    let mut site = settled([100, 100], true);
    site.crash(0);
    site.run_for(SECOND * 10);
    site.on_lan(1, |lan| lan.refuse_to_hold(0));
    measure_anew(&mut site);
    let before = site.changes();
    site.start(0);
    site.run_for(SECOND * 120);
    assert_eq!((site.whole(), changes_since(&site, before)), (Some(1), 2), "it starts, and that is all");
    assert_eq!(vacancies(&site), [Duration::ZERO; 2]);
    site.on_lan(1, |lan| lan.permit_to_hold(0));
    site.run_for(SECOND * 60);
    assert_eq!(site.whole(), Some(0));
}

#[test]
fn groups_that_ran_apart_are_put_together_by_priority_without_a_gap() {
    for preempt in [false, true] {
        let mut site = nodes([100, 100], preempt);
        for (lan, first) in [(0, 1), (1, 0)] {
            site.lans[lan].start(first);
            site.lans[lan].run_for(SECOND * 5);
            measure_anew(&mut site);
        }
        assert_eq!([site.active(0), site.active(1)], [[1], [0]]);
        site.start_all();
        site.run_for(SECOND);
        assert_eq!((site.whole(), vacancies(&site)), (Some(0), vec![Duration::ZERO; 2]));
    }
}

#[test]
fn a_split_of_all_lans_heals_to_the_best_node_lan_by_lan() {
    let mut site = settled([100, 100], true);
    (0..2).for_each(|lan| site.on_lan(lan, |lan| lan.split(1)));
    site.run_for(SECOND * 5);
    assert_eq!([site.active(0), site.active(1)], [[0, 1], [0, 1]]);
    let before = site.changes();
    site.on_lan(0, simulator::Lan::heal);
    site.run_for(SECOND * 5);
    assert_eq!((site.whole(), changes_since(&site, before)), (Some(0), 2));
    assert_eq!(reasons(&site, 1, Role::Backup), [Reason::HigherPriorityHeard, Reason::SyncGroup]);
}
