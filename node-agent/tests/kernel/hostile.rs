//! What somebody on the LAN can send who means no good.

mod flood;
pub(crate) mod frame;
mod ipv4;
mod ipv6;
mod packet;
mod real_agent;
mod site;
mod table;
mod version_2;

use std::time::Duration;

use api_types::transition::State;
use vrrp::AdvertisementInterval;

use self::frame::Attacker;
use self::site::Site;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::router::{Router, group};
use crate::wire::{Capture, advertisement_from_2, flood_from_2, send_fragment_from_2};

#[test]
fn junk_at_full_speed_delays_no_advertisement_beyond_what_backups_bear() {
    let lab = Lab::alone(2);
    let mut slow = group(240);
    slow.advertisement_interval_ms = AdvertisementInterval::from_centiseconds(40).expect("an interval");
    let router = Router::running(&lab, 1, slow);
    router.reaches(State::Active, 1);
    let capture = Capture::start(&lab, 2, "proto 112 and src host 10.66.0.1");
    capture.sees(1, &["prio 240"]);
    let mut junk = advertisement_from_2();
    junk[6] ^= 0xff;
    let sent = flood_from_2(&lab, Duration::from_secs(4), &junk);
    assert!(sent > 10_000, "only {sent} packets");
    let counted = || (router.dropped("checksum"), router.dropped("overflow"));
    eventually("each one is counted", counted, |(checksum, overflow)| checksum + overflow == sent);
    let times: Vec<_> = capture.with(&["prio 240"]).iter().map(|line| line.at).collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().expect("some");
    // A Backup would take over after more than three intervals.
    assert!(times.len() > 5 && longest < Duration::from_millis(1_200), "{longest:?} among {}", times.len());
    assert_eq!(router.transitions().len(), 2, "nothing moved: {:?}", router.transitions());
}

#[test]
fn a_fragment_is_no_advertisement() {
    let lab = Lab::alone(2);
    let router = Router::running(&lab, 1, group(240));
    router.reaches(State::Active, 1);
    send_fragment_from_2(&lab, &advertisement_from_2());
    eventually("it is counted", || router.dropped("length"), |dropped| *dropped == 1);
    assert_eq!(router.transitions().len(), 2, "nothing moved: {:?}", router.transitions());
}

/// How many packets of each family are hostile at least.
const AT_LEAST: usize = 40;

#[test]
fn each_hostile_packet_is_counted_once_for_what_it_is_and_moves_nothing() {
    let site = Site::start();
    Attacker::stay_on_one_processor();
    let mut otherwise = Vec::new();
    let families = [("IPv4", [ipv4::all(), version_2::all()].concat()), ("IPv6", ipv6::all())].map(
        |(family, packets)| {
            assert!(packets.len() >= AT_LEAST, "{} packets over {family}", packets.len());
            let seen: Vec<_> = packets
                .into_iter()
                .map(|packet| {
                    println!("{family}: {}", packet.what);
                    let fates = site.attack(&packet.frame);
                    if fates != [packet.fate; 2] {
                        otherwise.push(format!(
                            "{family}, {}: {fates:?} in place of {:?}",
                            packet.what, packet.fate
                        ));
                    }
                    (packet, fates)
                })
                .collect();
            (family, seen)
        },
    );
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    site.assert_nothing_moved();
    site.assert_that_good_ones_win();
    table::keep(&families);
}
