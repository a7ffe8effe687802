//! Virtual routers by the hundred, each with a MAC address of its own.

use std::time::{Duration, Instant};

use api_types::channel::DesiredGroup;
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::State;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Vrid};

use crate::eventually::{eventually, within};
use crate::lab::Lab;
use crate::router::{Router, group};

const MANY: u8 = 200;

fn crowd(vrids: std::ops::RangeInclusive<u8>) -> Vec<DesiredGroup> {
    let of = |vrid: u8| DesiredGroup {
        id: Uuid::from_u128(vrid.into()),
        name: format!("g{vrid}").parse().expect("a name"),
        vrid: Vrid::new(vrid).expect("a VRID"),
        virtual_addresses: vec![format!("10.66.7.{vrid}/16").parse().expect("an address")],
        options: ProtocolOptions { mac_mode: MacMode::Virtual, ..ProtocolOptions::default() },
        advertisement_interval_ms: AdvertisementInterval::from_seconds(1).expect("an interval"),
        ..group(240)
    };
    vrids.map(of).collect()
}

fn macvlans(lab: &Lab) -> usize {
    lab.ip(1, &["-o", "link", "show", "type", "macvlan"]).lines().count()
}

fn arp_ignore(lab: &Lab) -> String {
    lab.inside(1, || std::fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/arp_ignore")).expect("a sysctl")
}

#[test]
fn two_hundred_macvlans_come_and_go_together_and_none_is_left_after_the_stop() {
    let lab = Lab::alone(1);
    let router = Router::start(&lab, 1);
    let started = Instant::now();
    router.apply(1, crowd(1..=MANY));
    eventually("all macvlans", || macvlans(&lab), |made| *made == usize::from(MANY));
    let made = started.elapsed();
    within(Duration::from_secs(20), "all Active", || active(&router), |active| *active == usize::from(MANY));
    let active = started.elapsed();

    // A hundred groups go at once; the others stay as they are.
    let started = Instant::now();
    router.apply(2, crowd(1..=MANY / 2));
    eventually("half of them", || macvlans(&lab), |left| *left == usize::from(MANY / 2));
    let halved = started.elapsed();
    assert_eq!(arp_ignore(&lab), "1\n", "others still need it");

    let started = Instant::now();
    let transitions = router.stop();
    let stopped = started.elapsed();
    eprintln!("made in {made:?}, Active in {active:?}, halved in {halved:?}, stopped in {stopped:?}");
    // Nobody takes over, so that the handover takes its two intervals.
    assert!(stopped < Duration::from_millis(4_500), "{stopped:?}");
    assert_eq!((macvlans(&lab), arp_ignore(&lab).as_str()), (0, "0\n"));
    let lost = transitions.iter().filter(|transition| transition.to == State::Fault).count();
    assert_eq!(lost, 0);
}

fn active(router: &Router) -> usize {
    router.groups().iter().filter(|group| group.state == State::Active).count()
}

#[test]
fn macvlans_that_are_removed_together_take_no_strangers_interface_along() {
    const GROUP: &str = "12218385";
    let lab = Lab::alone(1);
    lab.ip(1, &["link", "add", "theirs", "group", GROUP, "type", "bridge"]);
    let router = Router::start(&lab, 1);
    router.apply(1, crowd(1..=4));
    eventually("all Active", || active(&router), |active| *active == 4);
    router.stop();
    assert_eq!(macvlans(&lab), 0);
    assert!(lab.ip(1, &["link", "show", "dev", "theirs"]).contains("theirs"));
}
