//! Whether a member that waits finds out that the LAN has followed a takeover, and what is done if it has not.

use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use api_types::channel::{DesiredGroup, DesiredPeer};
use api_types::protocol::{MacMode, ProtocolOptions};
use api_types::transition::State;
use baton_agent::messages::ObservedConvergence;
use vrrp::{Family, Priority};

use crate::eventually::eventually;
use crate::lab::{Lab, own_address};
use crate::router::{GLOBAL, Router, VIP, group, group_ipv6};
use crate::wire::Capture;

/// What the members on the hosts 1, 2 and 3 advertise.
const PRIORITIES: [u8; 3] = [240, 200, 160];

/// The group as the member on `host` runs it, who knows the two others.
fn member(group: impl Fn(u8) -> DesiredGroup, host: u8) -> DesiredGroup {
    let mut desired = group(PRIORITIES[usize::from(host) - 1]);
    let address = |host| match desired.family {
        Family::Ipv4 => own_address(host),
        Family::Ipv6 => format!("fe80::{host}"),
    };
    let peer = |other: u8| DesiredPeer {
        name: format!("lb{other}").parse().expect("a name"),
        address: Some(address(other).parse().expect("an address")),
        priority: Priority::new(PRIORITIES[usize::from(other) - 1]).expect("a priority"),
        external: false,
    };
    desired.peers = (1..=3).filter(|other| *other != host).map(peer).collect();
    desired
}

/// Three members, of which the first holds and is heard by both others.
fn members(lab: &Lab, group: impl Fn(u8) -> DesiredGroup) -> [Router; 3] {
    let first = Router::running(lab, 1, member(&group, 1));
    first.reaches(State::Active, 1);
    let others = [2, 3].map(|host| Router::running(lab, host, member(&group, host)));
    for other in &others {
        eventually(
            "the holder is heard",
            || other.group().and_then(|group| group.active_source),
            Option::is_some,
        );
    }
    let [second, third] = others;
    [first, second, third]
}

fn found_out(router: &Router) -> ObservedConvergence {
    let found = eventually("it is found out", || router.convergences(), |found| !found.is_empty());
    println!("the LAN followed after {:?}", found[0].took);
    found[0].clone()
}

#[test]
fn a_member_that_waits_finds_out_that_the_new_holder_alone_answers() {
    for mac_mode in [MacMode::Interface, MacMode::Virtual] {
        let lab = Lab::new(3);
        let options = ProtocolOptions { mac_mode, ..ProtocolOptions::default() };
        let [_first, second, third] =
            members(&lab, |priority| DesiredGroup { options: options.clone(), ..group(priority) });
        let capture = Capture::on_the_bridge(&lab, "arp");
        lab.cut_off(1);
        second.reaches(State::Active, 1);
        let found = found_out(&third);
        assert_eq!(found.holder.to_string(), own_address(2));
        assert!(found.took < Duration::from_secs(1), "{:?}", found.took);
        assert_eq!(second.convergences(), [], "the holder is no judge of itself");
        // Nobody may take the one that asks for one that holds.
        capture.sees(1, &["02:00:00:00:00:03 > ff:ff:ff:ff:ff:ff", "who-has 10.66.1.51", "tell 0.0.0.0"]);
        let holder = if mac_mode == MacMode::Virtual { "00:00:5e:00:01:33" } else { "02:00:00:00:00:02" };
        capture.sees(1, &[&format!("{holder} > 02:00:00:00:00:03"), "Reply 10.66.1.51 is-at"]);
        assert!(third.notices().iter().all(|text| !text.contains("took over")), "{:?}", third.notices());
    }
}

#[test]
fn a_member_that_waits_finds_out_over_ipv6_too() {
    let lab = Lab::with_ipv6(3);
    let [_first, second, third] = members(&lab, group_ipv6);
    let capture = Capture::on_the_bridge(&lab, "icmp6");
    lab.cut_off(1);
    second.reaches(State::Active, 1);
    let found = found_out(&third);
    assert_eq!(found.holder.to_string(), "fe80::2");
    assert!(found.took < Duration::from_secs(1), "{:?}", found.took);
    capture.sees(1, &["02:00:00:00:00:03 > 33:33:ff:", "fe80::3 > ff02::1:ff", &format!("who has {GLOBAL}")]);
    capture.sees(1, &["02:00:00:00:00:02 > 02:00:00:00:00:03", &format!("tgt is {GLOBAL}")]);
}

/// How announcements of an address look, by family.
struct Announcements {
    address: &'static str,
    /// To whom they go.
    everybody: &'static str,
    /// What nftables tells them by.
    rule: String,
    /// How long each is behind the Ethernet header.
    octets: usize,
}

fn gratuitous_arp() -> Announcements {
    Announcements {
        address: VIP,
        everybody: "ff:ff:ff:ff:ff:ff",
        rule: format!("arp saddr ip {VIP} arp daddr ip {VIP}"),
        octets: 28,
    }
}

/// Who is asked answers to the one that asked.
fn unsolicited_advertisements() -> Announcements {
    Announcements {
        address: GLOBAL,
        everybody: "33:33:00:00:00:01",
        rule: format!("ip6 saddr {GLOBAL} ip6 daddr ff02::1 icmpv6 type nd-neighbor-advert"),
        octets: 40 + 32,
    }
}

/// Has the switch lose so many announcements that come from a host.
fn lose_announcements(lab: &Lab, host: u8, announcements: &Announcements, count: usize) {
    let Announcements { rule, octets, .. } = announcements;
    let octets = count * octets;
    let rules = format!(
        "table netdev lossy {{
           chain from_{host} {{
             type filter hook ingress device port{host} priority 0; policy accept;
             {rule} quota until {octets} bytes drop
           }}
         }}"
    );
    let mut nft = Command::new("ip")
        .args(["netns", "exec", &lab.switch(), "nft", "-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("nft runs");
    nft.stdin.take().expect("its input").write_all(rules.as_bytes()).expect("written");
    assert!(nft.wait().expect("nft ends").success(), "nft takes the rules");
}

/// Loses the first `count` announcements of a takeover, more than are planned: whoever waits must ask for the
/// rest.
fn lost_announcements_are_made_up_for(
    lab: &Lab,
    group: impl Fn(u8) -> DesiredGroup,
    announcements: &Announcements,
    count: usize,
) {
    let [_first, second, third] = members(lab, group);
    let Announcements { address, everybody, .. } = *announcements;
    lab.inside(4, || {
        let target: IpAddr = address.parse().expect("an address");
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = std::net::UdpSocket::bind(any).expect("bound");
        socket.send_to(b"?", (target, 9)).expect("sent");
    });
    let knows = |mac: &'static str| move |table: &String| table.contains(&format!("lladdr {mac}"));
    let table = || lab.ip(4, &["neighbour", "show", address]);
    eventually("the client knows the first holder", table, knows("02:00:00:00:00:01"));

    let [sent, arrived] = [2, 4].map(|host| Capture::start(lab, host, "arp or icmp6"));
    lose_announcements(lab, 2, announcements, count);
    lab.cut_off(1);
    second.reaches(State::Active, 1);
    // It sends nothing, so it learns from an announcement alone.
    eventually("the client knows the second holder", table, knows("02:00:00:00:00:02"));
    let found = found_out(&third);

    let from_second = format!("02:00:00:00:00:02 > {everybody}");
    let is_announcement = [from_second.as_str(), address];
    let first_arrived = arrived.sees(1, &is_announcement)[0].at;
    let lost = sent.sees(count + 1, &is_announcement);
    let repeated = lost[count].at;
    assert!(repeated <= first_arrived, "{count} were lost");
    let longest = lost[..=count].windows(2).map(|pair| pair[1].at - pair[0].at).max().expect("many");
    println!("a lost announcement was repeated after {longest:?} at the most");
    // Five times what it may take.
    assert!(longest < Duration::from_millis(2_500), "{longest:?}");
    // Nobody had followed before, and in a hundred milliseconds one announcement is asked for.
    assert!(found.took > Duration::from_millis(400), "{:?}", found.took);
}

#[test]
fn lost_announcements_are_made_up_for_since_a_member_that_waits_asks_again() {
    // As many as are planned, and as many again: five times a request and a reply.
    lost_announcements_are_made_up_for(&Lab::new(4), group, &gratuitous_arp(), 20);
}

#[test]
fn lost_announcements_are_made_up_for_over_ipv6_too() {
    let lab = Lab::with_ipv6(4);
    lost_announcements_are_made_up_for(&lab, group_ipv6, &unsolicited_advertisements(), 10);
}

#[test]
fn an_old_holder_that_still_answers_is_named_and_nothing_is_called_converged() {
    let lab = Lab::new(4);
    let [_first, second, third] = members(&lab, group);
    lab.ip(4, &["address", "add", &format!("{VIP}/32"), "dev", "eth0"]);
    lab.cut_off(1);
    second.reaches(State::Active, 1);
    let named =
        "group web on interface eth0: 10.66.0.2 took over, and 02:00:00:00:00:04 answers for 10.66.1.51";
    eventually(
        "it is named",
        || third.notices(),
        |notices| notices.iter().any(|text| text.starts_with(named)),
    );
    assert_eq!(third.convergences(), []);
}
