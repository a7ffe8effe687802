//! What the tests of the guard speak of.

use std::time::Duration;

use uuid::Uuid;
use vrrp::{Family, Instant, Role, Vrid};

use crate::shared_memory::{Slot, SlotKey};

pub(super) fn at(milliseconds: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(milliseconds))
}

/// A group that advertised last at 1,000 ms.
pub(super) fn slot(interval: u64, role: Role) -> Slot {
    Slot {
        key: SlotKey {
            group_id: Uuid::nil(),
            ifindex: 3,
            family: Family::Ipv4,
            vrid: Vrid::new(51).unwrap(),
        },
        role,
        bound: true,
        last_sent: at(1_000),
        since: at(0),
        interval: Duration::from_millis(interval),
        heard: None,
        held: true,
        leaving: false,
        source: "192.0.2.1".parse().unwrap(),
        number: None,
        boost: None,
        entered: true,
        fenced: None,
    }
}
