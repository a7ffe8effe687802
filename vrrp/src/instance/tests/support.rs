//! Routers in the state that a test wants, and the advertisements they hear.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::{
    Action, Advertisement, AdvertisementInterval, Authentication, Change, Claim, Config, Family, Instance,
    Instant, Priority, Reason, Role, Settings, Version, Vrid,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MOMENT: Duration = Duration::from_nanos(1);

/// Our own address ends in this.
pub(super) const OUR_HOST: u8 = 20;

pub(super) fn start() -> Instant {
    Instant::from_origin(Duration::from_secs(1_000))
}

pub(super) fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

pub(super) fn priority(number: u8) -> Priority {
    Priority::new(number).unwrap()
}

pub(super) fn interval(milliseconds: u32) -> AdvertisementInterval {
    AdvertisementInterval::from_millis(Version::V3, milliseconds).unwrap()
}

pub(super) fn host(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
}

/// A preempting version 3 router that advertises every second.
pub(super) fn settings(number: u8) -> Settings {
    Settings {
        version: Version::V3,
        family: Family::Ipv4,
        vrid: Vrid::new(7).unwrap(),
        priority: priority(number),
        interval: interval(1_000),
        preempt: true,
        preempt_delay: Duration::ZERO,
        refresh: None,
        require_link_local: true,
        authentication: Authentication::None,
        addresses: vec![host(100)],
        source: host(OUR_HOST),
    }
}

/// The same virtual router number in the other family.
pub(super) fn settings_of_ipv6(number: u8) -> Settings {
    let (addresses, source) = (vec!["fe80::100".parse().unwrap()], "fe80::20".parse().unwrap());
    Settings { family: Family::Ipv6, addresses, source, ..settings(number) }
}

pub(super) fn started(settings: Settings) -> Instance {
    let mut router = Instance::new(Config::new(settings).unwrap());
    router.start(start());
    router
}

/// A Backup since [`start`] that knows of no other router.
pub(super) fn backup(settings: Settings) -> Instance {
    let mut router = started(settings);
    assert_eq!(
        actions(&mut router),
        [report(Role::Initialize, Role::Backup, Reason::Started)],
        "a Backup has nothing else to do"
    );
    router
}

/// A router that became Active at the time that comes with it.
pub(super) fn active(settings: Settings) -> (Instance, Instant) {
    let mut router = started(settings);
    let now = router.poll_timeout().unwrap_or(start());
    router.handle_timeout(now);
    router.handle_held(now);
    assert_eq!(router.role(), Role::Active);
    actions(&mut router);
    (router, now)
}

pub(super) fn actions(router: &mut Instance) -> Vec<Action> {
    std::iter::from_fn(|| router.poll_action()).collect()
}

/// From the router whose address ends in `last`, which advertises every second.
pub(super) fn says(last: u8, claim: Claim) -> Advertisement {
    let Settings { version, family, vrid, interval, addresses, .. } = settings(1);
    Advertisement {
        version,
        family,
        vrid,
        claim,
        interval,
        addresses,
        source: host(last),
        authentication: Authentication::None,
        checksum: None,
    }
}

pub(super) fn holds(last: u8, number: u8) -> Advertisement {
    says(last, Claim::Holds(priority(number)))
}

pub(super) fn resigns(last: u8) -> Advertisement {
    says(last, Claim::Resigns)
}

pub(super) fn hear(router: &mut Instance, advertisement: &Advertisement, now: Instant) -> Vec<Action> {
    router.handle_advertisement(advertisement, now).unwrap();
    actions(router)
}

pub(super) fn advertise(number: u8) -> Action {
    Action::Advertise(Claim::Holds(priority(number)))
}

pub(super) const RESIGN: Action = Action::Advertise(Claim::Resigns);

pub(super) const fn report(from: Role, to: Role, reason: Reason) -> Action {
    Action::Report(Change { from, to, reason })
}
