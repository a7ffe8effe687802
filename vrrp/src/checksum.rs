//! The internet checksum of a VRRP message, and the pseudo-header that some forms of it cover.
//!
//! Over IPv6 the sum covers the pseudo-header of RFC 8200 (RFC 9568 §5.2.8), in version 2 it never covers one
//! (RFC 3768 §5.3.8). Version 3 over IPv4 is where the field disagrees: RFC 5798 was read to ask for the
//! pseudo-header, and keepalived and FRR send and demand it; RFC 9568 says that there is none.

use std::net::IpAddr;

use crate::{Family, Version};

/// The IP protocol number of VRRP.
pub const IP_PROTOCOL: u8 = 112;

/// What the checksum of a version 3 advertisement over IPv4 covers. No other advertisement has a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumForm {
    /// The VRRP message alone (RFC 9568 §5.2.8). keepalived and FRR drop it as they are usually configured.
    Rfc9568,
    /// The VRRP message and an IPv4 pseudo-header (RFC 5798 §5.2.8 as implemented in the field).
    Rfc5798,
}

/// The addresses of an IP header, as far as a pseudo-header repeats them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoints {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
}

/// Whether the checksum of a received message is right, and what that says about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Right, and only in this form.
    Form(ChecksumForm),
    /// Right, and it tells nothing: both forms give this sum, or there is only one form.
    Indifferent,
    /// Wrong in every form.
    Wrong,
}

/// The checksum to send: `message` carries zero in its checksum field.
pub(crate) fn to_send(
    version: Version,
    family: Family,
    form: ChecksumForm,
    message: &[u8],
    endpoints: Endpoints,
) -> u16 {
    let covers_pseudo_header = match (version, family, form) {
        (Version::V2, _, _) | (Version::V3, Family::Ipv4, ChecksumForm::Rfc9568) => false,
        (Version::V3, Family::Ipv6, _) | (Version::V3, Family::Ipv4, ChecksumForm::Rfc5798) => true,
    };
    let mut sum = Sum::default();
    sum.add(message);
    if covers_pseudo_header {
        sum.add_pseudo_header(message, endpoints);
    }
    !sum.folded()
}

/// Judges a received message, checksum field included.
pub(crate) fn verify(version: Version, family: Family, message: &[u8], endpoints: Endpoints) -> Verdict {
    let mut plain = Sum::default();
    plain.add(message);
    let mut with_pseudo_header = plain;
    with_pseudo_header.add_pseudo_header(message, endpoints);
    // Some keepalived versions name the multicast group in the pseudo-header of what they send to one peer.
    let mut with_group_in_it = plain;
    let group = Endpoints { destination: family.multicast_group(), ..endpoints };
    with_group_in_it.add_pseudo_header(message, group);
    let with_pseudo_header =
        with_pseudo_header.is_right() || with_group_in_it.is_right() && family == Family::Ipv4;
    let plain = plain.is_right();

    match (version, family) {
        (Version::V2, _) if plain => Verdict::Indifferent,
        (Version::V3, Family::Ipv6) if with_pseudo_header => Verdict::Indifferent,
        (Version::V3, Family::Ipv4) => match (plain, with_pseudo_header) {
            (true, true) => Verdict::Indifferent,
            (true, false) => Verdict::Form(ChecksumForm::Rfc9568),
            (false, true) => Verdict::Form(ChecksumForm::Rfc5798),
            (false, false) => Verdict::Wrong,
        },
        (Version::V2, _) | (Version::V3, Family::Ipv6) => Verdict::Wrong,
    }
}

/// A one's complement sum of 16-bit words (RFC 1071), not yet folded. 64 bits do not overflow before 2^48 words.
#[derive(Debug, Clone, Copy, Default)]
struct Sum(u64);

impl Sum {
    /// Adds octets; an odd last one is the high half of a word.
    fn add(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<2>();
        self.0 += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
        if let [last] = rest {
            self.0 += u64::from(u16::from_be_bytes([*last, 0]));
        }
    }

    /// Adds addresses, protocol and length. The two families order them differently, which a sum does not see.
    fn add_pseudo_header(&mut self, message: &[u8], Endpoints { source, destination }: Endpoints) {
        for address in [source, destination] {
            match address {
                IpAddr::V4(address) => self.add(&address.octets()),
                IpAddr::V6(address) => self.add(&address.octets()),
            }
        }
        self.add(&[0, IP_PROTOCOL]);
        self.add(&message.len().to_be_bytes());
    }

    fn folded(self) -> u16 {
        let [.., high, low] = std::iter::successors(Some(self.0), |sum| {
            (*sum > u64::from(u16::MAX)).then(|| (sum & 0xffff) + (sum >> 16))
        })
        .last()
        .unwrap_or_default()
        .to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// A message together with a right checksum sums up to all ones.
    fn is_right(self) -> bool {
        self.folded() == u16::MAX
    }
}

/// The checksum without a pseudo-header, computed the slow way: octet by octet, each carry folded in at once.
#[cfg(test)]
pub(crate) fn slow_reference(message: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for (position, octet) in message.iter().enumerate() {
        sum += if position % 2 == 0 { u32::from(*octet) << 8 } else { u32::from(*octet) };
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    !u16::try_from(sum).unwrap()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// The pseudo-headers as RFC 5798 and RFC 8200 §8.1 draw them, in front of the message.
    fn with_pseudo_header(message: &[u8], endpoints: Endpoints) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        match (endpoints.source, endpoints.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                [&source.octets()[..], &destination.octets(), &[0, IP_PROTOCOL], &length[2..], message]
                    .concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                [&source.octets()[..], &destination.octets(), &length, &[0, 0, 0, IP_PROTOCOL], message]
                    .concat()
            }
            _ => panic!("two families"),
        }
    }

    /// 0 and 0xffff are one number in one's complement, and either may be sent.
    fn same(ours: u16, theirs: u16) -> bool {
        ours == theirs || [ours, theirs].iter().all(|sum| [0, u16::MAX].contains(sum))
    }

    #[test]
    fn the_example_of_rfc_1071_adds_up() {
        let mut sum = Sum::default();
        sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
    }

    proptest! {
        #[test]
        fn the_fast_sum_is_the_slow_sum(
            message in prop::collection::vec(any::<u8>(), 8..600),
            source: u128,
            destination: u128,
        ) {
            let narrow = |address: u128| Ipv4Addr::from(u32::try_from(address >> 96).unwrap());
            let v4 = Endpoints { source: narrow(source).into(), destination: narrow(destination).into() };
            let v6 =
                Endpoints { source: Ipv6Addr::from(source).into(), destination: Ipv6Addr::from(destination).into() };
            for (version, family, form, endpoints, covered) in [
                (Version::V2, Family::Ipv4, ChecksumForm::Rfc5798, v4, message.clone()),
                (Version::V3, Family::Ipv4, ChecksumForm::Rfc9568, v4, message.clone()),
                (Version::V3, Family::Ipv4, ChecksumForm::Rfc5798, v4, with_pseudo_header(&message, v4)),
                (Version::V3, Family::Ipv6, ChecksumForm::Rfc9568, v6, with_pseudo_header(&message, v6)),
            ] {
                let sum = to_send(version, family, form, &message, endpoints);
                prop_assert!(same(sum, slow_reference(&covered)), "{version} {family} {form:?}");
            }
        }
    }
}
