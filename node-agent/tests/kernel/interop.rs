//! Baton and Debian's keepalived share a virtual router: who wins, who takes over, and what each makes of the other.
//!
//! Host 1 runs the dataplane, host 2 keepalived. What happened is judged by the addresses that the kernels of both have.

use std::net::IpAddr;
use std::time::Duration;

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::group::Checksum;
use api_types::protocol::{Authentication, ProtocolOptions, Transport};
use api_types::transition::{State, TransitionReason};
use vrrp::{AdvertisementInterval, Family, Priority, Version};

use crate::eventually::eventually;
use crate::keepalived::Keepalived;
use crate::lab::{Lab, own_address};
use crate::router::{Router, VIP, group};

const VIP6: &str = "fe80::51";

fn keepalived() -> DesiredPeer {
    DesiredPeer {
        name: "keepalived".parse().expect("a name"),
        address: Some(own_address(2).parse().expect("an address")),
        priority: Priority::MIN,
        external: true,
    }
}

fn beside_keepalived(priority: u8) -> DesiredGroup {
    DesiredGroup { peers: vec![keepalived()], ..group(priority) }
}

fn version_2(priority: u8) -> DesiredGroup {
    DesiredGroup {
        version: Version::V2,
        advertisement_interval_ms: AdvertisementInterval::DEFAULT_V2,
        ..beside_keepalived(priority)
    }
}

fn ipv6(priority: u8) -> DesiredGroup {
    let peer = DesiredPeer { address: Some("fe80::2".parse().expect("an address")), ..keepalived() };
    DesiredGroup {
        family: Family::Ipv6,
        virtual_addresses: vec![format!("{VIP6}/64").parse().expect("an address")],
        peers: vec![peer],
        ..group(priority)
    }
}

fn unicast(priority: u8) -> DesiredGroup {
    let options = ProtocolOptions { transport: Transport::Unicast, ..ProtocolOptions::default() };
    DesiredGroup { options, ..beside_keepalived(priority) }
}

fn with_text(priority: u8) -> DesiredGroup {
    let text = "s3cret".to_owned().try_into().expect("a text");
    let authentication = Some(Authentication::SimpleText { text });
    DesiredGroup {
        options: ProtocolOptions { authentication, ..ProtocolOptions::default() },
        ..version_2(priority)
    }
}

/// One way for both to speak.
struct Dialect {
    name: &'static str,
    version: u8,
    /// What keepalived is told beside its priority.
    configured: String,
    ours: fn(u8) -> DesiredGroup,
    address: &'static str,
}

fn dialects() -> Vec<Dialect> {
    let ipv4 = format!("virtual_ipaddress {{\n {VIP}/32 dev eth0\n}}");
    vec![
        Dialect {
            name: "version 3 over IPv4",
            version: 3,
            configured: format!("advert_int 0.1\n{ipv4}"),
            ours: beside_keepalived,
            address: VIP,
        },
        Dialect {
            name: "version 3 over IPv6",
            version: 3,
            configured: format!("advert_int 0.1\nvirtual_ipaddress {{\n {VIP6}/128 dev eth0\n}}"),
            ours: ipv6,
            address: VIP6,
        },
        Dialect {
            name: "version 2",
            version: 2,
            configured: format!("advert_int 1\n{ipv4}"),
            ours: version_2,
            address: VIP,
        },
        Dialect {
            name: "version 2 with simple text",
            version: 2,
            configured: format!(
                "advert_int 1\nauthentication {{\n auth_type PASS\n auth_pass s3cret\n}}\n{ipv4}"
            ),
            ours: with_text,
            address: VIP,
        },
        Dialect {
            name: "unicast",
            version: 3,
            configured: format!(
                "advert_int 0.1\nunicast_src_ip 10.66.0.2\nunicast_peer {{\n 10.66.0.1\n}}\n{ipv4}"
            ),
            ours: unicast,
            address: VIP,
        },
    ]
}

fn lan() -> Lab {
    let lab = Lab::new(2);
    for host in 1..=2 {
        lab.ip(host, &["address", "add", &format!("fe80::{host}/64"), "dev", "eth0", "nodad"]);
    }
    lab
}

/// Waits until host 1, host 2, or neither holds the address.
fn held_by(lab: &Lab, address: &str, wanted: (bool, bool), when: &str) {
    let has = |host| {
        let shown = lab.ip(host, &["address", "show", "dev", "eth0"]);
        shown.contains(&format!(" {address}/32 ")) || shown.contains(&format!(" {address}/128 "))
    };
    eventually(when, || (has(1), has(2)), |held| *held == wanted);
}

#[test]
fn a_better_keepalived_is_obeyed_and_survived() {
    for Dialect { name, version, configured, ours, address } in dialects() {
        let lab = lan();
        let peer = Keepalived::start(&lab, 2, version, &format!("priority 250\n{configured}"));
        held_by(&lab, address, (false, true), &format!("{name}: keepalived holds"));
        let router = Router::running(&lab, 1, ours(200));
        router.reaches(State::Backup, 1);
        let obeyed = |source: &Option<IpAddr>| source.is_some();
        eventually(
            &format!("{name}: it is obeyed"),
            || router.group().and_then(|group| group.active_source),
            obeyed,
        );
        held_by(&lab, address, (false, true), &format!("{name}: it still holds"));

        // It resigns with priority 0 and is gone.
        peer.stop();
        let taken = router.reaches(State::Active, 1);
        assert_eq!(taken.reason, TransitionReason::PriorityZero, "{name}");
        held_by(&lab, address, (true, false), &format!("{name}: Baton holds"));

        // It comes back, and takes what is its.
        let _peer = Keepalived::start(&lab, 2, version, &format!("priority 250\n{configured}"));
        let lost = router.reaches(State::Backup, 2);
        assert_eq!(lost.reason, TransitionReason::HigherPriorityHeard, "{name}");
        held_by(&lab, address, (false, true), &format!("{name}: keepalived holds again"));
    }
}

#[test]
fn a_worse_keepalived_obeys_takes_over_and_gives_back() {
    for Dialect { name, version, configured, ours, address } in dialects() {
        let lab = lan();
        let _peer = Keepalived::start(&lab, 2, version, &format!("priority 100\n{configured}"));
        held_by(&lab, address, (false, true), &format!("{name}: keepalived holds alone"));
        let router = Router::running(&lab, 1, ours(200));
        assert_eq!(router.reaches(State::Active, 1).reason, TransitionReason::Preempting, "{name}");
        held_by(&lab, address, (true, false), &format!("{name}: Baton has preempted it"));

        router.stop();
        held_by(&lab, address, (false, true), &format!("{name}: it was handed the address"));
    }
}

#[test]
fn a_keepalived_of_equal_priority_and_higher_address_keeps_what_it_has() {
    let lab = lan();
    let dialect = &dialects()[0];
    let _peer = Keepalived::start(&lab, 2, 3, &format!("priority 200\n{}", dialect.configured));
    held_by(&lab, VIP, (false, true), "keepalived holds");
    let router = Router::running(&lab, 1, beside_keepalived(200));
    router.reaches(State::Backup, 1);
    eventually(
        "it is obeyed, and the tie is named",
        || router.group().and_then(|group| Some(group.heard.first()?.discrepancies.clone())),
        |odd| odd.as_deref() == Some(&["equal_priority".to_owned()]),
    );
    held_by(&lab, VIP, (false, true), "keepalived still holds");
}

#[test]
fn without_preemption_whoever_holds_keeps_the_address() {
    let lab = lan();
    let nopreempt = format!("nopreempt\n{}", dialects()[0].configured);
    let router = Router::running(&lab, 1, beside_keepalived(100));
    router.reaches(State::Active, 1);
    let _peer = Keepalived::start(&lab, 2, 3, &format!("priority 250\n{nopreempt}"));
    let holder = |preempt_mode| DesiredGroup { preempt_mode, ..beside_keepalived(100) };
    router.apply(2, vec![holder(false)]);
    // It takes part, and does not take the address: it does so as soon as it is resigned to.
    let heard_nobody = router.group().map_or(0, |group| group.heard.len());
    assert_eq!(heard_nobody, 0);
    held_by(&lab, VIP, (true, false), "Baton keeps it");
    router.stop();
    held_by(&lab, VIP, (false, true), "keepalived was there all the time");

    let router = Router::running(&lab, 1, DesiredGroup { preempt_mode: false, ..beside_keepalived(254) });
    router.reaches(State::Backup, 1);
    eventually(
        "it is obeyed",
        || router.group().and_then(|group| group.active_source),
        |source| source.is_some(),
    );
    held_by(&lab, VIP, (false, true), "a better Baton that does not preempt waits");
}

#[test]
fn other_addresses_and_another_interval_are_named_and_no_reason_not_to_obey() {
    let lab = lan();
    let configured = format!(
        "priority 250\nadvert_int 0.5\nvirtual_ipaddress {{\n {VIP}/32 dev eth0\n 10.66.1.52/32 dev eth0\n}}"
    );
    let peer = Keepalived::start(&lab, 2, 3, &configured);
    held_by(&lab, VIP, (false, true), "keepalived holds");
    // Slower than keepalived: it sends nothing while packets that it drops, as it does those with other addresses, keep
    // coming faster than its own interval.
    let slow = AdvertisementInterval::from_millis(Version::V3, 1_000).expect("an interval");
    let ours = DesiredGroup { advertisement_interval_ms: slow, ..beside_keepalived(200) };
    let router = Router::running(&lab, 1, ours);
    eventually(
        "both are named",
        || router.group().and_then(|group| Some(group.heard.first()?.discrepancies.clone())),
        |odd| odd.as_deref() == Some(&["interval".to_owned(), "address_list".to_owned()]),
    );
    let down = router.group().and_then(|group| group.active_down_interval);
    let learnt = Duration::from_millis(1_500)..Duration::from_millis(2_000);
    assert!(down.is_some_and(|down| learnt.contains(&down)), "by its interval: {down:?}");
    held_by(&lab, VIP, (false, true), "it is obeyed");
    peer.stop();
    assert_eq!(router.reaches(State::Active, 1).reason, TransitionReason::PriorityZero);
}

#[test]
fn keepalived_does_not_hear_the_newer_checksum() {
    // Debian's 2.2.7 knows only the form with a pseudo-header. Whoever sends the other is not there for it.
    let lab = lan();
    let _peer = Keepalived::start(&lab, 2, 3, &format!("priority 100\n{}", dialects()[0].configured));
    held_by(&lab, VIP, (false, true), "keepalived holds");
    let router =
        Router::running(&lab, 1, DesiredGroup { checksum: Checksum::Rfc9568, ..beside_keepalived(200) });
    router.reaches(State::Active, 1);
    held_by(&lab, VIP, (true, true), "both hold");
    router.apply(2, vec![beside_keepalived(200)]);
    held_by(&lab, VIP, (true, false), "with the form that it knows it yields");
}
