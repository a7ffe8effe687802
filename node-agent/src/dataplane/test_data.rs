//! What the tests of several modules start from.

use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::group::Checksum;
use api_types::protocol::ProtocolOptions;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Instant, Priority, Role, Version, Vrid};

use crate::shared_memory::{Slot, SlotKey};

/// What an earlier worker wrote of [`desired`], Active with these times.
pub(super) fn left(last_sent: Instant, since: Instant) -> Slot {
    let group = desired(240);
    Slot {
        key: SlotKey { group_id: group.id, ifindex: 3, family: group.family, vrid: group.vrid },
        role: Role::Active,
        bound: true,
        last_sent,
        since,
        interval: Duration::from_millis(100),
        heard: None,
        held: true,
        leaving: false,
        source: "192.0.2.1".parse().unwrap(),
        number: Some(0xffff),
        boost: None,
        entered: true,
        fenced: None,
    }
}

/// A group with one address on `eth0`.
pub(super) fn desired(priority: u8) -> DesiredGroup {
    DesiredGroup {
        id: Uuid::from_u128(1),
        name: "web".parse().unwrap(),
        generation: 1,
        interface: "eth0".to_owned(),
        family: Family::Ipv4,
        vrid: Vrid::new(51).unwrap(),
        version: Version::V3,
        advertisement_interval_ms: AdvertisementInterval::DEFAULT_V3,
        preempt_mode: true,
        checksum: Checksum::Auto,
        virtual_addresses: vec!["192.0.2.10/24".parse().unwrap()],
        priority: Priority::new(priority).unwrap(),
        peers: Vec::new(),
        options: ProtocolOptions::default(),
        drained: false,
        track: Vec::new(),
        sync_group: None,
        pre_active: None,
        hooks: Vec::new(),
    }
}
