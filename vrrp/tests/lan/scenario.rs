//! LANs and troubles that proptest draws.

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;
use vrrp::{AdvertisementInterval, Config, Family, Priority, Settings, Version, Vrid};

use crate::lan::Lan;

/// The settings of router `number` in version 3; its address ends in `number + 1`.
pub(crate) fn router(number: usize, priority: u8, interval_ms: u32, preempt: bool) -> Config {
    router_of(Version::V3, number, priority, interval_ms, preempt)
}

fn router_of(version: Version, number: usize, priority: u8, interval_ms: u32, preempt: bool) -> Config {
    let last = u8::try_from(number).unwrap() + 1;
    Config::new(Settings {
        version,
        family: Family::Ipv4,
        vrid: Vrid::new(7).unwrap(),
        priority: Priority::new(priority).unwrap(),
        interval: AdvertisementInterval::from_millis(version, interval_ms).unwrap(),
        preempt,
        addresses: vec![Ipv4Addr::new(192, 0, 2, 100).into()],
        source: Ipv4Addr::new(192, 0, 2, last).into(),
    })
    .unwrap()
}

/// Two to five routers, each with settings of its own; priorities may be equal, one may be the owner's.
pub(crate) fn any_routers(
    preempt: impl Strategy<Value = bool> + Clone,
) -> impl Strategy<Value = Vec<Config>> {
    let interval = prop_oneof![Just(10_u32), Just(100), Just(250), Just(1_000), Just(3_000)];
    let priority = prop_oneof![8 => 1..=254_u8, 1 => Just(100), 1 => Just(255)];
    prop::collection::vec((priority, interval, preempt), 2..=5).prop_map(|routers| {
        let numbered = routers.into_iter().enumerate();
        numbered
            .map(|(number, (priority, interval, preempt))| router(number, priority, interval, preempt))
            .collect()
    })
}

/// Two to five routers with one version and interval and priorities that are at least eight apart, as a good plan
/// has them.
pub(crate) fn planned_routers(preempt: bool) -> impl Strategy<Value = Vec<Config>> {
    let dialect = prop::sample::select(vec![
        (Version::V3, 100_u32),
        (Version::V3, 250),
        (Version::V3, 1_000),
        (Version::V2, 1_000),
    ]);
    let ranks = Just((1..=30_u8).collect::<Vec<_>>()).prop_shuffle();
    (dialect, ranks, 2..=5_usize).prop_map(move |((version, interval_ms), ranks, number)| {
        let ranked = ranks.into_iter().take(number).enumerate();
        ranked.map(|(number, rank)| router_of(version, number, rank * 8, interval_ms, preempt)).collect()
    })
}

/// What can go wrong. Routers are named by an index into those there are.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    Lose { percent: u32 },
    CutOneWay { from: usize, to: usize },
    Split { boundary: usize },
    Heal,
    Crash(usize),
    Start(usize),
    Stop(usize),
    Pause(usize, Duration),
    RefuseToHold(usize),
    Reprioritise(usize, u8),
}

impl Trouble {
    pub(crate) fn strike(&self, lan: &mut Lan) {
        let number = lan.nodes.len();
        match *self {
            Self::Lose { percent } => lan.wire.loss_percent = percent,
            Self::CutOneWay { from, to } => lan.wire.cut((from % number, to % number)),
            Self::Split { boundary } => lan.split(boundary % number),
            Self::Heal => lan.wire.heal(),
            Self::Crash(node) => lan.crash(node % number),
            Self::Start(node) => lan.start(node % number),
            Self::Stop(node) => lan.stop(node % number),
            Self::Pause(node, duration) => lan.pause(node % number, duration),
            Self::RefuseToHold(node) => lan.refuse_to_hold(node % number),
            Self::Reprioritise(node, priority) => {
                let settings = lan.nodes[node % number].config.settings().clone();
                let priority = Priority::new(priority).unwrap();
                lan.reconfigure(node % number, Config::new(Settings { priority, ..settings }).unwrap());
            }
        }
    }
}

/// A trouble, and how long it lasts before the next one strikes.
pub(crate) fn any_trouble() -> impl Strategy<Value = (Trouble, Duration)> {
    let node = 0..5_usize;
    let trouble = prop_oneof![
        (0..=60_u32).prop_map(|percent| Trouble::Lose { percent }),
        (node.clone(), node.clone()).prop_map(|(from, to)| Trouble::CutOneWay { from, to }),
        node.clone().prop_map(|boundary| Trouble::Split { boundary }),
        Just(Trouble::Heal),
        node.clone().prop_map(Trouble::Crash),
        node.clone().prop_map(Trouble::Start),
        node.clone().prop_map(Trouble::Stop),
        (node.clone(), 0..20_000_u64).prop_map(|(node, ms)| Trouble::Pause(node, Duration::from_millis(ms))),
        node.clone().prop_map(Trouble::RefuseToHold),
        (node, 1..=254_u8).prop_map(|(node, priority)| Trouble::Reprioritise(node, priority)),
    ];
    (trouble, (0..5_000_u64).prop_map(Duration::from_millis))
}
