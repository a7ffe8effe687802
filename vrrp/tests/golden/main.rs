//! Packets that others made: see `README.md` for where they come from.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod pcap;

use std::net::IpAddr;
use std::time::Duration;

use vrrp::packet::{self, Outgoing};
use vrrp::{
    Advertisement, AdvertisementInterval, Authentication, ChecksumForm, Claim, Config, Demands, Family,
    PacketError, Priority, Settings, Version, Vrid,
};

use crate::pcap::Captured;

const KEEPALIVED: &[u8] = include_bytes!("keepalived.pcap");
const RFC9568: &[u8] = include_bytes!("rfc9568.pcap");

/// `keepalived.conf`: version, VRID, priority, interval in milliseconds, addresses.
const ROUTERS: [(Version, u8, u8, u32, &[&str]); 8] = [
    (Version::V3, 10, 100, 1_000, &["192.0.2.100"]),
    (Version::V3, 11, 240, 100, &["192.0.2.113", "198.51.100.7", "192.0.2.111"]),
    (Version::V3, 255, 1, 10, &["192.0.2.120"]),
    (Version::V3, 1, 255, 40_950, &["192.0.2.1"]),
    (Version::V2, 20, 100, 1_000, &["192.0.2.200"]),
    (Version::V2, 21, 254, 3_000, &["192.0.2.212", "192.0.2.211"]),
    (Version::V3, 30, 100, 1_000, &["fe80::30"]),
    (Version::V3, 31, 150, 250, &["fe80::31", "2001:db8::31", "2001:db8::1:31"]),
];

/// Our settings for the virtual router of a captured packet.
fn settings_of(captured: &Captured) -> Settings {
    let (_, vrid) = packet::peek(&captured.message).unwrap();
    let (version, _, priority, interval, addresses) =
        ROUTERS.into_iter().find(|router| router.1 == vrid.get()).unwrap();
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Settings {
        version,
        family: Family::of(addresses[0]),
        vrid,
        priority: Priority::new(priority).unwrap(),
        interval: AdvertisementInterval::from_millis(version, interval).unwrap(),
        preempt: true,
        preempt_delay: Duration::ZERO,
        refresh: None,
        require_link_local: true,
        authentication: Authentication::None,
        addresses,
        source: captured.envelope.source,
    }
}

fn claim_of(captured: &Captured) -> Claim {
    Claim::from_octet(captured.message[2])
}

/// What decoding must give.
fn understood(captured: &Captured, checksum: Option<ChecksumForm>) -> Advertisement {
    let Settings { version, family, vrid, interval, addresses, source, .. } = settings_of(captured);
    let claim = claim_of(captured);
    let authentication = Authentication::None;
    Advertisement { version, family, vrid, claim, interval, authentication, addresses, source, checksum }
}

/// What we would have sent.
fn written(captured: &Captured, checksum: ChecksumForm) -> Vec<u8> {
    let config = Config::new(settings_of(captured)).unwrap();
    let claim = claim_of(captured);
    let destination = config.family().multicast_group();
    packet::encode(&Outgoing { config: &config, claim, interval: config.interval(), destination, checksum })
}

fn expected_form(captured: &Captured, of_version_3_over_ipv4: ChecksumForm) -> Option<ChecksumForm> {
    let Settings { version, family, .. } = settings_of(captured);
    (version == Version::V3 && family == Family::Ipv4).then_some(of_version_3_over_ipv4)
}

#[test]
fn the_capture_holds_both_claims_of_every_router() {
    let mut seen: Vec<(Vrid, Claim)> = pcap::read(KEEPALIVED)
        .iter()
        .map(|captured| (settings_of(captured).vrid, claim_of(captured)))
        .collect();
    let mut wanted: Vec<(Vrid, Claim)> = ROUTERS
        .iter()
        .flat_map(|&(_, vrid, priority, ..)| [(vrid, priority), (vrid, 0)])
        .map(|(vrid, octet)| (Vrid::new(vrid).unwrap(), Claim::from_octet(octet)))
        .collect();
    seen.sort_by_key(|(vrid, claim)| (*vrid, claim.octet()));
    wanted.sort_by_key(|(vrid, claim)| (*vrid, claim.octet()));
    assert_eq!(seen, wanted);
}

#[test]
fn every_packet_of_keepalived_is_understood() {
    for captured in pcap::read(KEEPALIVED) {
        let form = expected_form(&captured, ChecksumForm::Rfc5798);
        let decoded = packet::decode(&captured.message, &captured.envelope, Demands::RFC_9568);
        assert_eq!(decoded, Ok(understood(&captured, form)));
    }
}

#[test]
fn we_write_what_keepalived_writes_octet_by_octet() {
    for captured in pcap::read(KEEPALIVED) {
        assert_eq!(
            written(&captured, ChecksumForm::Rfc5798),
            captured.message,
            "{:?}",
            settings_of(&captured)
        );
        assert_eq!(captured.envelope.destination, settings_of(&captured).family.multicast_group());
        assert_eq!(captured.envelope.hop_limit, packet::HOP_LIMIT);
    }
}

#[test]
fn the_form_of_rfc_9568_is_understood_told_apart_and_written_octet_by_octet() {
    let captured = pcap::read(RFC9568);
    assert_eq!(captured.len(), 8);
    for captured in captured {
        let decoded = packet::decode(&captured.message, &captured.envelope, Demands::RFC_9568);
        assert_eq!(decoded, Ok(understood(&captured, Some(ChecksumForm::Rfc9568))));
        assert_eq!(written(&captured, ChecksumForm::Rfc9568), captured.message);
    }
}

#[test]
fn a_golden_packet_with_one_bit_flipped_or_with_a_lower_ttl_is_refused() {
    for captured in pcap::read(KEEPALIVED) {
        for bit in 0..captured.message.len() * 8 {
            let mut message = captured.message.clone();
            message[bit / 8] ^= 0x80 >> (bit % 8);
            assert!(packet::decode(&message, &captured.envelope, Demands::RFC_9568).is_err(), "bit {bit}");
        }
        let routed = vrrp::Envelope { hop_limit: 254, ..captured.envelope };
        assert_eq!(
            packet::decode(&captured.message, &routed, Demands::RFC_9568),
            Err(PacketError::HopLimit { actual: 254, least: 255 })
        );
    }
}
