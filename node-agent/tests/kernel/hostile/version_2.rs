//! Hostile packets of version 2, which IPv4 alone has. As there, what is dropped would win and what is heard
//! loses.

use std::net::{IpAddr, Ipv4Addr};

use super::frame::{Ipv4, covered, plain};
use super::packet::Fate::{Dropped, Heard};
use super::packet::Hostile;
use super::site::{VIP_2, VRID, VRID_2};

const HIGH: u8 = 254;
const LOW: u8 = 1;
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

pub(super) fn all() -> Vec<Hostile> {
    let packet = |kind, data| Ipv4::of(version_2(HIGH, kind, data));
    let mut slow = version_2(HIGH, 0, [0; 8]);
    slow[5] = 2;
    let mut without_trailer = version_2(HIGH, 0, [0; 8]);
    without_trailer.truncate(12);
    let mut never = version_2(HIGH, 0, [0; 8]);
    never[5] = 0;
    let mut for_version_3 = version_2(HIGH, 0, [0; 8]);
    for_version_3[1] = VRID;
    let mut broken = version_2(HIGH, 0, [0; 8]);
    broken[19] ^= 1;
    let covered = covered(version_2(HIGH, 0, [0; 8]), IpAddr::from([10, 66, 0, 2]), GROUP.into());
    let ignored = "data without authentication is ignored";
    vec![
        Hostile::ipv4(
            "version 2, simple text",
            &packet(1, *b"password"),
            Dropped("auth"),
            "the group has none",
        ),
        Hostile::ipv4("version 2, empty text", &packet(1, [0; 8]), Dropped("auth"), "the group has none"),
        Hostile::ipv4("version 2, AH", &packet(2, [0; 8]), Dropped("auth"), "unknown"),
        Hostile::ipv4("version 2, authentication type 255", &packet(255, [0; 8]), Dropped("auth"), "unknown"),
        Hostile::ipv4(
            "version 2, type 0 with data",
            &Ipv4::of(version_2(LOW, 0, *b"password")),
            Heard,
            ignored,
        ),
        Hostile::ipv4(
            "version 2 without the trailer",
            &Ipv4::of(plain(without_trailer)),
            Dropped("length"),
            "cut short",
        ),
        Hostile::ipv4(
            "version 2, interval 2 s",
            &Ipv4::of(plain(slow)),
            Dropped("interval"),
            "it must be the group's",
        ),
        Hostile::ipv4(
            "version 2, interval 0",
            &Ipv4::of(plain(never)),
            Dropped("interval"),
            "nobody could keep it",
        ),
        Hostile::ipv4(
            "version 2 with a pseudo-header",
            &Ipv4::of(covered),
            Dropped("checksum"),
            "version 2 has none",
        ),
        Hostile::ipv4(
            "version 2, data not covered",
            &Ipv4::of(broken),
            Dropped("checksum"),
            "the sum covers it",
        ),
        Hostile::ipv4(
            "version 2 for the group of version 3",
            &Ipv4::of(plain(for_version_3)),
            Dropped("version"),
            "another version",
        ),
    ]
}

/// A version 2 message with this authentication.
fn version_2(priority: u8, kind: u8, data: [u8; 8]) -> Vec<u8> {
    let mut message = vec![0x21, VRID_2, priority, 1, kind, 1, 0, 0];
    message.extend(VIP_2.octets());
    message.extend(data);
    plain(message)
}
