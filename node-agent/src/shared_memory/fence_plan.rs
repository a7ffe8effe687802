//! What the guard does for one group when it fences it, or speaks for it, prepared by the dataplane.
//!
//! A plan holds whole frames and whole netlink messages: whoever carries it out builds nothing and needs to know
//! nothing of groups. Each part is a header of two 32-bit words, its kind and its length in octets, and then the
//! octets, padded to a multiple of four. Numbers are in the order of the host, since no plan leaves it.

use std::net::IpAddr;

use vrrp::Demands;

const FRAME: u32 = 1;
const DATAGRAM_IPV4: u32 = 2;
const DATAGRAM_IPV6: u32 = 3;
const HUSH: u32 = 4;
const DELETE: u32 = 5;
const LISTEN: u32 = 6;
const ADVERTISEMENT: u32 = 7;
const ADVERTISEMENT_TO_IPV4: u32 = 8;
const ADVERTISEMENT_TO_IPV6: u32 = 9;
const ALIGNMENT: usize = 4;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Send this frame, which resigns.
    Frame { ifindex: u32, ethertype: u16, octets: &'a [u8] },
    /// Send this message, which resigns, to one router.
    Datagram { ifindex: u32, source: IpAddr, destination: IpAddr, octets: &'a [u8] },
    /// Netlink messages that keep a macvlan from sending. Before the addresses go.
    Hush(&'a [u8]),
    /// Netlink messages that remove the addresses and what comes and goes with them.
    Delete(&'a [u8]),
    /// This frame says that the addresses are held.
    Advertisement { ifindex: u32, ethertype: u16, octets: &'a [u8] },
    /// This message says so to one router.
    AdvertisementTo { ifindex: u32, source: IpAddr, destination: IpAddr, octets: &'a [u8] },
    /// A successor may be heard on this interface, by packets that are as the group demands.
    Listen { ifindex: u32, demands: Demands },
}

/// Adds a part to a plan.
pub(crate) fn push(plan: &mut Vec<u8>, part: Part<'_>) {
    match part {
        Part::Frame { ifindex, ethertype, octets } => put_frame(plan, FRAME, ifindex, ethertype, octets),
        Part::Advertisement { ifindex, ethertype, octets } => {
            put_frame(plan, ADVERTISEMENT, ifindex, ethertype, octets);
        }
        Part::Datagram { ifindex, source, destination, octets } => {
            put_datagram(plan, [DATAGRAM_IPV4, DATAGRAM_IPV6], ifindex, (source, destination), octets);
        }
        Part::AdvertisementTo { ifindex, source, destination, octets } => {
            let kinds = [ADVERTISEMENT_TO_IPV4, ADVERTISEMENT_TO_IPV6];
            put_datagram(plan, kinds, ifindex, (source, destination), octets);
        }
        Part::Hush(messages) => put(plan, HUSH, &[messages]),
        Part::Delete(messages) => put(plan, DELETE, &[messages]),
        Part::Listen { ifindex, demands } => {
            let flags =
                [demands.least_hop_limit, demands.link_local_first.into(), demands.multicast.into(), 0];
            put(plan, LISTEN, &[&ifindex.to_ne_bytes(), &flags]);
        }
    }
}

fn put_frame(plan: &mut Vec<u8>, kind: u32, ifindex: u32, ethertype: u16, octets: &[u8]) {
    put(plan, kind, &[&ifindex.to_ne_bytes(), &u32::from(ethertype).to_ne_bytes(), octets]);
}

/// `kinds` are those of IPv4 and IPv6.
fn put_datagram(plan: &mut Vec<u8>, kinds: [u32; 2], ifindex: u32, ends: (IpAddr, IpAddr), octets: &[u8]) {
    let ifindex = ifindex.to_ne_bytes();
    match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            put(plan, kinds[0], &[&ifindex, &source.octets(), &destination.octets(), octets]);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            put(plan, kinds[1], &[&ifindex, &source.octets(), &destination.octets(), octets]);
        }
        // No message goes from one family to the other.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
    }
}

fn put(plan: &mut Vec<u8>, kind: u32, pieces: &[&[u8]]) {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let Ok(octets) = u32::try_from(length) else { return };
    plan.extend(kind.to_ne_bytes());
    plan.extend(octets.to_ne_bytes());
    pieces.iter().for_each(|piece| plan.extend_from_slice(piece));
    plan.resize(plan.len().next_multiple_of(ALIGNMENT), 0);
}

/// The parts of a plan, up to its end or to the first octet that no plan has.
pub(crate) fn parts(plan: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = plan;
    std::iter::from_fn(move || {
        let (kind, after) = number(rest)?;
        let (length, after) = number(after)?;
        let length = usize::try_from(length).ok()?;
        let octets = after.get(..length)?;
        rest = after.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        part(kind, octets)
    })
}

fn part(kind: u32, octets: &[u8]) -> Option<Part<'_>> {
    match kind {
        FRAME | ADVERTISEMENT => {
            let (ifindex, rest) = number(octets)?;
            let (ethertype, octets) = number(rest)?;
            let ethertype = ethertype.try_into().ok()?;
            Some(match kind {
                FRAME => Part::Frame { ifindex, ethertype, octets },
                _ => Part::Advertisement { ifindex, ethertype, octets },
            })
        }
        DATAGRAM_IPV4 | DATAGRAM_IPV6 | ADVERTISEMENT_TO_IPV4 | ADVERTISEMENT_TO_IPV6 => {
            let (ifindex, rest) = number(octets)?;
            let (source, destination, octets) = match kind {
                DATAGRAM_IPV4 | ADVERTISEMENT_TO_IPV4 => ends::<4>(rest)?,
                _ => ends::<16>(rest)?,
            };
            Some(match kind {
                DATAGRAM_IPV4 | DATAGRAM_IPV6 => Part::Datagram { ifindex, source, destination, octets },
                _ => Part::AdvertisementTo { ifindex, source, destination, octets },
            })
        }
        HUSH => Some(Part::Hush(octets)),
        DELETE => Some(Part::Delete(octets)),
        LISTEN => {
            let (ifindex, rest) = number(octets)?;
            let &[least_hop_limit, link_local_first, multicast, _] = rest.first_chunk::<4>()?;
            let [link_local_first, multicast] = [link_local_first, multicast].map(|flag| flag != 0);
            let demands = Demands { least_hop_limit, link_local_first, multicast };
            Some(Part::Listen { ifindex, demands })
        }
        _ => None,
    }
}

/// Source, destination and what follows them.
fn ends<const N: usize>(octets: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = octets.split_first_chunk::<N>()?;
    let (destination, octets) = rest.split_first_chunk::<N>()?;
    Some(((*source).into(), (*destination).into(), octets))
}

fn number(octets: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = octets.split_first_chunk::<4>()?;
    Some((u32::from_ne_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Vec<Part<'static>> {
        let demands = Demands { least_hop_limit: 250, link_local_first: false, multicast: true };
        vec![
            Part::Frame { ifindex: 3, ethertype: 0x86dd, octets: &[1, 2, 3] },
            Part::Datagram {
                ifindex: 4,
                source: "192.0.2.1".parse().unwrap(),
                destination: "192.0.2.2".parse().unwrap(),
                octets: &[4; 9],
            },
            Part::Datagram {
                ifindex: 5,
                source: "fe80::1".parse().unwrap(),
                destination: "fe80::2".parse().unwrap(),
                octets: &[],
            },
            Part::Advertisement { ifindex: 3, ethertype: 0x0800, octets: &[3, 2, 1] },
            Part::AdvertisementTo {
                ifindex: 4,
                source: "192.0.2.1".parse().unwrap(),
                destination: "192.0.2.2".parse().unwrap(),
                octets: &[5; 8],
            },
            Part::AdvertisementTo {
                ifindex: 5,
                source: "fe80::1".parse().unwrap(),
                destination: "fe80::2".parse().unwrap(),
                octets: &[9],
            },
            Part::Hush(&[6, 7]),
            Part::Delete(&[8; 40]),
            Part::Listen { ifindex: 6, demands },
        ]
    }

    #[test]
    fn a_plan_holds_what_was_put_in_in_that_order() {
        let mut plan = Vec::new();
        everything().into_iter().for_each(|part| push(&mut plan, part));
        assert_eq!(parts(&plan).collect::<Vec<_>>(), everything());
    }

    #[test]
    fn a_plan_that_was_cut_short_has_the_parts_before_the_cut() {
        let mut plan = Vec::new();
        everything().into_iter().for_each(|part| push(&mut plan, part));
        for length in 0..plan.len() {
            let found: Vec<_> = parts(&plan[..length]).collect();
            assert_eq!(found, everything()[..found.len()], "{length} octets");
        }
    }
}
