//! What can go wrong on a LAN, and with its routers.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use vrrp::{
    Advertisement, AdvertisementInterval, BoostedPriority, Claim, Config, IntervalError, Priority, Settings,
};

use crate::lan::Lan;
use crate::routers::Dialect;

/// Routers are named by their numbers.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This share of the frames is lost, in percent.
    Lose(u32),
    /// Every frame takes up to this long, and frames overtake each other.
    Delay(Duration),
    /// This share of the frames arrives twice, in percent.
    Duplicate(u32),
    /// What the first sends does not reach the second.
    CutOneWay(usize, usize),
    /// The routers below this number and the others do not hear each other.
    Split(usize),
    /// The wire is whole again.
    Heal,
    /// Its power fails.
    Crash(usize),
    /// It has power, and is started.
    Start(usize),
    /// It is stopped gracefully.
    Stop(usize),
    /// It does nothing for a while.
    Pause(usize, Duration),
    /// Its clock jumps ahead. It never goes back: an agent goes by CLOCK_BOOTTIME, which no step of the time
    /// of day moves, and which a suspended node finds ahead of its deadlines.
    Jump(usize, Duration),
    /// Its worker dies, and another one is there after a while.
    RestartWorker(usize, Duration),
    /// Its kernel refuses to hold the addresses.
    RefuseToHold(usize),
    /// Its kernel does as it is told again.
    PermitToHold(usize),
    /// It gets other settings.
    Reconfigure(usize, Config),
    /// It is told to take over.
    Boost(usize, BoostedPriority),
    /// It is told that this is over.
    Unboost(usize),
    /// Its LAN side dies, it lets go, and the others are told so by another way, after each of these times.
    LetGo(usize, Vec<Duration>),
    /// All are told that this one has let go after the last but so many of its advertisements, though it has not.
    ForgeAssist(usize, u16),
    /// A stranger is heard once.
    Stranger(Advertisement),
    /// All lose their power and are started at the same time, as a new group is.
    Anew,
    /// These are told, each after a while and whoever would win, that a new group may begin at once.
    TellToBegin(Vec<(usize, Duration)>),
    /// Nothing goes wrong: every fault is over and every router runs.
    Repair,
}

impl Fault {
    /// Lets it strike.
    pub fn strike(&self, lan: &mut Lan) {
        match *self {
            Self::Lose(percent) => lan.wire.loss_percent = percent,
            Self::Delay(longest) => {
                lan.wire.latency_us = 50..=u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(50);
            }
            Self::Duplicate(percent) => lan.wire.duplicate_percent = percent,
            Self::CutOneWay(from, to) => lan.wire.cut((from, to)),
            Self::Split(boundary) => lan.split(boundary),
            Self::Heal => lan.heal(),
            Self::Crash(node) => lan.crash(node),
            Self::Start(node) => lan.start(node),
            Self::Stop(node) => lan.stop(node),
            Self::Pause(node, duration) => lan.pause(node, duration),
            Self::Jump(node, ahead) => lan.jump(node, ahead),
            Self::RestartWorker(node, takes) => lan.restart_worker(node, takes),
            Self::RefuseToHold(node) => lan.refuse_to_hold(node),
            Self::PermitToHold(node) => lan.permit_to_hold(node),
            Self::Reconfigure(node, ref config) => lan.reconfigure(node, config.clone()),
            Self::Boost(node, priority) => lan.boost(node, priority),
            Self::Unboost(node) => lan.unboost(node),
            Self::LetGo(node, ref told_after) => lan.let_go(node, told_after),
            Self::ForgeAssist(node, behind) => {
                let (source, sequence) = (lan.nodes[node].config.source(), lan.nodes[node].sequence);
                lan.tell_all(source, sequence.wrapping_sub(behind), Duration::ZERO);
            }
            Self::Stranger(ref advertisement) => lan.hear(advertisement),
            Self::Anew => {
                (0..lan.nodes.len()).for_each(|node| lan.crash(node));
                lan.start_all();
            }
            Self::TellToBegin(ref told) => {
                told.iter().for_each(|(node, after)| lan.tell_to_begin(*node, *after));
            }
            Self::Repair => {
                lan.heal();
                for node in 0..lan.nodes.len() {
                    lan.permit_to_hold(node);
                    lan.start(node);
                }
            }
        }
    }

    /// Draws one for routers with these settings, which a [`Fault::Reconfigure`] changes.
    pub(crate) fn draw(rng: &mut StdRng, dialect: Dialect, routers: &mut [Config]) -> Self {
        let number = routers.len();
        let node = rng.random_range(0..number);
        let duration = |rng: &mut StdRng, longest_ms| Duration::from_millis(rng.random_range(0..=longest_ms));
        match rng.random_range(0..25) {
            0 => Self::Lose(rng.random_range(0..=60)),
            1 => Self::Delay(duration(rng, 200)),
            2 => Self::Duplicate(rng.random_range(0..=60)),
            3 | 4 => Self::CutOneWay(node, rng.random_range(0..number)),
            5 => Self::Split(node),
            6 => Self::Heal,
            7 | 8 => Self::Crash(node),
            9 | 10 => Self::Start(node),
            11 => Self::Stop(node),
            12 => Self::Pause(node, duration(rng, 20_000)),
            13 => Self::Jump(node, duration(rng, 20_000)),
            14 => Self::RestartWorker(node, duration(rng, 2_000)),
            15 => Self::RefuseToHold(node),
            16 => Self::PermitToHold(node),
            17 | 18 => {
                let Some(config) = redrawn(rng, dialect, &routers[node]) else { return Self::Heal };
                routers[node] = config.clone();
                Self::Reconfigure(node, config)
            }
            19 | 20 => {
                match BoostedPriority::new(rng.random_range(BoostedPriority::MIN..=BoostedPriority::MAX)) {
                    Some(priority) => Self::Boost(node, priority),
                    None => Self::Unboost(node),
                }
            }
            21 => Self::Unboost(node),
            22 => {
                let times = rng.random_range(0..3);
                Self::LetGo(node, (0..times).map(|_| duration(rng, 2_000)).collect())
            }
            23 => Self::ForgeAssist(node, rng.random_range(0..5_u16).wrapping_sub(2)),
            _ => Self::Stranger(stranger(rng, dialect, &routers[node])),
        }
    }
}

/// A new group on a LAN of so many routers, some of which are told to begin: soon or late, several, the wrong
/// ones, or when there is nothing to begin. With how long each of it lasts.
pub(crate) fn draw_beginnings(rng: &mut StdRng, routers: usize) -> Vec<(Fault, Duration)> {
    let mut faults = Vec::new();
    for _ in 0..rng.random_range(1..=3) {
        if rng.random_range(0..4) != 0 {
            faults.push((Fault::Anew, Duration::from_millis(rng.random_range(0..=60))));
        }
        let longest_ms = if rng.random() { 5 } else { 4_000 };
        let told = (0..rng.random_range(1..=routers))
            .map(|_| (rng.random_range(0..routers), Duration::from_millis(rng.random_range(0..=longest_ms))));
        faults.push((Fault::TellToBegin(told.collect()), Duration::from_millis(rng.random_range(0..5_000))));
    }
    faults
}

/// One of the intervals that LANs use, or all of them would have to.
pub(crate) fn draw_interval(
    rng: &mut StdRng,
    dialect: Dialect,
) -> Result<AdvertisementInterval, IntervalError> {
    let in_use: &[u32] = match dialect {
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => &[10, 100, 250, 1_000, 3_000],
        Dialect::V2 => &[1_000],
    };
    let ms = in_use.choose(rng).copied().unwrap_or(1_000);
    AdvertisementInterval::from_millis(dialect.version(), ms)
}

/// Any priority but the owner's.
pub(crate) fn draw_priority(rng: &mut StdRng) -> Priority {
    Priority::new(rng.random_range(1..=254)).unwrap_or(Priority::MIN)
}

/// None for most routers.
pub(crate) fn draw_preempt_delay(rng: &mut StdRng) -> Duration {
    let delays: bool = rng.random_range(0..4) == 0;
    Duration::from_millis(if delays { rng.random_range(1..=10_000) } else { 0 })
}

fn redrawn(rng: &mut StdRng, dialect: Dialect, config: &Config) -> Option<Config> {
    let mut settings: Settings = config.settings().clone();
    match rng.random_range(0..5) {
        0 => settings.priority = draw_priority(rng),
        1 => settings.interval = draw_interval(rng, dialect).ok()?,
        2 => settings.preempt = !settings.preempt,
        3 => settings.preempt_delay = draw_preempt_delay(rng),
        _ => {
            let last = rng.random_range(101..=109);
            settings.addresses = vec![dialect.address(100), dialect.address(last)];
        }
    }
    Config::new(settings).ok()
}

fn stranger(rng: &mut StdRng, dialect: Dialect, config: &Config) -> Advertisement {
    let interval = draw_interval(rng, dialect).unwrap_or(config.interval());
    let claim = if rng.random_range(0..4) == 0 { Claim::Resigns } else { Claim::Holds(draw_priority(rng)) };
    // Now and then it has an address of ours.
    let source = if rng.random_range(0..4) == 0 { config.source() } else { dialect.address(99) };
    Advertisement {
        version: config.version(),
        family: config.family(),
        vrid: config.vrid(),
        claim,
        interval,
        addresses: config.addresses().to_vec(),
        source,
        authentication: config.authentication(),
        checksum: None,
    }
}
