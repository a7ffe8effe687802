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
    assert_eq!(none.admits(&decoded).unwrap_err().cause(), "auth");
}

#[test]
fn a_pseudo_header_that_names_the_group_in_place_of_the_peer_is_understood() {
    let peer: IpAddr = "192.0.2.7".parse().unwrap();
    let settings = settings(Version::V3, Family::Ipv4);
    let message = write(&settings, Claim::Resigns, ENVELOPE.destination, ChecksumForm::Rfc5798);
    let decoded = decode(&message, &Envelope { destination: peer, ..ENVELOPE }, Demands::RFC_9568).unwrap();
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
