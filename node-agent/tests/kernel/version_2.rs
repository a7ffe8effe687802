//! Version 2 over IPv4 (RFC 3768).

use api_types::channel::DesiredGroup;
use api_types::protocol::{Authentication, ProtocolOptions};
use api_types::transition::{State, TransitionReason};
use vrrp::{AdvertisementInterval, Version};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::router::{Router, group};
use crate::wire::Capture;

fn version_2(priority: u8) -> DesiredGroup {
    DesiredGroup {
        version: Version::V2,
        advertisement_interval_ms: AdvertisementInterval::DEFAULT_V2,
        ..group(priority)
    }
}

fn with_text(priority: u8, text: &str) -> DesiredGroup {
    let text = text.to_owned().try_into().expect("a text");
    let options = ProtocolOptions {
        authentication: Some(Authentication::SimpleText { text }),
        ..ProtocolOptions::default()
    };
    DesiredGroup { options, ..version_2(priority) }
}

#[test]
fn the_better_of_two_advertises_in_version_2_and_hands_over() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "proto 112");
    let (better, other) =
        (Router::running(&lab, 1, version_2(240)), Router::running(&lab, 2, version_2(200)));
    better.reaches(State::Active, 1);
    eventually(
        "it is obeyed",
        || other.group().and_then(|group| group.active_source),
        |source| *source == Some(own_address(1).parse().expect("an address")),
    );
    capture.sees(2, &["10.66.0.1 > 224.0.0.18", "VRRPv2", "prio 240", "authtype none", "intvl 1s"]);
    let before = other.transitions().iter().filter(|transition| transition.to == State::Active).count();
    better.stop();
    assert_eq!(other.reaches(State::Active, before + 1).reason, TransitionReason::PriorityZero);
    assert!(capture.with(&["bad vrrp cksum"]).is_empty());
}

#[test]
fn another_text_makes_strangers_of_two_routers_and_is_counted() {
    let lab = Lab::new(3);
    let capture = Capture::start(&lab, 3, "proto 112");
    let (better, other) = (
        Router::running(&lab, 1, with_text(240, "s3cret")),
        Router::running(&lab, 2, with_text(200, "s3cret")),
    );
    better.reaches(State::Active, 1);
    eventually(
        "it is obeyed",
        || other.group().and_then(|group| group.active_source),
        |source| source.is_some(),
    );
    capture.sees(1, &["10.66.0.1 > 224.0.0.18", "authtype simple", "s3cret"]);

    other.apply(2, vec![with_text(200, "other")]);
    eventually("it is refused", || other.dropped("auth"), |dropped| *dropped >= 1);
}
