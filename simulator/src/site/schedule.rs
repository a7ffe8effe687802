//! Nodes on several LANs and what will strike them, drawn from one seed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use vrrp::{Action, AdvertisementInterval, Claim, Config, Priority, Reason, Role, Settings};

use super::fault::{SiteFault, priority_of};
use super::{Site, active_on};
use crate::fault::draw_preempt_delay;
use crate::routers::{Dialect, router};

/// See the module.
#[derive(Debug, Clone)]
pub struct SiteSchedule {
    seed: u64,
    lans: Vec<Vec<Config>>,
    /// With how long each lasts; `None` is until nothing moves any more.
    faults: Vec<(SiteFault, Option<Duration>)>,
}

/// What came of a schedule that broke nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteSummary {
    /// How often everything was seen to have settled.
    pub times_settled: u64,
    /// How often it had settled with a node Active everywhere, and something broken.
    pub settled_in_spite: u64,
    /// How often a group was given up because of another.
    pub given_up: u64,
    /// How often a router took over because it was told to.
    pub switched_over: u64,
    /// How many faults struck.
    pub faults: u64,
    /// The longest time for which a node was Active on some of its LANs only.
    pub longest_in_part: Duration,
    /// Of everything that the routers asked for and when.
    pub digest: u64,
}

impl SiteSchedule {
    /// Draws two to four nodes on one to three LANs, and up to sixteen faults.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let nodes = rng.random_range(2..=4_usize);
        let priorities: Vec<_> = (0..nodes).map(|node| priority_of(&mut rng, node)).collect();
        let preempt = rng.random();
        let number = rng.random_range(1..=3_usize);
        let lans: Vec<_> = (0..number).map(|_| draw_lan(&mut rng, &priorities, preempt)).collect();
        let mut faults = Vec::new();
        for _ in 0..rng.random_range(1..=16) {
            let lasts =
                (rng.random_range(0..4) != 0).then(|| Duration::from_millis(rng.random_range(0..5_000)));
            faults.push((SiteFault::draw(&mut rng, number, nodes), lasts));
            if rng.random_range(0..12) == 0 {
                faults.push((SiteFault::Repair, None));
            }
        }
        faults.push((SiteFault::Repair, None));
        Self { seed, lans, faults }
    }

    /// Runs it.
    ///
    /// # Panics
    /// When a router or a node does what it must not; the seed is the caller's to tell.
    #[must_use]
    pub fn run(&self) -> SiteSummary {
        self.run_while(|_, _| {})
    }

    /// Runs it and prints, before each fault, what the routers did since the last one.
    ///
    /// # Panics
    /// As [`SiteSchedule::run`].
    #[must_use]
    pub fn run_and_tell(&self) -> SiteSummary {
        let mut told = vec![0; self.lans.len()];
        self.run_while(|site, fault| {
            let mut new = Vec::new();
            for (number, lan) in site.lans.iter().enumerate() {
                let traces = lan.trace[told[number]..].iter();
                let worth = |action: &Action| !matches!(action, Action::Advertise(Claim::Holds(_)));
                new.extend(
                    traces.filter(|trace| worth(&trace.action)).map(|trace| (trace.at, number, *trace)),
                );
                told[number] = lan.trace.len();
            }
            new.sort_by_key(|(at, _, _)| *at);
            for (at, lan, trace) in new {
                println!("{:>14?} LAN {lan} node {}: {:?}", at.since_origin(), trace.node, trace.action);
            }
            println!("{:>14?} {fault:?}", site.now().since_origin());
        })
    }

    fn run_while(&self, mut watch: impl FnMut(&Site, &SiteFault)) -> SiteSummary {
        let mut site = Site::new(self.lans.clone(), self.seed);
        let mut settled_in_spite = 0;
        site.start_all();
        for (fault, lasts) in &self.faults {
            watch(&site, fault);
            let went = catch_unwind(AssertUnwindSafe(|| {
                fault.strike(&mut site);
                match lasts {
                    Some(lasts) => site.run_for(*lasts),
                    None => site.run_for(site.settling_time() + Duration::from_secs(20)),
                }
            }));
            if let Err(panic) = went {
                watch(&site, fault);
                resume_unwind(panic);
            }
            let broken = !matches!(fault, SiteFault::Repair);
            let active = site.nodes().any(|node| active_on(&site.lans, node) == site.lans.len());
            settled_in_spite += u64::from(broken && lasts.is_none() && active);
        }
        // A node that was on its way out when everything was repaired stays out; start it, too.
        SiteFault::Repair.strike(&mut site);
        site.run_for(site.settling_time() + Duration::from_secs(20));
        assert!(site.whole().is_some(), "nobody is Active everywhere at the end");
        self.summary(&site, settled_in_spite)
    }

    fn summary(&self, site: &Site, settled_in_spite: u64) -> SiteSummary {
        let mut hasher = DefaultHasher::new();
        for trace in site.lans.iter().flat_map(|lan| &lan.trace) {
            (trace.at, trace.node).hash(&mut hasher);
            if !matches!(trace.action, Action::Advertise(_)) {
                format!("{:?}", trace.action).hash(&mut hasher);
            }
        }
        let times = |to: Role, reason: Reason| {
            let changes = site.lans.iter().flat_map(super::Lan::changes);
            let times = changes.filter(|(_, change)| (change.to, change.reason) == (to, reason)).count();
            u64::try_from(times).unwrap_or(u64::MAX)
        };
        SiteSummary {
            times_settled: site.times_settled(),
            settled_in_spite,
            given_up: times(Role::Backup, Reason::SyncGroup),
            switched_over: times(Role::Active, Reason::Switchover),
            faults: u64::try_from(self.faults.len()).unwrap_or(u64::MAX),
            longest_in_part: site.longest_in_part(),
            digest: hasher.finish(),
        }
    }
}

/// A LAN on which each node has a router of its priority. LANs differ in version, family, interval and preempt delay.
fn draw_lan(rng: &mut StdRng, priorities: &[Priority], preempt: bool) -> Vec<Config> {
    let dialect = Dialect::ALL[rng.random_range(0..Dialect::ALL.len())];
    let in_use: &[u32] = if dialect == Dialect::V2 { &[1_000] } else { &[10, 100, 100, 250, 1_000] };
    let ms = in_use.choose(rng).copied().unwrap_or(1_000);
    let delay = draw_preempt_delay(rng);
    let configs = priorities.iter().zip(0..).filter_map(|(priority, number)| {
        let interval = AdvertisementInterval::from_millis(dialect.version(), ms).ok()?;
        let drawn = router(dialect, number, *priority, interval, preempt).ok()?;
        Config::new(Settings { preempt_delay: delay, ..drawn.settings().clone() }).ok()
    });
    configs.collect()
}
