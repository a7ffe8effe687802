//! A group as the dataplane reports it, for the tests of control.

use std::time::Duration;

use api_types::agent_status::{GroupCounters, HeardRouter};
use api_types::channel::DesiredGroup;
use api_types::group::Checksum;
use api_types::protocol::ProtocolOptions;
use api_types::transition::State;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Claim, Family, Priority, Version, Vrid};

use crate::messages::GroupSnapshot;

/// The group `web`, active, all alone.
pub(crate) fn group() -> GroupSnapshot {
    let virtual_addresses = vec!["192.0.2.10/24".parse().unwrap()];
    GroupSnapshot {
        desired: DesiredGroup {
            id: Uuid::nil(),
            name: "web".parse().unwrap(),
            generation: 1,
            interface: "eth0".to_owned(),
            family: Family::Ipv4,
            vrid: Vrid::new(51).unwrap(),
            version: Version::V3,
            advertisement_interval_ms: AdvertisementInterval::DEFAULT_V3,
            preempt_mode: true,
            checksum: Checksum::Auto,
            virtual_addresses: virtual_addresses.clone(),
            priority: Priority::new(240).unwrap(),
            peers: Vec::new(),
            options: ProtocolOptions::default(),
            drained: false,
            track: Vec::new(),
            sync_group: None,
            pre_active: None,
            hooks: Vec::new(),
        },
        state: State::Active,
        since_boottime_ns: 1,
        effective_priority: Priority::new(240).unwrap(),
        addresses_present: virtual_addresses,
        active_source: None,
        last_heard_boottime_ns: None,
        active_down_interval: Some(Duration::from_micros(306_250)),
        boost: None,
        boost_refused: None,
        fault: None,
        counters: GroupCounters::default(),
        heard: Vec::new(),
        checksum: Checksum::Rfc5798,
        entrance: None,
        waits_for: None,
    }
}

/// A router that advertised at `at_boottime_ns`.
pub(crate) fn heard(at_boottime_ns: u64) -> HeardRouter {
    HeardRouter {
        source: "192.0.2.2".parse().unwrap(),
        version: Some(Version::V3),
        priority: Claim::Holds(Priority::new(200).unwrap()),
        advertisement_interval_ms: Some(AdvertisementInterval::DEFAULT_V3),
        address_count: Some(1),
        member: None,
        checksum: Some(Checksum::Rfc5798),
        at_boottime_ns,
        discrepancies: Vec::new(),
    }
}
