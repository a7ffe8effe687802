//! What a group may allow beyond RFC 9568, for the sake of routers that are there already.

use super::*;

#[test]
fn a_group_that_allows_routed_peers_says_how_far() {
    let message = plain(Version::V3, Family::Ipv4);
    let demands = Demands { least_hop_limit: 253, ..Demands::RFC_9568 };
    for (hop_limit, is_accepted) in [(255, true), (253, true), (252, false), (0, false)] {
        let decoded = decode(&message, &Envelope { hop_limit, ..ENVELOPE }, demands);
        assert_eq!(decoded.is_ok(), is_accepted, "{hop_limit}: {decoded:?}");
    }
}

#[test]
fn a_list_without_link_local_address_is_read_where_the_group_does_not_ask_for_one() {
    let addresses = vec!["2001:db8::100".parse().unwrap()];
    let settings = Settings { addresses, require_link_local: false, ..settings(Version::V3, Family::Ipv6) };
    let message = write(&settings, Claim::Resigns, ENVELOPE_V6.destination, ChecksumForm::Rfc9568);
    assert!(decode(&message, &ENVELOPE_V6, Demands::RFC_9568).is_err());
    let demands = Demands { link_local_first: false, ..Demands::RFC_9568 };
    assert_eq!(decode(&message, &ENVELOPE_V6, demands).unwrap().addresses, settings.addresses);
}

#[test]
fn simple_text_is_written_octet_by_octet_and_read_back() {
    let authentication = Authentication::simple_text("s3cret").unwrap();
    let settings = Settings { authentication, ..settings(Version::V2, Family::Ipv4) };
    let message = write(&settings, Claim::Resigns, ENVELOPE.destination, ChecksumForm::Rfc5798);
    assert_eq!(
        (message[4], &message[16..]),
        (1, &b"s3cret\0\0"[..]),
        "type 1, and the text behind two addresses"
    );
    let decoded = decode(&message, &ENVELOPE, Demands::RFC_9568).unwrap();
    assert_eq!(decoded.authentication, authentication);

    let config = Config::new(settings.clone()).unwrap();
    assert_eq!(config.admits(&decoded), Ok(()));
    let none = Config::new(Settings { authentication: Authentication::None, ..settings }).unwrap();
    assert_eq!(none.admits(&decoded).unwrap_err().cause().as_str(), "auth");
}

#[test]
fn a_pseudo_header_that_names_the_group_in_place_of_the_peer_is_understood() {
    let peer: IpAddr = "192.0.2.7".parse().unwrap();
    let settings = settings(Version::V3, Family::Ipv4);
    let message = write(&settings, Claim::Resigns, ENVELOPE.destination, ChecksumForm::Rfc5798);
    let demands = Demands { multicast: false, ..Demands::RFC_9568 };
    let decoded = decode(&message, &Envelope { destination: peer, ..ENVELOPE }, demands).unwrap();
    assert_eq!(decoded.checksum, Some(ChecksumForm::Rfc5798));
}

#[test]
fn addresses_that_do_not_fit_are_held_and_not_listed() {
    for (family, room) in [(Family::Ipv4, 255), (Family::Ipv6, 90)] {
        let all: Vec<IpAddr> = (0..300_u16)
            .map(|number| match family {
                Family::Ipv4 => Ipv4Addr::from_bits(0xc633_0000 | u32::from(number)).into(),
                Family::Ipv6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, number).into(),
            })
            .collect();
        let settings = Settings { addresses: all.clone(), ..settings(Version::V3, family) };
        let config = Config::new(settings.clone()).unwrap();
        assert_eq!((config.addresses(), config.advertised()), (&all[..], &all[..room]));

        let envelope = if family == Family::Ipv4 { ENVELOPE } else { ENVELOPE_V6 };
        let message = write(&settings, Claim::Resigns, envelope.destination, ChecksumForm::Rfc5798);
        let decoded = decode(&message, &envelope, Demands::RFC_9568).unwrap();
        assert_eq!(decoded.addresses, &all[..room]);
        let peers = Advertisement { source: "192.0.2.1".parse().unwrap(), ..decoded };
        assert_eq!(config.discrepancies(&peers), [], "a peer with the same addresses is no odd one");
    }
}

#[test]
fn an_advertisement_fits_the_interface_with_as_many_addresses_as_there_is_room_for() {
    for (version, family, header, address) in [
        (Version::V2, Family::Ipv4, 20, 4),
        (Version::V3, Family::Ipv4, 20, 4),
        (Version::V3, Family::Ipv6, 40, 16),
    ] {
        let addresses = (0..255_u16).map(|number| match family {
            Family::Ipv4 => Ipv4Addr::from(0x0a00_0000 + u32::from(number)).into(),
            Family::Ipv6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, number).into(),
        });
        let settings = Settings { addresses: addresses.collect(), ..settings(version, family) };
        for octets in (0..=9_000).step_by(7) {
            let config = Config::new(settings.clone()).unwrap().within(octets);
            let (claim, interval, checksum) = (Claim::Resigns, config.interval(), ChecksumForm::Rfc5798);
            let destination = family.multicast_group();
            let message = encode(&Outgoing { config: &config, claim, interval, destination, checksum });
            let (length, listed) = (header + message.len(), config.advertised().len());
            let most = octets.min(1_500);
            assert!(length <= most || listed == 1, "{length} of {octets} octets");
            assert!(length + address > most || listed == 255, "{listed} addresses in {octets} octets");
        }
    }
}

#[test]
fn a_router_that_concedes_says_the_winner_s_interval() {
    for (version, ours, theirs) in [(Version::V3, 100, 40_950), (Version::V2, 1_000, 255_000)] {
        let [ours, theirs] =
            [ours, theirs].map(|ms| AdvertisementInterval::from_millis(version, ms).unwrap());
        let settings = Settings { interval: ours, ..settings(version, Family::Ipv4) };
        let config = Config::new(settings).unwrap();
        let (claim, checksum) = (Claim::Holds(config.priority()), ChecksumForm::Rfc5798);
        let destination = ENVELOPE.destination;
        let message = encode(&Outgoing { config: &config, claim, interval: theirs, destination, checksum });
        let decoded = decode(&message, &ENVELOPE, Demands::RFC_9568).unwrap();
        assert_eq!((decoded.claim, decoded.interval), (claim, theirs));
    }
}

#[test]
fn what_no_router_can_have_sent_is_refused() {
    let by_source = |text: &str, demands| {
        let source: IpAddr = text.parse().unwrap();
        let family = Family::of(source);
        let message = plain(Version::V3, family);
        let envelope = Envelope { source, destination: family.multicast_group(), hop_limit: HOP_LIMIT };
        decode(&message, &envelope, demands).map_err(|error| error.cause().as_str())
    };
    let unicast = Demands { multicast: false, ..Demands::RFC_9568 };
    for source in
        ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.18", "239.1.1.1", "240.0.0.1", "255.255.255.255"]
    {
        assert_eq!(by_source(source, Demands::RFC_9568), Err("source"), "{source}");
        assert_eq!(by_source(source, unicast), Err("source"), "{source}");
    }
    for source in ["::", "::1", "ff02::12"] {
        assert_eq!(by_source(source, Demands::RFC_9568), Err("source"), "{source}");
        assert_eq!(by_source(source, unicast), Err("source"), "{source}");
    }
    assert_eq!(by_source("2001:db8::9", Demands::RFC_9568), Err("source"));
    assert_ne!(by_source("2001:db8::9", unicast), Err("source"), "peers may be known by global addresses");
    for source in ["1.0.0.0", "126.255.255.255", "128.0.0.1", "223.255.255.255", "fe80::9", "febf::9"] {
        assert_ne!(by_source(source, Demands::RFC_9568), Err("source"), "{source}");
    }
}

#[test]
fn what_was_not_sent_to_the_multicast_group_is_refused_where_routers_speak_to_all() {
    for destination in ["192.0.2.7", "224.0.0.1", "224.0.0.19", "255.255.255.255", "192.0.2.255"] {
        let envelope = Envelope { destination: destination.parse().unwrap(), ..ENVELOPE };
        let error = decode(&v3(), &envelope, Demands::RFC_9568).unwrap_err();
        assert_eq!(error.cause().as_str(), "destination", "{destination}");
        let unicast = Demands { multicast: false, ..Demands::RFC_9568 };
        assert!(decode(&v3(), &envelope, unicast).is_ok(), "{destination}");
    }
    for destination in ["fe80::7", "ff02::1", "ff05::12"] {
        let envelope = Envelope { destination: destination.parse().unwrap(), ..ENVELOPE_V6 };
        let message = plain(Version::V3, Family::Ipv6);
        assert_eq!(
            decode(&message, &envelope, Demands::RFC_9568).unwrap_err().cause().as_str(),
            "destination"
        );
    }
}
