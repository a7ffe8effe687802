//! Hostile packets over IPv6. What must be dropped claims a priority that would win; what is heard claims one
//! that loses.

use std::net::{IpAddr, Ipv6Addr};

use super::frame::{GROUP_MAC_V6, Ipv6, covered, ethernet, link_local, plain, version_3};
use super::packet::Fate::{Dropped, Heard, Unseen};
use super::packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Hostile};
use super::site::{GLOBAL, LINK_LOCAL, VRID};

const HIGH: u8 = 254;
const LOW: u8 = 1;
const INTERVAL: u16 = 100;
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

fn unsealed(priority: u8) -> Vec<u8> {
    version_3(VRID, priority, 2, INTERVAL, &[LINK_LOCAL.into(), GLOBAL.into()])
}

/// The message in a packet from the attacker to the group, with the right checksum.
fn sealed(message: Vec<u8>) -> Ipv6 {
    between(message, link_local(2), GROUP)
}

fn between(message: Vec<u8>, source: Ipv6Addr, destination: Ipv6Addr) -> Ipv6 {
    let payload = covered(message, source.into(), destination.into());
    Ipv6 { source, destination, ..Ipv6::of(payload) }
}

fn packet(priority: u8) -> Ipv6 {
    sealed(unsealed(priority))
}

fn edited(priority: u8, at: usize, octet: u8) -> Ipv6 {
    let mut message = unsealed(priority);
    message[at] = octet;
    sealed(message)
}

pub(super) fn all() -> Vec<Hostile> {
    [ip_header(), extension_headers(), endpoints(), ethernet_frames(), fields(), checksums(), lengths()]
        .concat()
}

fn ip_header() -> Vec<Hostile> {
    let high = || packet(HIGH);
    let odd = "the IP header cannot be believed";
    let mut cases = Vec::new();
    for hop_limit in [254, 64, 1, 0] {
        let packet = Ipv6 { hop_limit, ..high() };
        cases.push(Hostile::ipv6(
            format!("hop limit {hop_limit}"),
            &packet,
            Dropped("ttl"),
            "it may have been routed",
        ));
    }
    for version in [4, 0, 15] {
        let packet = Ipv6 { version, ..high() };
        cases.push(Hostile::ipv6(format!("IP version {version}"), &packet, Dropped("family"), odd));
    }
    for length in [0, 7, 39, 41, 65_535] {
        let packet = Ipv6 { payload_length: Some(length), ..high() };
        cases.push(Hostile::ipv6(format!("payload length {length} of 40"), &packet, Dropped("length"), odd));
    }
    cases
}

fn extension_headers() -> Vec<Hostile> {
    let behind = |next_header: u8, header: [u8; 8]| {
        let payload = [&header[..], &packet(HIGH).payload].concat();
        Ipv6 { next_header, payload, ..packet(HIGH) }
    };
    let jumbo = Ipv6 { payload_length: Some(0), ..behind(0, [112, 0, 0xc2, 4, 0, 1, 0, 0]) };
    let hidden = "VRRP follows the IP header at once";
    vec![
        Hostile::ipv6("behind hop-by-hop options", &behind(0, [112, 0, 1, 4, 0, 0, 0, 0]), Unseen, hidden),
        Hostile::ipv6("behind a jumbo payload option", &jumbo, Unseen, hidden),
        Hostile::ipv6("behind destination options", &behind(60, [112, 0, 1, 4, 0, 0, 0, 0]), Unseen, hidden),
        Hostile::ipv6("behind a routing header", &behind(43, [112, 0, 4, 0, 0, 0, 0, 0]), Unseen, hidden),
        Hostile::ipv6("as first fragment", &behind(44, [112, 0, 0, 1, 0, 0, 0, 1]), Unseen, hidden),
        Hostile::ipv6("as last fragment", &behind(44, [112, 0, 0, 8, 0, 0, 0, 1]), Unseen, hidden),
        Hostile::ipv6("as only fragment", &behind(44, [112, 0, 0, 0, 0, 0, 0, 1]), Unseen, hidden),
        Hostile::ipv6(
            "with no next header",
            &Ipv6 { next_header: 59, ..packet(HIGH) },
            Unseen,
            "it is not VRRP",
        ),
        Hostile::ipv6(
            "next header 111",
            &Ipv6 { next_header: 111, ..packet(HIGH) },
            Unseen,
            "it is not VRRP",
        ),
    ]
}

fn endpoints() -> Vec<Hostile> {
    let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    let from = |text: &str, priority| between(unsealed(priority), address(text), GROUP);
    let to = |text: &str| between(unsealed(HIGH), link_local(2), address(text));
    let mut cases = Vec::new();
    for source in ["::", "::1", "ff02::12"] {
        cases.push(Hostile::ipv6(
            format!("from {source}"),
            &from(source, HIGH),
            Dropped("source"),
            "no host has this address",
        ));
    }
    for source in ["2001:db8:66::2", "fc00::2", "fec0::2", "::ffff:10.66.0.2", "2001:db8:66::51"] {
        let packet = from(source, HIGH);
        cases.push(Hostile::ipv6(
            format!("from {source}"),
            &packet,
            Dropped("source"),
            "routers send from link-local addresses",
        ));
    }
    for destination in
        ["ff02::1", "ff02::2", "ff05::12", "ff02::1:ff00:1", "fe80::1", "fe80::51", "2001:db8:66::51"]
    {
        let packet = to(destination);
        cases.push(Hostile::ipv6(
            format!("to {destination}"),
            &packet,
            Dropped("destination"),
            "the group speaks to ff02::12",
        ));
    }
    cases.extend([
        Hostile::ipv6("from the virtual address", &from("fe80::51", LOW), Heard, "as its owner does"),
        Hostile::ipv6("from the Active router's address", &from("fe80::1", LOW), Heard, "its priority tells"),
        Hostile::ipv6("from the Backup's address", &from("fe80::3", LOW), Heard, "its priority tells"),
    ]);
    cases
}

fn ethernet_frames() -> Vec<Hostile> {
    let (high, low) = (packet(HIGH).packet(), packet(LOW).packet());
    let tagged = |tag: [u8; 4], packet: &[u8]| {
        [&GROUP_MAC_V6[..], &[2, 0, 0, 0, 0, 2], &tag, &[0x86, 0xdd], packet].concat()
    };
    let padded = [&low[..], &[0xa5; 100]].concat();
    let grouped = "the IP destination tells, and switches may turn multicast into broadcast";
    vec![
        Hostile::frame(
            "padded by 100 octets",
            ethernet(GROUP_MAC_V6, ETHERTYPE_IPV6, &padded),
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
            "to the Ethernet broadcast address",
            ethernet([0xff; 6], ETHERTYPE_IPV6, &low),
            Heard,
            grouped,
        ),
        Hostile::frame(
            "to another group's MAC address",
            ethernet([0x33, 0x33, 0, 0, 0, 1], ETHERTYPE_IPV6, &low),
            Heard,
            grouped,
        ),
        Hostile::frame(
            "to another host's MAC address",
            ethernet([2, 0, 0, 0, 0, 0x99], ETHERTYPE_IPV6, &high),
            Unseen,
            "it is not for this host",
        ),
        Hostile::frame(
            "IPv6 under the EtherType of IPv4",
            ethernet(GROUP_MAC_V6, ETHERTYPE_IPV4, &high),
            Unseen,
            "octet 9 is not 112",
        ),
    ]
}

fn fields() -> Vec<Hostile> {
    let mut cases = Vec::new();
    for version in [0, 1, 4, 15] {
        let packet = edited(HIGH, 0, version << 4 | 1);
        cases.push(Hostile::ipv6(format!("VRRP version {version}"), &packet, Dropped("version"), "unknown"));
    }
    for kind in [0, 2, 15] {
        let packet = edited(HIGH, 0, 0x30 | kind);
        cases.push(Hostile::ipv6(format!("type {kind}"), &packet, Dropped("type"), "not an advertisement"));
    }
    let interval = |priority, interval| {
        sealed(version_3(VRID, priority, 2, interval, &[LINK_LOCAL.into(), GLOBAL.into()]))
    };
    let first = |priority, text: &str| {
        let first: IpAddr = text.parse().expect("an address");
        sealed(version_3(VRID, priority, 2, INTERVAL, &[first, LINK_LOCAL.into()]))
    };
    let not_first = "the first address must be link-local";
    cases.extend([
        Hostile::ipv6(
            "VRRP version 2",
            &edited(HIGH, 0, 0x21),
            Dropped("family"),
            "version 2 knows IPv4 only",
        ),
        Hostile::ipv6("VRID 0", &edited(HIGH, 1, 0), Dropped("vrid"), "no virtual router has it"),
        Hostile::ipv6("VRID 200", &edited(HIGH, 1, 200), Dropped("vrid"), "no group of this host"),
        Hostile::ipv6("interval 0", &interval(HIGH, 0), Dropped("interval"), "nobody could keep it"),
        Hostile::ipv6(
            "interval 0 under reserved bits",
            &interval(HIGH, 0xf000),
            Dropped("interval"),
            "they say nothing",
        ),
        Hostile::ipv6("all reserved bits set", &interval(LOW, 0xf000 | INTERVAL), Heard, "they are ignored"),
        Hostile::ipv6("interval 40.95 s", &interval(LOW, 4_095), Heard, "reported as odd"),
        Hostile::ipv6(
            "priority 0",
            &edited(LOW, 2, 0),
            Heard,
            "answered by the Active router; a skew's wait behind it",
        ),
        Hostile::ipv6(
            "first address global",
            &first(HIGH, "2001:db8:66::51"),
            Dropped("address_list"),
            not_first,
        ),
        Hostile::ipv6("first address ::", &first(HIGH, "::"), Dropped("address_list"), not_first),
        Hostile::ipv6("first address ff02::12", &first(HIGH, "ff02::12"), Dropped("address_list"), not_first),
        Hostile::ipv6("first address ::1", &first(HIGH, "::1"), Dropped("address_list"), not_first),
        Hostile::ipv6("another link-local address", &first(LOW, "fe80::99"), Heard, "reported as odd"),
    ]);
    cases
}

fn checksums() -> Vec<Hostile> {
    let of = |payload| Ipv6::of(payload);
    let mut off = packet(HIGH).payload;
    off[7] = off[7].wrapping_add(1);
    let mut zero = packet(HIGH).payload;
    zero[6..8].fill(0);
    let another = covered(unsealed(HIGH), link_local(9).into(), GROUP.into());
    let wrong = "the sum covers the pseudo-header";
    vec![
        Hostile::ipv6("checksum off by one", &of(off), Dropped("checksum"), "wrong"),
        Hostile::ipv6(
            "checksum without pseudo-header",
            &of(plain(unsealed(HIGH))),
            Dropped("checksum"),
            wrong,
        ),
        Hostile::ipv6("checksum 0", &of(zero), Dropped("checksum"), "wrong"),
        Hostile::ipv6("checksum with another's pseudo-header", &of(another), Dropped("checksum"), wrong),
    ]
}

fn lengths() -> Vec<Hostile> {
    let whole = packet(HIGH).payload;
    let mut cases = Vec::new();
    for length in 0..whole.len() {
        let packet = Ipv6::of(whole[..length].to_vec());
        cases.push(Hostile::ipv6(
            format!("message cut to {length} octets"),
            &packet,
            Dropped("length"),
            "cut short",
        ));
    }
    let octets = packet(HIGH).packet();
    for (length, fate) in
        [(6, Unseen), (7, Dropped("length")), (39, Dropped("length")), (40, Dropped("length"))]
    {
        let frame = ethernet(GROUP_MAC_V6, ETHERTYPE_IPV6, &octets[..length]);
        cases.push(Hostile::frame(format!("frame cut to {length} octets of IP"), frame, fate, "cut short"));
    }
    let counting = |count: u8, addresses: usize| {
        sealed(version_3(VRID, HIGH, count, INTERVAL, &vec![LINK_LOCAL.into(); addresses]))
    };
    let miscounted = "the count must match the length";
    cases.extend([
        Hostile::ipv6("count 0, no address", &counting(0, 0), Dropped("address_list"), "at least one"),
        Hostile::ipv6("count 0, one address", &counting(0, 1), Dropped("length"), miscounted),
        Hostile::ipv6("count 2, one address", &counting(2, 1), Dropped("length"), miscounted),
        Hostile::ipv6("count 255, one address", &counting(255, 1), Dropped("length"), miscounted),
        Hostile::ipv6("count 1, two addresses", &counting(1, 2), Dropped("length"), miscounted),
        Hostile::ipv6(
            "addresses of IPv4",
            &sealed(version_3(VRID, HIGH, 4, INTERVAL, &[IpAddr::from([10, 66, 1, 51]); 4])),
            Dropped("length"),
            miscounted,
        ),
    ]);
    cases
}
