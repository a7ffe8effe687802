//! Hostile packets over IPv4. What must be dropped claims a priority that would win; what is heard claims one
//! that loses.

use std::net::{IpAddr, Ipv4Addr};

use super::frame::{GROUP_MAC, Ipv4, covered, ethernet, plain, version_3};
use super::packet::Fate::{Dropped, Heard, Unseen};
use super::packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Hostile};
use super::site::{VIP, VRID, VRID_2};

/// Would win.
const HIGH: u8 = 254;
/// Loses.
const LOW: u8 = 1;
const INTERVAL: u16 = 100;
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

fn message(priority: u8) -> Vec<u8> {
    plain(version_3(VRID, priority, 1, INTERVAL, &[VIP.into()]))
}

fn packet(priority: u8) -> Ipv4 {
    Ipv4::of(message(priority))
}

/// One octet of the message changed and the checksum made right again.
fn edited(priority: u8, at: usize, octet: u8) -> Ipv4 {
    let mut message = message(priority);
    message[at] = octet;
    Ipv4::of(plain(message))
}

pub(super) fn all() -> Vec<Hostile> {
    [ip_header(), endpoints(), ethernet_frames(), fields(), checksums(), lengths()].concat()
}

fn ip_header() -> Vec<Hostile> {
    let high = || packet(HIGH);
    let options = |options: [u8; 4]| Ipv4 { options: options.into(), ..packet(LOW) };
    let odd = "the IP header cannot be believed";
    vec![
        Hostile::ipv4("TTL 254", &Ipv4 { ttl: 254, ..high() }, Dropped("ttl"), "it may have been routed"),
        Hostile::ipv4("TTL 1", &Ipv4 { ttl: 1, ..high() }, Dropped("ttl"), "it may have been routed"),
        Hostile::ipv4("TTL 0", &Ipv4 { ttl: 0, ..high() }, Dropped("ttl"), "it may have been routed"),
        Hostile::ipv4("protocol 111", &Ipv4 { protocol: 111, ..high() }, Unseen, "it is not VRRP"),
        Hostile::ipv4("protocol 51, AH", &Ipv4 { protocol: 51, ..high() }, Unseen, "it is not VRRP"),
        Hostile::ipv4(
            "more fragments follow",
            &Ipv4 { fragment: 0x2000, ..high() },
            Dropped("length"),
            "a fragment",
        ),
        Hostile::ipv4("fragment offset 8", &Ipv4 { fragment: 1, ..high() }, Dropped("length"), "a fragment"),
        Hostile::ipv4(
            "last fragment at 65,528",
            &Ipv4 { fragment: 0x1fff, ..high() },
            Dropped("length"),
            "a fragment",
        ),
        Hostile::ipv4("don't fragment", &Ipv4 { fragment: 0x4000, ..packet(LOW) }, Heard, "it is whole"),
        Hostile::ipv4(
            "the reserved flag",
            &Ipv4 { fragment: 0x8000, ..packet(LOW) },
            Heard,
            "it says nothing",
        ),
        Hostile::ipv4("four no-operation options", &options([1; 4]), Heard, "options are skipped"),
        Hostile::ipv4("router alert", &options([148, 4, 0, 0]), Heard, "options are skipped"),
        Hostile::ipv4(
            "an option longer than the header",
            &options([7, 255, 4, 0]),
            Heard,
            "options are not read",
        ),
        Hostile::ipv4(
            "header of 16 octets",
            &Ipv4 { header_length: Some(4), ..high() },
            Dropped("length"),
            odd,
        ),
        Hostile::ipv4(
            "header of 0 octets",
            &Ipv4 { header_length: Some(0), ..high() },
            Dropped("length"),
            odd,
        ),
        Hostile::ipv4(
            "header of 60 octets",
            &Ipv4 { header_length: Some(15), ..high() },
            Dropped("length"),
            odd,
        ),
        Hostile::ipv4("total length 0", &Ipv4 { total_length: Some(0), ..high() }, Dropped("length"), odd),
        Hostile::ipv4("total length 19", &Ipv4 { total_length: Some(19), ..high() }, Dropped("length"), odd),
        Hostile::ipv4(
            "total length 33 of 32",
            &Ipv4 { total_length: Some(33), ..high() },
            Dropped("length"),
            odd,
        ),
        Hostile::ipv4(
            "total length 65,535",
            &Ipv4 { total_length: Some(65_535), ..high() },
            Dropped("length"),
            odd,
        ),
        Hostile::ipv4("IP version 6", &Ipv4 { version: 6, ..high() }, Dropped("family"), odd),
        Hostile::ipv4("IP version 0", &Ipv4 { version: 0, ..high() }, Dropped("family"), odd),
        Hostile::ipv4(
            "header checksum off by one",
            &Ipv4 { checksum_error: 1, ..high() },
            Dropped("checksum"),
            odd,
        ),
    ]
}

fn endpoints() -> Vec<Hostile> {
    let from = |source: [u8; 4], priority| Ipv4 { source: source.into(), ..packet(priority) };
    let to = |destination: [u8; 4]| Ipv4 { destination: destination.into(), ..packet(HIGH) };
    let nobody = "no host has this address";
    let astray = "the group speaks to 224.0.0.18";
    vec![
        Hostile::ipv4("from 0.0.0.0", &from([0; 4], HIGH), Dropped("source"), nobody),
        Hostile::ipv4("from 127.0.0.1", &from([127, 0, 0, 1], HIGH), Dropped("source"), nobody),
        Hostile::ipv4("from 224.0.0.18", &from([224, 0, 0, 18], HIGH), Dropped("source"), nobody),
        Hostile::ipv4("from 255.255.255.255", &from([255; 4], HIGH), Dropped("source"), nobody),
        Hostile::ipv4("from 240.0.0.1", &from([240, 0, 0, 1], HIGH), Dropped("source"), nobody),
        Hostile::ipv4("from the virtual address", &from(VIP.octets(), LOW), Heard, "as its owner does"),
        Hostile::ipv4(
            "from the Active router's address",
            &from([10, 66, 0, 1], LOW),
            Heard,
            "its priority tells",
        ),
        Hostile::ipv4("from the Backup's address", &from([10, 66, 0, 3], LOW), Heard, "its priority tells"),
        Hostile::ipv4("from another network", &from([203, 0, 113, 9], LOW), Heard, "a LAN may have several"),
        Hostile::ipv4("to 224.0.0.1", &to([224, 0, 0, 1]), Dropped("destination"), astray),
        Hostile::ipv4("to 224.0.0.19", &to([224, 0, 0, 19]), Dropped("destination"), astray),
        Hostile::ipv4("to 255.255.255.255", &to([255; 4]), Dropped("destination"), astray),
        Hostile::ipv4("to the network's broadcast", &to([10, 66, 255, 255]), Dropped("destination"), astray),
        Hostile::ipv4("to the Active router alone", &to([10, 66, 0, 1]), Dropped("destination"), astray),
        Hostile::ipv4("to the virtual address", &to(VIP.octets()), Dropped("destination"), astray),
    ]
}

fn ethernet_frames() -> Vec<Hostile> {
    let high = packet(HIGH).packet();
    let low = packet(LOW).packet();
    let padded = |by: usize| [&low[..], &vec![0xa5; by]].concat();
    let tagged =
        |tag: [u8; 4], packet: &[u8]| [&GROUP_MAC[..], &[2, 0, 0, 0, 0, 2], &tag, &[8, 0], packet].concat();
    let to_broadcast = ethernet([0xff; 6], ETHERTYPE_IPV4, &low);
    let to_nobody = ethernet([2, 0, 0, 0, 0, 0x99], ETHERTYPE_IPV4, &high);
    let to_other_group = ethernet([1, 0, 0x5e, 0, 0, 1], ETHERTYPE_IPV4, &low);
    let as_ipv6 = ethernet(GROUP_MAC, ETHERTYPE_IPV6, &high);
    let grouped = "the IP destination tells, and switches may turn multicast into broadcast";
    vec![
        Hostile::frame(
            "padded to 46 octets",
            ethernet(GROUP_MAC, ETHERTYPE_IPV4, &padded(14)),
            Heard,
            "Ethernet pads",
        ),
        Hostile::frame(
            "padded to 1,400 octets",
            ethernet(GROUP_MAC, ETHERTYPE_IPV4, &padded(1_368)),
            Heard,
            "Ethernet pads",
        ),
        Hostile::frame("with a VLAN tag", tagged([0x81, 0, 0, 7], &high), Unseen, "it is another LAN's"),
        Hostile::frame(
            "with a priority tag",
            tagged([0x81, 0, 0xe0, 0], &low),
            Heard,
            "VLAN 0 is no other LAN (IEEE 802.1Q)",
        ),
        Hostile::frame(
            "with a service tag",
            tagged([0x88, 0xa8, 0, 7], &high),
            Unseen,
            "it is another LAN's",
        ),
        Hostile::frame("to the Ethernet broadcast address", to_broadcast, Heard, grouped),
        Hostile::frame("to another group's MAC address", to_other_group, Heard, grouped),
        Hostile::frame("to another host's MAC address", to_nobody, Unseen, "it is not for this host"),
        Hostile::frame("IPv4 under the EtherType of IPv6", as_ipv6, Unseen, "octet 6 is not 112"),
    ]
}

fn fields() -> Vec<Hostile> {
    let mut cases = Vec::new();
    for version in [0, 1, 4, 15] {
        let packet = edited(HIGH, 0, version << 4 | 1);
        cases.push(Hostile::ipv4(format!("VRRP version {version}"), &packet, Dropped("version"), "unknown"));
    }
    for kind in [0, 2, 15] {
        let packet = edited(HIGH, 0, 0x30 | kind);
        cases.push(Hostile::ipv4(format!("type {kind}"), &packet, Dropped("type"), "not an advertisement"));
    }
    let strange = "no group of this host";
    cases.extend([
        Hostile::ipv4("VRID 0", &edited(HIGH, 1, 0), Dropped("vrid"), "no virtual router has it"),
        Hostile::ipv4("VRID 200", &edited(HIGH, 1, 200), Dropped("vrid"), strange),
        Hostile::ipv4(
            "version 3 for the group of version 2",
            &edited(HIGH, 1, VRID_2),
            Dropped("version"),
            strange,
        ),
        Hostile::ipv4("interval 0", &interval(HIGH, 0), Dropped("interval"), "nobody could keep it"),
        Hostile::ipv4(
            "interval 0 under reserved bits",
            &interval(HIGH, 0xf000),
            Dropped("interval"),
            "they say nothing",
        ),
        Hostile::ipv4("all reserved bits set", &interval(LOW, 0xf000 | INTERVAL), Heard, "they are ignored"),
        Hostile::ipv4("interval 10 ms", &interval(LOW, 1), Heard, "reported as odd"),
        Hostile::ipv4("interval 40.95 s", &interval(LOW, 4_095), Heard, "reported as odd"),
        Hostile::ipv4("another address", &addresses(LOW, &[[10, 66, 1, 99]]), Heard, "reported as odd"),
        Hostile::ipv4(
            "the address 0.0.0.0",
            &addresses(LOW, &[[0; 4]]),
            Heard,
            "addresses of others are not used",
        ),
        Hostile::ipv4(
            "a multicast address",
            &addresses(LOW, &[[224, 0, 0, 18]]),
            Heard,
            "addresses of others are not used",
        ),
        Hostile::ipv4("255 addresses", &addresses(LOW, &[[10, 66, 1, 99]; 255]), Heard, "reported as odd"),
        Hostile::ipv4(
            "priority 0",
            &edited(LOW, 2, 0),
            Heard,
            "answered by the Active router; a skew's wait behind it",
        ),
    ]);
    cases
}

fn interval(priority: u8, interval: u16) -> Ipv4 {
    Ipv4::of(plain(version_3(VRID, priority, 1, interval, &[VIP.into()])))
}

fn addresses(priority: u8, addresses: &[[u8; 4]]) -> Ipv4 {
    let count = u8::try_from(addresses.len()).expect("at most 255");
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| IpAddr::from(*address)).collect();
    Ipv4::of(plain(version_3(VRID, priority, count, INTERVAL, &addresses)))
}

fn checksums() -> Vec<Hostile> {
    let broken = |mut message: Vec<u8>, by: u8| {
        message[7] = message[7].wrapping_add(by);
        Ipv4::of(message)
    };
    let with_header = |source: [u8; 4]| covered(message(HIGH), IpAddr::from(source), GROUP.into());
    let mut zero = message(HIGH);
    zero[6..8].fill(0);
    let wrong = "wrong in both forms";
    vec![
        Hostile::ipv4("checksum off by one", &broken(message(HIGH), 1), Dropped("checksum"), wrong),
        Hostile::ipv4(
            "checksum with pseudo-header off by one",
            &broken(with_header([10, 66, 0, 2]), 1),
            Dropped("checksum"),
            wrong,
        ),
        Hostile::ipv4("checksum 0", &Ipv4::of(zero), Dropped("checksum"), wrong),
        Hostile::ipv4(
            "checksum with another's pseudo-header",
            &Ipv4::of(with_header([10, 66, 0, 9])),
            Dropped("checksum"),
            wrong,
        ),
        Hostile::ipv4(
            "checksum with pseudo-header",
            &Ipv4::of(covered(message(LOW), IpAddr::from([10, 66, 0, 2]), GROUP.into())),
            Heard,
            "the older form",
        ),
    ]
}

fn lengths() -> Vec<Hostile> {
    let whole = message(HIGH);
    let mut cases = Vec::new();
    for length in 0..whole.len() {
        let packet = Ipv4::of(whole[..length].to_vec());
        cases.push(Hostile::ipv4(
            format!("message cut to {length} octets"),
            &packet,
            Dropped("length"),
            "cut short",
        ));
    }
    let octets = Ipv4::of(whole).packet();
    for length in [0, 1, 9] {
        let frame = ethernet(GROUP_MAC, ETHERTYPE_IPV4, &octets[..length]);
        cases.push(Hostile::frame(
            format!("frame cut to {length} octets of IP"),
            frame,
            Unseen,
            "no protocol to read",
        ));
    }
    for length in [10, 19, 20, 21, 27, 28, 31] {
        let frame = ethernet(GROUP_MAC, ETHERTYPE_IPV4, &octets[..length]);
        cases.push(Hostile::frame(
            format!("frame cut to {length} octets of IP"),
            frame,
            Dropped("length"),
            "cut short",
        ));
    }
    let counting = |count: u8, addresses: usize| {
        let addresses = vec![IpAddr::from(VIP); addresses];
        Ipv4::of(plain(version_3(VRID, HIGH, count, INTERVAL, &addresses)))
    };
    let mut odd = message(HIGH);
    odd.push(0);
    let miscounted = "the count must match the length";
    cases.extend([
        Hostile::ipv4("count 0, no address", &counting(0, 0), Dropped("address_list"), "at least one"),
        Hostile::ipv4("count 0, one address", &counting(0, 1), Dropped("length"), miscounted),
        Hostile::ipv4("count 2, one address", &counting(2, 1), Dropped("length"), miscounted),
        Hostile::ipv4("count 255, one address", &counting(255, 1), Dropped("length"), miscounted),
        Hostile::ipv4("count 1, two addresses", &counting(1, 2), Dropped("length"), miscounted),
        Hostile::ipv4("an octet too many", &Ipv4::of(plain(odd)), Dropped("length"), miscounted),
    ]);
    cases
}
