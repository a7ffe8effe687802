//! Every check, one by one, and what must hold for any bytes. What others put on the wire is in `tests/golden`.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Priority, Settings};

mod extensions;

const ENVELOPE: Envelope = Envelope {
    source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)),
    destination: Family::Ipv4.multicast_group(),
    hop_limit: HOP_LIMIT,
};
const ENVELOPE_V6: Envelope = Envelope {
    source: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9)),
    destination: Family::Ipv6.multicast_group(),
    hop_limit: HOP_LIMIT,
};

fn settings(version: Version, family: Family) -> Settings {
    let (addresses, source) = match family {
        Family::Ipv4 => (vec!["192.0.2.100", "192.0.2.101"], ENVELOPE.source),
        Family::Ipv6 => (vec!["fe80::100", "2001:db8::100"], ENVELOPE_V6.source),
    };
    Settings {
        version,
        family,
        vrid: Vrid::new(7).unwrap(),
        priority: Priority::new(100).unwrap(),
        interval: AdvertisementInterval::DEFAULT_V2,
        preempt: true,
        preempt_delay: Duration::ZERO,
        refresh: None,
        require_link_local: true,
        authentication: Authentication::None,
        addresses: addresses.into_iter().map(|address| address.parse().unwrap()).collect(),
        source,
    }
}

fn write(settings: &Settings, claim: Claim, destination: IpAddr, checksum: ChecksumForm) -> Vec<u8> {
    let config = Config::new(settings.clone()).unwrap();
    encode(&Outgoing { config: &config, claim, interval: config.interval(), destination, checksum })
}

fn v3() -> Vec<u8> {
    plain(Version::V3, Family::Ipv4)
}

fn plain(version: Version, family: Family) -> Vec<u8> {
    let settings = settings(version, family);
    let claim = Claim::Holds(settings.priority);
    write(&settings, claim, family.multicast_group(), ChecksumForm::Rfc9568)
}

/// Puts the plain checksum right after an edit.
fn sealed(mut message: Vec<u8>) -> Vec<u8> {
    message[CHECKSUM_FIELD].fill(0);
    let sum = checksum::slow_reference(&message);
    message[CHECKSUM_FIELD].copy_from_slice(&sum.to_be_bytes());
    message
}

fn edited(mut message: Vec<u8>, at: usize, octet: u8) -> Vec<u8> {
    message[at] = octet;
    sealed(message)
}

fn refused(message: &[u8]) -> (PacketError, &'static str) {
    let error = decode(message, &ENVELOPE, Demands::RFC_9568).unwrap_err();
    let cause = error.cause().as_str();
    (error, cause)
}

#[test]
fn a_packet_that_may_have_been_routed_is_refused() {
    for hop_limit in [0, 1, 64, 254] {
        let error = decode(&v3(), &Envelope { hop_limit, ..ENVELOPE }, Demands::RFC_9568).unwrap_err();
        assert_eq!(
            (error.cause().as_str(), error),
            ("ttl", PacketError::HopLimit { actual: hop_limit, least: HOP_LIMIT })
        );
    }
}

#[test]
fn versions_other_than_2_and_3_are_refused() {
    for version in (0..=15).filter(|version| ![2, 3].contains(version)) {
        let message = edited(v3(), 0, (version << 4) | TYPE);
        assert_eq!(refused(&message), (PacketError::Version(version), "version"));
    }
}

#[test]
fn version_2_over_ipv6_is_refused() {
    let mut message = plain(Version::V3, Family::Ipv6);
    message[0] = 0x21;
    let error = decode(&message, &ENVELOPE_V6, Demands::RFC_9568).unwrap_err();
    assert_eq!((error.cause().as_str(), error), ("family", PacketError::Version2OverIpv6));
}

#[test]
fn addresses_of_two_families_in_one_header_are_refused() {
    let envelope = Envelope { destination: ENVELOPE_V6.destination, ..ENVELOPE };
    assert_eq!(decode(&v3(), &envelope, Demands::RFC_9568).unwrap_err().cause().as_str(), "family");
}

#[test]
fn types_other_than_1_are_refused() {
    for number in (0..=15).filter(|number| *number != TYPE) {
        let message = edited(v3(), 0, 0x30 | number);
        assert_eq!(refused(&message), (PacketError::Type(number), "type"));
    }
}

#[test]
fn every_length_but_the_right_one_is_refused() {
    for version in [Version::V2, Version::V3] {
        let right = plain(version, Family::Ipv4);
        for length in 0..right.len() {
            assert_eq!(refused(&right[..length]).1, "length", "{length} octets");
        }
        assert_eq!(refused(&sealed([right.clone(), vec![0; 2]].concat())).1, "length");
        assert_eq!(refused(&edited(right.clone(), 3, 3)).1, "length", "counts one more than it carries");
        assert_eq!(refused(&edited(right, 3, 1)).1, "length", "counts one less");
    }
}

#[test]
fn a_wrong_checksum_is_refused_and_shown() {
    let mut message = v3();
    message[7] ^= 1;
    let carried = u16::from_be_bytes([message[6], message[7]]);
    assert_eq!(refused(&message), (PacketError::Checksum(carried), "checksum"));
}

#[test]
fn version_2_does_not_take_a_pseudo_header() {
    let message = plain(Version::V2, Family::Ipv4);
    assert_eq!(decode(&message, &ENVELOPE, Demands::RFC_9568).unwrap().checksum, None);

    let mut blank = message;
    blank[CHECKSUM_FIELD].fill(0);
    let Envelope { source, destination, .. } = ENVELOPE;
    let endpoints = Endpoints { source, destination };
    let sum = checksum::to_send(Version::V3, Family::Ipv4, ChecksumForm::Rfc5798, &blank, endpoints);
    blank[CHECKSUM_FIELD].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(refused(&blank).1, "checksum");
}

#[test]
fn ipv6_does_not_do_without_a_pseudo_header() {
    let message = sealed(plain(Version::V3, Family::Ipv6));
    assert_eq!(decode(&message, &ENVELOPE_V6, Demands::RFC_9568).unwrap_err().cause().as_str(), "checksum");
}

#[test]
fn a_checksum_that_is_right_in_both_forms_tells_no_form() {
    // Source, destination, protocol and length add up to a multiple of 0xffff.
    let settings = settings(Version::V3, Family::Ipv4);
    let length = u16::try_from(HEADER_LENGTH + 8).unwrap();
    let rest = u32::from(0xe000_u16) + 0x0012 + 112 + u32::from(length);
    let low = u16::try_from(0xffff - rest - 0x0a00).unwrap();
    let [high, low] = low.to_be_bytes();
    let source: IpAddr = Ipv4Addr::new(10, 0, high, low).into();

    let settings = Settings { source, ..settings };
    for form in [ChecksumForm::Rfc9568, ChecksumForm::Rfc5798] {
        let message = write(&settings, Claim::Resigns, ENVELOPE.destination, form);
        assert_eq!(
            decode(&message, &Envelope { source, ..ENVELOPE }, Demands::RFC_9568).unwrap().checksum,
            None
        );
    }
}

#[test]
fn vrid_0_is_refused() {
    assert_eq!(refused(&edited(v3(), 1, 0)), (PacketError::Vrid, "vrid"));
}

#[test]
fn interval_0_is_refused_whatever_the_reserved_bits_say() {
    for reserved in [0x00, 0xf0] {
        let message = edited(edited(v3(), 4, reserved), 5, 0);
        assert_eq!(refused(&message), (PacketError::Interval, "interval"));
    }
    let message = edited(plain(Version::V2, Family::Ipv4), 5, 0);
    assert_eq!(refused(&message), (PacketError::Interval, "interval"));
}

#[test]
fn the_reserved_bits_are_no_part_of_the_interval() {
    let message = edited(v3(), 4, 0xf0);
    let interval = decode(&message, &ENVELOPE, Demands::RFC_9568).unwrap().interval;
    assert_eq!(interval.as_millis(), 1_000);
}

#[test]
fn a_list_without_addresses_is_refused() {
    for version in [Version::V2, Version::V3] {
        let mut message = plain(version, Family::Ipv4);
        message.drain(HEADER_LENGTH..HEADER_LENGTH + 8);
        assert_eq!(refused(&edited(message, 3, 0)), (PacketError::NoAddress, "address_list"));
    }
}

#[test]
fn a_list_whose_first_ipv6_address_is_not_link_local_is_refused() {
    let global: Ipv6Addr = "2001:db8::100".parse().unwrap();
    let mut message = plain(Version::V3, Family::Ipv6);
    message[8..24].copy_from_slice(&global.octets());
    message[CHECKSUM_FIELD].fill(0);
    let Envelope { source, destination, .. } = ENVELOPE_V6;
    let endpoints = Endpoints { source, destination };
    let sum = checksum::to_send(Version::V3, Family::Ipv6, ChecksumForm::Rfc9568, &message, endpoints);
    message[CHECKSUM_FIELD].copy_from_slice(&sum.to_be_bytes());
    let error = decode(&message, &ENVELOPE_V6, Demands::RFC_9568).unwrap_err();
    assert_eq!(
        (error.cause().as_str(), error),
        ("address_list", PacketError::FirstAddressNotLinkLocal(global))
    );
}

#[test]
fn version_2_with_unknown_authentication_is_refused() {
    for number in [2, 3, 255] {
        let message = edited(plain(Version::V2, Family::Ipv4), 4, number);
        assert_eq!(refused(&message), (PacketError::AuthenticationType(number), "auth"));
    }
}

#[test]
fn the_authentication_data_of_version_2_is_sent_as_zeros_and_ignored_when_received() {
    let message = plain(Version::V2, Family::Ipv4);
    let (head, data) = message.split_at(message.len() - AUTHENTICATION_LENGTH);
    assert_eq!(data, [0; AUTHENTICATION_LENGTH]);
    let message = sealed([head, b"password"].concat());
    assert!(decode(&message, &ENVELOPE, Demands::RFC_9568).is_ok());
}

#[test]
fn a_bad_packet_still_tells_whose_counter_it_belongs_to() {
    assert_eq!(peek(&[0x5f, 9]), Some((5, Vrid::new(9).unwrap())));
    assert_eq!(peek(&[0x31, 0, 1]), None, "no router has VRID 0");
    assert_eq!((peek(&[0x31]), peek(&[])), (None, None));
}

#[test]
fn the_longest_list_fits_the_count() {
    let addresses = (0..255).map(|last| Ipv4Addr::new(198, 51, 100, last).into()).collect();
    let settings = Settings { addresses, ..settings(Version::V3, Family::Ipv4) };
    let message = write(&settings, Claim::Resigns, ENVELOPE.destination, ChecksumForm::Rfc5798);
    assert_eq!((message[3], message.len()), (255, 8 + 4 * 255));
    assert_eq!(decode(&message, &ENVELOPE, Demands::RFC_9568).unwrap().addresses, settings.addresses);
}

/// Settings of any router that could exist.
fn any_settings() -> impl Strategy<Value = Settings> {
    let any_host = |family| {
        any::<u64>().prop_map(move |bits| -> IpAddr {
            let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
            match family {
                Family::Ipv4 => Ipv4Addr::new(10 | (a & 0x50), b, c, d).into(),
                Family::Ipv6 => {
                    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h | 1]).into()
                }
            }
        })
    };
    let versions = prop_oneof![
        Just((Version::V2, Family::Ipv4)),
        Just((Version::V3, Family::Ipv4)),
        Just((Version::V3, Family::Ipv6)),
    ];
    versions.prop_flat_map(move |(version, family)| {
        let interval = match version {
            Version::V2 => (1..=255_u8).prop_map(AdvertisementInterval::from_seconds).boxed(),
            Version::V3 => (1..=4_095_u16).prop_map(AdvertisementInterval::from_centiseconds).boxed(),
        };
        let addresses = prop::collection::btree_set(any_host(family), 1..20);
        (1..=255_u8, 1..=254_u8, interval, addresses, any_host(family)).prop_filter_map(
            "a source among the virtual addresses",
            move |(vrid, priority, interval, addresses, source)| {
                let addresses: Vec<IpAddr> = addresses.into_iter().collect();
                (!addresses.contains(&source)).then_some(Settings {
                    version,
                    family,
                    vrid: Vrid::new(vrid)?,
                    priority: Priority::new(priority)?,
                    interval: interval?,
                    preempt: true,
                    preempt_delay: Duration::ZERO,
                    refresh: None,
                    require_link_local: true,
                    authentication: Authentication::None,
                    addresses,
                    source,
                })
            },
        )
    })
}

fn any_form() -> impl Strategy<Value = ChecksumForm> {
    prop_oneof![Just(ChecksumForm::Rfc9568), Just(ChecksumForm::Rfc5798)]
}

/// Writes down again what was decoded, in the form in which it came.
fn rewritten(decoded: &Advertisement, form: ChecksumForm) -> Option<Vec<u8>> {
    let Advertisement { version, family, vrid, claim, interval, ref addresses, source, .. } = *decoded;
    let priority = match claim {
        Claim::Holds(priority) => priority,
        Claim::Resigns => Priority::MIN,
    };
    let addresses = addresses.clone();
    let settings = Settings { vrid, priority, interval, addresses, source, ..settings(version, family) };
    let config = Config::new(settings).ok()?;
    let destination = family.multicast_group();
    Some(encode(&Outgoing { config: &config, claim, interval, destination, checksum: form }))
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(
        message in prop::collection::vec(any::<u8>(), 0..128),
        v6: bool,
    ) {
        let envelope = if v6 { ENVELOPE_V6 } else { ENVELOPE };
        let _ = peek(&message);
        if let Err(error) = decode(&message, &envelope, Demands::RFC_9568) {
            prop_assert!(!error.cause().as_str().is_empty() && !error.to_string().is_empty());
        }
    }

    #[test]
    fn what_is_written_is_read_back(settings in any_settings(), resigns: bool, form in any_form()) {
        let claim = if resigns { Claim::Resigns } else { Claim::Holds(settings.priority) };
        let destination = settings.family.multicast_group();
        let message = write(&settings, claim, destination, form);
        let decoded = decode(&message, &Envelope { source: settings.source, destination, hop_limit: HOP_LIMIT }, Demands::RFC_9568);
        let decoded = decoded.unwrap();
        let Settings { version, family, vrid, interval, addresses, source, .. } = settings;
        if (version, family) == (Version::V3, Family::Ipv4) {
            prop_assert!([Some(form), None].contains(&decoded.checksum));
        } else {
            prop_assert_eq!(decoded.checksum, None);
        }
        let checksum = decoded.checksum;
        let authentication = Authentication::None;
        let written =
            Advertisement { version, family, vrid, claim, interval, authentication, addresses, source, checksum };
        prop_assert_eq!(decoded, written);
    }

    /// A mutated message whose checksum was put right is refused, or says exactly what its octets say.
    #[test]
    fn a_mutated_packet_is_refused_or_means_its_octets(
        settings in any_settings(),
        form in any_form(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        reseal: bool,
    ) {
        let destination = settings.family.multicast_group();
        let mut message = write(&settings, Claim::Holds(settings.priority), destination, form);
        for (index, octet) in mutations {
            let at = index.index(message.len());
            message[at] = octet;
        }
        if reseal {
            message = sealed(message);
        }
        let envelope = Envelope { source: settings.source, destination, hop_limit: HOP_LIMIT };
        if let Ok(decoded) = decode(&message, &envelope, Demands::RFC_9568) {
            let form = decoded.checksum.unwrap_or(ChecksumForm::Rfc9568);
            let Some(rewritten) = rewritten(&decoded, form) else { return Ok(()) };
            let mut expected = message.clone();
            match decoded.version {
                Version::V2 => {
                    let data = expected.len() - AUTHENTICATION_LENGTH;
                    expected[data..].fill(0);
                }
                Version::V3 => expected[4] &= 0x0f,
            }
            if expected != message {
                expected[CHECKSUM_FIELD].copy_from_slice(&rewritten[CHECKSUM_FIELD]); // Ignored bits were in the sum.
            }
            prop_assert_eq!(rewritten, expected);
        }
    }
}
