//! An advertisement as RFC 9568 §5.2 and RFC 3768 §5.3 draw it, and the checksum as RFC 1071 §4.1 computes
//! it.

use std::net::IpAddr;

use vrrp::{Advertisement, Authentication, ChecksumForm, Version};

pub(crate) const CHECKSUM: std::ops::Range<usize> = 6..8;
const AUTHENTICATION_DATA: usize = 8;

/// The message that says this, with a checksum of 0.
pub(crate) fn message(said: &Advertisement) -> Vec<u8> {
    let count = u8::try_from(said.addresses.len()).expect("no more addresses than an octet counts");
    let (version, interval, kind) = match said.version {
        Version::V2 => (0x21, u16::from(said.interval.seconds().expect("whole seconds")), auth(said).0),
        Version::V3 => (0x31, said.interval.centiseconds().expect("whole centiseconds"), 0),
    };
    assert!(interval != 0 && interval < 0x1000, "an interval of {interval}");
    let [high, low] = interval.to_be_bytes();
    let mut message = vec![version, said.vrid.get(), said.claim.octet(), count, high | kind, low, 0, 0];
    said.addresses.iter().for_each(|address| message.extend(octets(*address)));
    if said.version == Version::V2 {
        message.extend(auth(said).1);
    }
    message
}

/// `message` as it would be with nothing in what receivers ignore: the reserved bits of version 3, the data
/// of version 2 without authentication, the checksum.
pub(crate) fn without_ignored(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    message[CHECKSUM].fill(0);
    if message[0] >> 4 == 3 {
        message[4] &= 0x0f;
    } else if message[4] == 0 {
        let data = message.len() - AUTHENTICATION_DATA;
        message[data..].fill(0);
    }
    message
}

/// Which forms the checksum of a message is right in: without and with the pseudo-header for these endpoints.
pub(crate) fn right_forms(message: &[u8], source: IpAddr, destination: IpAddr) -> (bool, bool) {
    let header = pseudo_header(message, source, destination);
    (sum(message) == 0xffff, sum(&[&header, message].concat()) == 0xffff)
}

/// Puts the checksum right in one of the forms, where there is room for it.
pub(crate) fn seal(message: &mut [u8], form: ChecksumForm, source: IpAddr, destination: IpAddr) {
    let Some(field) = message.get_mut(CHECKSUM) else { return };
    field.fill(0);
    let header = match form {
        ChecksumForm::Rfc9568 => Vec::new(),
        ChecksumForm::Rfc5798 => pseudo_header(message, source, destination),
    };
    let checksum = !sum(&[&header, &*message].concat());
    message[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
}

/// The one's complement sum, each carry folded in at once.
pub(crate) fn sum(octets: &[u8]) -> u16 {
    octets.chunks(2).fold(0, |sum: u16, pair| {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        let (sum, carried) = sum.overflowing_add(word);
        sum + u16::from(carried)
    })
}

fn pseudo_header(message: &[u8], source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a packet").to_be_bytes();
    [&octets(source)[..], &octets(destination), &length, &[0, 0, 0, vrrp::IP_PROTOCOL]].concat()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

fn auth(said: &Advertisement) -> (u8, [u8; AUTHENTICATION_DATA]) {
    match said.authentication {
        Authentication::None => (0, [0; AUTHENTICATION_DATA]),
        Authentication::SimpleText(data) => (1, data),
    }
}
