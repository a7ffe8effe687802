//! A LAN and what will strike it, drawn from one seed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use vrrp::{Action, Claim, Config, Priority, Reason, Settings};

use crate::fault::{Fault, draw_beginnings, draw_interval, draw_preempt_delay, draw_priority};
use crate::lan::Lan;
use crate::manners::Manners;
use crate::routers::{Dialect, router};

/// Longer than any drawn router needs to get over anything: the longest backoff, pause, preempt delay and
/// Active_Down_Interval.
const QUIET: Duration = Duration::from_secs(90);
/// How often routers announce anew beside foreign ones.
const REFRESH: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Clone)]
pub struct Schedule {
    seed: u64,
    routers: Vec<Config>,
    careless: bool,
    /// Whose software each router runs. If one is foreign, ours refresh their announcements.
    manners: Vec<Manners>,
    faults: Vec<(Fault, Duration)>,
}

/// What came of a schedule that broke nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Deadlines, frames and answers of kernels.
    pub events: u64,
    /// How many faults struck.
    pub faults: u64,
    /// How often the LAN was disturbed and then seen to keep its promise.
    pub promises_kept: u64,
    /// How often it was disturbed and all clients were then seen to know the holder.
    pub clients_knew: u64,
    /// How often a holder that announces only against a losing advertisement heard one, and clients knew it.
    pub concessions_helped: u64,
    /// How often a router took over because it was told to.
    pub switched_over: u64,
    /// How often a router obeyed the word that another one had let go.
    pub assists_obeyed: u64,
    /// How often a router began at once because it was told that it may.
    pub begun_at_once: u64,
    /// Of everything that the routers asked for and when.
    pub digest: u64,
}

/// The LAN, just before a fault strikes it.
struct Step<'a> {
    fault: &'a Fault,
    lan: &'a Lan,
}

impl Schedule {
    /// Draws two to five routers and up to 24 faults, and then a new group or several.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let dialect = Dialect::ALL[rng.random_range(0..Dialect::ALL.len())];
        let mut routers = draw_routers(&mut rng, dialect);
        let has_strangers = rng.random_range(0..3) == 0;
        let manners: Vec<Manners> = routers.iter().map(|_| draw_manners(&mut rng, has_strangers)).collect();
        if manners.iter().any(|manners| manners.is_foreign()) {
            let all = routers.iter().zip(&manners);
            routers = all.filter_map(|(config, manners)| beside_foreign(config, *manners)).collect();
        }
        let mut current = routers.clone();
        let mut faults = Vec::new();
        for _ in 0..rng.random_range(1..=24) {
            let lasts = Duration::from_millis(rng.random_range(0..5_000));
            faults.push((Fault::draw(&mut rng, dialect, &mut current), lasts));
            if rng.random_range(0..12) == 0 {
                faults.push((Fault::Repair, QUIET));
            }
        }
        faults.push((Fault::Repair, QUIET));
        let careless = rng.random();
        faults.extend(draw_beginnings(&mut rng, routers.len()));
        Self { seed, routers, careless, manners, faults }
    }

    /// How many routers the LAN has, and how many of them are foreign.
    #[must_use]
    pub fn routers(&self) -> (usize, usize) {
        (self.routers.len(), self.manners.iter().filter(|manners| manners.is_foreign()).count())
    }

    /// Runs it.
    ///
    /// # Panics
    /// When a router or the LAN does what it must not; the seed is the caller's to tell.
    #[must_use]
    pub fn run(&self) -> Summary {
        self.run_while(|_| {})
    }

    /// Runs it and prints, before each fault, what the routers did since the last one.
    ///
    /// # Panics
    /// As [`Schedule::run`].
    #[must_use]
    pub fn run_and_tell(&self) -> Summary {
        let mut told = 0;
        self.run_while(|step| {
            let Step { fault, lan } = step;
            for trace in &lan.trace[told..] {
                if !matches!(trace.action, Action::Advertise(Claim::Holds(_))) {
                    println!("{:>14?} {}: {:?}", trace.at.since_origin(), trace.node, trace.action);
                }
            }
            told = lan.trace.len();
            println!("{:>14?} {fault:?}", lan.now.since_origin());
        })
    }

    fn run_while(&self, mut watch: impl FnMut(Step<'_>)) -> Summary {
        let mut lan = Lan::new(self.routers.clone(), self.seed);
        lan.careless = self.careless;
        for (node, manners) in lan.nodes.iter_mut().zip(&self.manners) {
            node.manners = *manners;
        }
        lan.start_all();
        for (fault, lasts) in &self.faults {
            watch(Step { fault, lan: &lan });
            let went = catch_unwind(AssertUnwindSafe(|| {
                fault.strike(&mut lan);
                lan.run_for(*lasts);
            }));
            if let Err(panic) = went {
                watch(Step { fault, lan: &lan });
                resume_unwind(panic);
            }
        }
        // A router that was on its way out when everything was repaired stays out; start it, too.
        watch(Step { fault: &Fault::Repair, lan: &lan });
        Fault::Repair.strike(&mut lan);
        lan.run_for(QUIET);
        assert_eq!(lan.active().len(), 1, "{:?} are Active at the end", lan.active());

        let mut hasher = DefaultHasher::new();
        for trace in &lan.trace {
            (trace.at, trace.node).hash(&mut hasher);
            if let Action::Advertise(Claim::Holds(priority)) = trace.action {
                priority.get().hash(&mut hasher); // By far the most frequent one.
            } else {
                format!("{:?}", trace.action).hash(&mut hasher);
            }
        }
        let switched_over =
            lan.changes().iter().filter(|(_, change)| change.reason == Reason::Switchover).count();
        Summary {
            events: lan.happened(),
            faults: u64::try_from(self.faults.len()).unwrap_or(u64::MAX),
            promises_kept: lan.promises_kept(),
            clients_knew: lan.clients_knew(),
            concessions_helped: lan.concessions_helped(),
            switched_over: switched_over.try_into().unwrap_or(u64::MAX),
            assists_obeyed: lan.assists_obeyed,
            begun_at_once: lan.begun_at_once,
            digest: hasher.finish(),
        }
    }
}

/// Half of the routers on a LAN with foreign ones are foreign, of either kind.
fn draw_manners(rng: &mut StdRng, has_strangers: bool) -> Manners {
    match rng.random_range(0..4) {
        0 if has_strangers => Manners::Keepalived,
        1 if has_strangers => Manners::Frr,
        _ => Manners::Baton,
    }
}

/// The same router, as it is on a LAN with foreign ones.
fn beside_foreign(config: &Config, manners: Manners) -> Option<Config> {
    let refresh = (!manners.is_foreign()).then_some(REFRESH);
    Config::new(Settings { refresh, ..config.settings().clone() }).ok()
}

/// Half of the LANs were planned, with one interval and one mind about preemption; the others grew.
fn draw_routers(rng: &mut StdRng, dialect: Dialect) -> Vec<Config> {
    let planned: bool = rng.random();
    let (interval, preempt) = (draw_interval(rng, dialect), rng.random());
    let owner = (rng.random_range(0..6) == 0).then_some(0);
    (0..rng.random_range(2..=5_u8))
        .filter_map(|number| {
            let priority = if owner == Some(number) { Priority::OWNER } else { draw_priority(rng) };
            let own = (draw_interval(rng, dialect), rng.random());
            let (interval, preempt) = if planned { (interval, preempt) } else { own };
            let drawn = router(dialect, number, priority, interval.ok()?, preempt).ok()?;
            let settings = Settings { preempt_delay: draw_preempt_delay(rng), ..drawn.settings().clone() };
            Config::new(settings).ok()
        })
        .collect()
}
