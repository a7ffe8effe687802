//! A small LAN for the tests: what its nodes report, each by its own clocks. The tests stand below, by question.

mod arrival;
mod external;
mod gap;
mod predecessor;

use FailoverCause as Cause;
use TransitionReason as Reason;
use api_types::transition::{AdvertisementHeard, TransitionReason};
use chrono::{DateTime, TimeDelta};
use vrrp::{Claim, Family, Vrid};

use super::*;

const GROUP: Uuid = Uuid::from_u128(0x6_0000);

/// A node with its own two clocks: its wall clock is `skew_ms` ahead of the true time.
#[derive(Clone, Copy)]
struct Node {
    number: u8,
    skew_ms: i64,
}

const N1: Node = Node { number: 1, skew_ms: 0 };
const N2: Node = Node { number: 2, skew_ms: 0 };
const N3: Node = Node { number: 3, skew_ms: 0 };

const KEEPALIVED: &str = "192.0.2.9";
const STRANGER: &str = "192.0.2.77";

impl Node {
    fn id(self) -> Uuid {
        Uuid::from_u128(u128::from(self.number))
    }

    fn name(self) -> String {
        format!("n{}", self.number)
    }

    fn address(self) -> String {
        format!("192.0.2.{}", self.number)
    }

    const fn ahead(self, skew_ms: i64) -> Self {
        Self { skew_ms, ..self }
    }

    /// A transition at `at_ms` of the true time.
    fn moves(self, at_ms: u64, from: State, to: State, reason: TransitionReason) -> Report {
        let boottime = self.boottime(at_ms);
        let active = to == State::Active;
        Report(Recorded {
            id: Uuid::from_u128(u128::from(self.number) << 64 | u128::from(at_ms)),
            node_id: self.id(),
            node: self.name(),
            record: TransitionRecord {
                boot_id: Uuid::from_u128(u128::from(self.number) << 32),
                sequence: at_ms + 1,
                group_id: GROUP,
                group: "web".into(),
                family: Family::Ipv4,
                vrid: Vrid::new(51).unwrap(),
                interface: "eth0".into(),
                from,
                to,
                reason,
                priority: Priority::new(100).unwrap(),
                at: self.wall(at_ms),
                at_boottime_ns: boottime,
                last_advertisement: None,
                bound_at_boottime_ns: active.then_some(boottime - 2_000_000),
                announced_at_boottime_ns: active.then_some(boottime),
                released_at_boottime_ns: (from == State::Active).then_some(boottime),
                failing_checks: Vec::new(),
            },
        })
    }

    fn takes_over(self, at_ms: u64, reason: TransitionReason) -> Report {
        let from = if reason == TransitionReason::OwnerStarted { State::Initialize } else { State::Backup };
        self.moves(at_ms, from, State::Active, reason)
    }

    fn yields(self, at_ms: u64) -> Report {
        self.moves(at_ms, State::Active, State::Backup, TransitionReason::HigherPriorityHeard)
    }

    fn stops(self, at_ms: u64) -> Report {
        self.moves(at_ms, State::Active, State::Initialize, TransitionReason::Stopped)
    }

    /// Each node counts its boot time from another origin.
    fn boottime(self, at_ms: u64) -> u64 {
        (at_ms + 10_000_000 * u64::from(self.number)) * 1_000_000
    }

    fn wall(self, at_ms: u64) -> Timestamp {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let at = TimeDelta::milliseconds(i64::try_from(at_ms).unwrap() + self.skew_ms);
        (start + at).into()
    }
}

struct Report(Recorded);

impl Report {
    /// After an advertisement from `source` at `at_ms` of the true time.
    fn having_heard(self, source: &str, priority: u8, at_ms: u64) -> Recorded {
        let Self(mut recorded) = self;
        let number = u8::try_from(recorded.node_id.as_u128()).unwrap();
        let node = Node { number, skew_ms: 0 };
        recorded.record.last_advertisement = Some(AdvertisementHeard {
            source: source.parse().unwrap(),
            priority: Claim::from_octet(priority),
            at_boottime_ns: node.boottime(at_ms),
        });
        recorded
    }

    fn having_heard_nothing(self) -> Recorded {
        self.0
    }
}

impl Recorded {
    fn in_boot(mut self, number: u128) -> Self {
        self.record.boot_id = Uuid::from_u128(self.node_id.as_u128() << 32 | number);
        self
    }
}

fn addresses() -> Addresses {
    let mut addresses = Addresses::default();
    for node in [N1, N2, N3] {
        addresses.add_node(node.address().parse().unwrap(), node.id(), &node.name());
    }
    addresses.add_external(KEEPALIVED.parse().unwrap(), "keepalived");
    addresses
}

fn joined(transitions: &[Recorded]) -> Vec<Move> {
    join(&[], transitions, &addresses())
}

fn summary(moves: &[Move]) -> Vec<(&str, &str, FailoverCause)> {
    moves.iter().map(|each| (each.from.as_str(), each.to.as_str(), each.cause)).collect()
}

/// n1 is elected, dies at 10 s, and n2 takes over.
fn a_death() -> Vec<Recorded> {
    vec![
        N1.takes_over(1_000, Reason::NoResponse).having_heard_nothing(),
        N2.takes_over(10_320, Reason::NoResponse).having_heard("192.0.2.1", 240, 10_000),
    ]
}
