//! What the tests of several modules start from.

use api_types::channel::DesiredGroup;

use api_types::group::Checksum;
use api_types::protocol::ProtocolOptions;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

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
    }
}
