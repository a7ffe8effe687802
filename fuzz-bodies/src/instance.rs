//! [`vrrp::Instance`]: any settings, any calls in any order at any time, any advertisements.

use std::net::IpAddr;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use vrrp::{
    Action, Advertisement, AdvertisementInterval, Authentication, Change, ChecksumForm, Claim, Config,
    DropCause, Family, Instance, Instant, Priority, Role, Settings, Version, Vrid,
};

use crate::envelope;

/// How many calls one case makes at most.
const MOST_CALLS: usize = 400;
/// What one call asks for at most: a takeover, or a rebinding, and what follows from it.
const MOST_ACTIONS: usize = 5;

/// A router and what happens to it, read one after the other from the octets.
///
/// # Panics
/// When a promise is broken.
pub fn instance_events(data: &[u8]) {
    let _enough = live(&mut Unstructured::new(data));
}

/// What the caller has been told, and so must be true.
struct Told {
    role: Role,
    holds: bool,
}

fn live(input: &mut Unstructured<'_>) -> Result<()> {
    let (version, family) = *input.choose(&[
        (Version::V2, Family::Ipv4),
        (Version::V3, Family::Ipv4),
        (Version::V3, Family::Ipv6),
    ])?;
    let Some(config) = settings(input, version, family)? else { return Ok(()) };
    let mut router = Instance::new(config);
    let mut now = Instant::from_origin(Duration::from_hours(1));
    let mut told = Told { role: Role::Initialize, holds: false };
    for _ in 0..MOST_CALLS {
        if input.is_empty() {
            break;
        }
        let later = Duration::from_millis(u64::from(input.arbitrary::<u16>()?) / 8);
        now = if input.ratio(1, 20)? { now - later } else { now + later };
        let timeout = call(&mut router, input, now, &mut told)?;
        follow(&mut router, &mut told);
        if timeout {
            let next = router.poll_timeout();
            assert!(next.is_none_or(|next| next > now), "woken in vain at {now:?} for {next:?}");
        }
        let idle = told.role == Role::Initialize || (told.holds && told.role != Role::Active);
        assert_eq!(
            router.poll_timeout().is_none(),
            idle,
            "there is a deadline unless it is the caller's turn"
        );
    }
    Ok(())
}

/// One call; whether it was the one that acts on deadlines.
fn call(router: &mut Instance, input: &mut Unstructured<'_>, now: Instant, told: &mut Told) -> Result<bool> {
    let config = router.config().clone();
    match input.int_in_range(0..=15)? {
        0 => router.start(now),
        1 => {
            let ago = Duration::from_millis(input.arbitrary::<u16>()?.into());
            let adopts = router.role() == Role::Initialize && !router.wants_addresses();
            router.adopt(now, if input.arbitrary()? { now - ago } else { now + ago });
            if adopts {
                *told = Told { role: Role::Active, holds: true };
            }
        }
        2 => router.stop(now),
        3 => router.fault(),
        4 => router.handle_hold_failed(now),
        5 | 6 => router.handle_held(now),
        7 => {
            let (version, family) = if input.ratio(1, 8)? {
                (Version::V3, Family::Ipv6)
            } else {
                (config.version(), config.family())
            };
            if let Some(other) = settings(input, version, family)? {
                let same = config.is_same_router(&other);
                assert_eq!(router.reconfigure(other, now).is_ok(), same);
            }
        }
        8..=10 => {
            router.handle_timeout(now);
            return Ok(true);
        }
        _ => hear(router, input, now)?,
    }
    Ok(false)
}

fn hear(router: &mut Instance, input: &mut Unstructured<'_>, now: Instant) -> Result<()> {
    let said = advertisement(input, router.config())?;
    let before = (router.role(), router.poll_timeout(), router.wants_addresses());
    let Err(refusal) = router.handle_advertisement(&said, now) else { return Ok(()) };
    assert_ne!(refusal.cause(), DropCause::Overflow, "{refusal}");
    assert_eq!(
        before,
        (router.role(), router.poll_timeout(), router.wants_addresses()),
        "a refusal moves nothing"
    );
    assert_eq!(router.poll_action(), None, "a refusal asks for nothing");
    Ok(())
}

/// Takes what is asked for, and checks that the caller can believe what it was told.
fn follow(router: &mut Instance, told: &mut Told) {
    let role = router.role();
    let mut taken = 0;
    while let Some(action) = router.poll_action() {
        taken += 1;
        assert!(taken <= MOST_ACTIONS, "{action:?} is one too many");
        match action {
            Action::Hold => told.holds = true,
            Action::Release | Action::HandOver => told.holds = false,
            Action::Advertise(_) | Action::Concede(_) | Action::Announce | Action::Hush => {
                assert!(told.holds, "{action:?} without the addresses");
                assert!(told.role == Role::Active || role == Role::Active, "{action:?} as {:?}", told.role);
            }
            Action::Report(Change { from, to, .. }) => {
                assert_eq!(from, told.role);
                assert_ne!(from, to);
                told.role = to;
            }
        }
    }
    assert_eq!(told.role, role, "every change is reported, once");
    assert_eq!(told.holds, router.wants_addresses(), "Hold and Release tell the level");
    assert!(role != Role::Active || told.holds, "Active wants the addresses");
}

fn settings(input: &mut Unstructured<'_>, version: Version, family: Family) -> Result<Option<Config>> {
    let count = input.int_in_range(1..=4_u8)?;
    let settings = Settings {
        version,
        family,
        vrid: Vrid::new(51).expect("a VRID"),
        priority: Priority::new(input.arbitrary()?).unwrap_or(Priority::MIN),
        interval: interval(input, version)?,
        preempt: input.arbitrary()?,
        preempt_delay: Duration::from_millis(input.arbitrary::<u16>()?.into()),
        addresses: (0..count).map(|number| virtual_address(family, number)).collect(),
        refresh: input.arbitrary::<Option<u8>>()?.map(|seconds| Duration::from_secs(seconds.into())),
        require_link_local: input.arbitrary()?,
        authentication: Authentication::None,
        source: envelope::router(input, family)?,
    };
    Ok(Config::new(settings).ok())
}

/// What a message decodes to: mostly about the router that hears it.
fn advertisement(input: &mut Unstructured<'_>, config: &Config) -> Result<Advertisement> {
    let (version, family) =
        if input.ratio(1, 10)? { (Version::V3, Family::Ipv6) } else { (config.version(), config.family()) };
    let vrid = if input.ratio(1, 10)? { Vrid::new(input.arbitrary()?) } else { None };
    let forms = [None, Some(ChecksumForm::Rfc9568), Some(ChecksumForm::Rfc5798)];
    Ok(Advertisement {
        version,
        family,
        vrid: vrid.unwrap_or(config.vrid()),
        claim: Claim::from_octet(input.arbitrary()?),
        interval: if input.arbitrary()? { config.interval() } else { interval(input, version)? },
        authentication: Authentication::None,
        addresses: vec![virtual_address(family, input.arbitrary()?)],
        source: if input.ratio(1, 4)? { config.source() } else { envelope::router(input, family)? },
        checksum: *input.choose(&forms)?,
    })
}

fn interval(input: &mut Unstructured<'_>, version: Version) -> Result<AdvertisementInterval> {
    let units = input.arbitrary::<u16>()?;
    Ok(match version {
        Version::V2 => AdvertisementInterval::from_seconds(units.to_be_bytes()[0])
            .unwrap_or(AdvertisementInterval::DEFAULT_V2),
        Version::V3 => AdvertisementInterval::from_centiseconds(units & 0x0fff)
            .unwrap_or(AdvertisementInterval::DEFAULT_V3),
    })
}

fn virtual_address(family: Family, number: u8) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::from([198, 51, 100, number]),
        Family::Ipv6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 1, u16::from(number)]),
    }
}
