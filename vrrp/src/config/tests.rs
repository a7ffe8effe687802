use std::time::Duration;

use super::*;
use crate::IntervalError;

fn ipv4() -> Settings {
    Settings {
        version: Version::V3,
        family: Family::Ipv4,
        vrid: Vrid::new(7).unwrap(),
        priority: Priority::new(100).unwrap(),
        interval: AdvertisementInterval::DEFAULT_V3,
        preempt: true,
        preempt_delay: Duration::ZERO,
        refresh: None,
        require_link_local: true,
        authentication: Authentication::None,
        addresses: vec![address("192.0.2.100")],
        source: address("192.0.2.1"),
    }
}

fn ipv6() -> Settings {
    Settings {
        family: Family::Ipv6,
        addresses: vec![address("fe80::100"), address("2001:db8::100")],
        source: address("fe80::1"),
        ..ipv4()
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The field that is named, and the message.
fn refused(settings: Settings) -> (&'static str, String) {
    let error = Config::new(settings).unwrap_err();
    (error.field(), error.to_string())
}

#[test]
fn sound_settings_of_each_version_and_family_are_accepted() {
    let v2 = Settings { version: Version::V2, interval: AdvertisementInterval::DEFAULT_V2, ..ipv4() };
    for settings in [ipv4(), ipv6(), v2] {
        assert!(Config::new(settings.clone()).is_ok(), "{settings:?}");
    }
}

#[test]
fn version_2_is_refused_for_ipv6() {
    let settings = Settings { version: Version::V2, interval: AdvertisementInterval::DEFAULT_V2, ..ipv6() };
    assert_eq!(refused(settings), ("version", "version 2 does not know IPv6: allowed is version 3".into()));
}

#[test]
fn an_interval_that_the_version_cannot_say_is_refused() {
    let longer = AdvertisementInterval::from_millis(Version::V2, 41_000).unwrap();
    let shorter = AdvertisementInterval::from_millis(Version::V3, 100).unwrap();
    assert_eq!(refused(Settings { interval: longer, ..ipv4() }).0, "interval");
    let error = Config::new(Settings { version: Version::V2, interval: shorter, ..ipv4() }).unwrap_err();
    assert_eq!(error, ConfigError::Interval(IntervalError::NotV2(100)));
}

#[test]
fn a_list_needs_between_one_address_and_a_thousand() {
    let listed =
        |number: u32| (0..number).map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + n).into()).collect();
    assert_eq!(refused(Settings { addresses: vec![], ..ipv4() }).0, "addresses");
    assert!(Config::new(Settings { addresses: listed(1_000), ..ipv4() }).is_ok());
    let (field, message) = refused(Settings { addresses: listed(1_001), ..ipv4() });
    assert_eq!((field, &*message), ("addresses", "1001 virtual addresses: allowed are 1 to 1000"));
}

#[test]
fn an_address_that_no_host_can_have_is_refused() {
    for text in ["0.0.0.0", "127.0.0.1", "224.0.0.18", "255.255.255.255"] {
        let (field, message) = refused(Settings { addresses: vec![address(text)], ..ipv4() });
        assert_eq!(field, "addresses");
        assert!(message.contains(text) && message.contains("allowed"), "{message}");
    }
    for text in ["::", "::1", "ff02::12"] {
        assert_eq!(refused(Settings { addresses: vec![address(text)], ..ipv6() }).0, "addresses");
    }
}

#[test]
fn an_address_twice_or_of_the_other_family_is_refused() {
    let twice = vec![address("192.0.2.100"), address("192.0.2.101"), address("192.0.2.100")];
    let error = Config::new(Settings { addresses: twice, ..ipv4() }).unwrap_err();
    assert_eq!(error, ConfigError::DuplicateAddress(address("192.0.2.100")));
    let mixed = vec![address("192.0.2.100"), address("2001:db8::1")];
    assert_eq!(refused(Settings { addresses: mixed, ..ipv4() }).0, "addresses");
}

#[test]
fn the_first_ipv6_address_must_be_link_local() {
    let addresses = vec![address("2001:db8::100"), address("fe80::100")];
    let error = Config::new(Settings { addresses, ..ipv6() }).unwrap_err();
    assert_eq!(error, ConfigError::FirstAddressNotLinkLocal(address("2001:db8::100")));
}

#[test]
fn the_source_must_be_an_address_that_can_advertise() {
    for source in ["fe80::1", "0.0.0.0", "224.0.0.18", "127.0.0.1"] {
        assert_eq!(refused(Settings { source: address(source), ..ipv4() }).0, "source", "{source}");
    }
    for source in ["192.0.2.1", "2001:db8::1", "::"] {
        assert_eq!(refused(Settings { source: address(source), ..ipv6() }).0, "source", "{source}");
    }
}

#[test]
fn only_an_owner_advertises_from_a_virtual_address() {
    let settings = Settings { source: address("192.0.2.100"), ..ipv4() };
    assert_eq!(refused(settings.clone()).0, "source");
    assert!(Config::new(Settings { priority: Priority::OWNER, ..settings }).is_ok());
}

#[test]
fn extensions_have_their_ranges() {
    let delay = MAX_PREEMPT_DELAY + Duration::from_millis(1);
    let (field, message) = refused(Settings { preempt_delay: delay, ..ipv4() });
    assert_eq!(
        (field, &*message),
        ("preempt_delay", "preempt delay 3600001 ms: allowed are 0 to 3600000 ms")
    );
    assert!(Config::new(Settings { preempt_delay: MAX_PREEMPT_DELAY, ..ipv4() }).is_ok());

    let refresh = Some(Duration::from_millis(999));
    assert_eq!(
        refused(Settings { refresh, ..ipv4() }),
        ("refresh", "refresh 999 ms: allowed are 1000 ms and more".into())
    );
    assert!(Config::new(Settings { refresh: Some(MIN_REFRESH), ..ipv4() }).is_ok());

    let authentication = Authentication::simple_text("text").unwrap();
    assert_eq!(refused(Settings { authentication, ..ipv4() }).0, "authentication");
    let v2 = Settings { version: Version::V2, interval: AdvertisementInterval::DEFAULT_V2, ..ipv4() };
    assert!(Config::new(Settings { authentication, ..v2 }).is_ok());
}

#[test]
fn a_first_ipv6_address_need_not_be_link_local_where_the_group_says_so() {
    let global = Settings { addresses: vec![address("2001:db8::100")], ..ipv6() };
    assert_eq!(refused(global.clone()).0, "addresses");
    assert!(Config::new(Settings { require_link_local: false, ..global }).is_ok());
}
