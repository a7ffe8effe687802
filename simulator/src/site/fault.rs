//! What can go wrong with nodes that share several LANs.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use vrrp::{BoostedPriority, Config, Priority, Settings};

use super::Site;
use crate::fault::Fault;

/// LANs and nodes are named by their numbers.
#[derive(Debug, Clone)]
pub enum SiteFault {
    /// This befalls one LAN, or what a node has there.
    OnLan(usize, Fault),
    /// The power of a node fails.
    Crash(usize),
    /// A node has power, and is started.
    Start(usize),
    /// A node is stopped gracefully.
    Stop(usize),
    /// A node does nothing for a while.
    Pause(usize, Duration),
    /// The clock of a node jumps ahead.
    Jump(usize, Duration),
    /// The worker of a node dies, and another one is there after a while.
    RestartWorker(usize, Duration),
    /// A node gets another priority, on all LANs.
    Reprioritise(usize, Priority),
    /// A node is told to take over.
    Boost(usize, BoostedPriority),
    /// A node is told that this is over.
    Unboost(usize),
    /// Nothing goes wrong: every fault is over and every node runs.
    Repair,
}

impl SiteFault {
    /// Lets it strike.
    pub fn strike(&self, site: &mut Site) {
        match *self {
            Self::OnLan(lan, ref fault) => site.on_lan(lan, |lan| fault.strike(lan)),
            Self::Crash(node) => site.crash(node),
            Self::Start(node) => site.start(node),
            Self::Stop(node) => site.on_all(|lan| lan.stop(node)),
            Self::Pause(node, duration) => site.on_all(|lan| lan.pause(node, duration)),
            Self::Jump(node, ahead) => site.on_all(|lan| lan.jump(node, ahead)),
            Self::RestartWorker(node, takes) => site.restart_worker(node, takes),
            Self::Reprioritise(node, priority) => site.on_all(|lan| {
                let settings = lan.nodes[node].config.settings().clone();
                if let Ok(config) = Config::new(Settings { priority, ..settings }) {
                    lan.reconfigure(node, config);
                }
            }),
            Self::Boost(node, priority) => site.boost(node, priority),
            Self::Unboost(node) => site.on_all(|lan| lan.unboost(node)),
            Self::Repair => site.on_all(|lan| Fault::Repair.strike(lan)),
        }
    }

    /// Draws one for so many LANs and nodes.
    pub(super) fn draw(rng: &mut StdRng, lans: usize, nodes: usize) -> Self {
        let node = rng.random_range(0..nodes);
        let lan = rng.random_range(0..lans);
        let duration = |rng: &mut StdRng, longest_ms| Duration::from_millis(rng.random_range(0..=longest_ms));
        match rng.random_range(0..26) {
            0 => Self::OnLan(lan, Fault::Lose(rng.random_range(0..=60))),
            1 => Self::OnLan(lan, Fault::Delay(duration(rng, 100))),
            2 => Self::OnLan(lan, Fault::Duplicate(rng.random_range(0..=60))),
            3..=5 => Self::OnLan(lan, Fault::CutOneWay(node, rng.random_range(0..nodes))),
            6 | 7 => Self::OnLan(lan, Fault::Split(node)),
            8 | 9 => Self::OnLan(lan, Fault::Heal),
            10 | 11 => {
                let times = rng.random_range(0..3);
                Self::OnLan(lan, Fault::LetGo(node, (0..times).map(|_| duration(rng, 2_000)).collect()))
            }
            12 | 13 => Self::OnLan(lan, Fault::Start(node)),
            14 => Self::OnLan(lan, Fault::RefuseToHold(node)),
            15 => Self::OnLan(lan, Fault::PermitToHold(node)),
            16 => Self::Crash(node),
            17 | 18 => Self::Start(node),
            19 => Self::Stop(node),
            20 => Self::Pause(node, duration(rng, 20_000)),
            21 => Self::Jump(node, duration(rng, 20_000)),
            22 => Self::RestartWorker(node, duration(rng, 2_000)),
            23 => Self::Reprioritise(node, priority_of(rng, node)),
            24 => match BoostedPriority::new(boost_of(node)) {
                Some(priority) => Self::Boost(node, priority),
                None => Self::Unboost(node),
            },
            _ => Self::Unboost(node),
        }
    }
}

/// Any priority but those that other nodes may have: no two are equal.
pub(super) fn priority_of(rng: &mut StdRng, node: usize) -> Priority {
    let number = rng.random_range(0..31) * 8 + u8::try_from(node % 8).unwrap_or_default() + 1;
    Priority::new(number).unwrap_or(Priority::MIN)
}

/// The priority with which this node is told to take over: no two are equal.
fn boost_of(node: usize) -> u8 {
    BoostedPriority::MIN.saturating_add(u8::try_from(node % 4).unwrap_or_default())
}
