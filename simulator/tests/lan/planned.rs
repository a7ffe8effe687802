//! LANs as a good plan has them.

use proptest::prelude::*;
use simulator::Dialect;
use vrrp::{AdvertisementInterval, Config, Priority};

/// The settings of router `number`.
pub(crate) fn router_of(
    dialect: Dialect,
    number: usize,
    priority: u8,
    interval_ms: u32,
    preempt: bool,
) -> Config {
    let interval = AdvertisementInterval::from_millis(dialect.version(), interval_ms).unwrap();
    let (number, priority) = (u8::try_from(number).unwrap(), Priority::new(priority).unwrap());
    simulator::router(dialect, number, priority, interval, preempt).unwrap()
}

/// The same in version 3 over IPv4.
pub(crate) fn router(number: usize, priority: u8, interval_ms: u32, preempt: bool) -> Config {
    router_of(Dialect::V3Ipv4, number, priority, interval_ms, preempt)
}

/// Two to five routers with one dialect and interval, and priorities that are at least eight apart.
pub(crate) fn planned_routers(preempt: bool) -> impl Strategy<Value = Vec<Config>> {
    let dialect = prop::sample::select(vec![
        (Dialect::V3Ipv4, 100_u32),
        (Dialect::V3Ipv6, 250),
        (Dialect::V3Ipv4, 1_000),
        (Dialect::V2, 1_000),
    ]);
    let ranks = Just((1..=30_u8).collect::<Vec<_>>()).prop_shuffle();
    (dialect, ranks, 2..=5_usize).prop_map(move |((dialect, interval_ms), ranks, number)| {
        let ranked = ranks.into_iter().take(number).enumerate();
        ranked.map(|(number, rank)| router_of(dialect, number, rank * 8, interval_ms, preempt)).collect()
    })
}
