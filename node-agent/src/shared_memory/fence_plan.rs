//! What the guard does for one group when it fences it, prepared by the dataplane.
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
    /// A successor may be heard on this interface, by packets that are as the group demands.
    Listen { ifindex: u32, demands: Demands },
}

/// Adds a part to a plan.
pub(crate) fn push(plan: &mut Vec<u8>, part: Part<'_>) {
    match part {
        Part::Frame { ifindex, ethertype, octets } => {
            put(plan, FRAME, &[&ifindex.to_ne_bytes(), &u32::from(ethertype).to_ne_bytes(), octets]);
        }
        Part::Datagram { ifindex, source, destination, octets } => match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let parts = [&ifindex.to_ne_bytes(), &source.octets()[..], &destination.octets(), octets];
                put(plan, DATAGRAM_IPV4, &parts);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let parts = [&ifindex.to_ne_bytes(), &source.octets()[..], &destination.octets(), octets];
                put(plan, DATAGRAM_IPV6, &parts);
            }
            // No message goes from one family to the other.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
        },
        Part::Hush(messages) => put(plan, HUSH, &[messages]),
        Part::Delete(messages) => put(plan, DELETE, &[messages]),
        Part::Listen { ifindex, demands } => {
            let flags =
                [demands.least_hop_limit, demands.link_local_first.into(), demands.multicast.into(), 0];
            put(plan, LISTEN, &[&ifindex.to_ne_bytes(), &flags]);
        }
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
        FRAME => {
            let (ifindex, rest) = number(octets)?;
            let (ethertype, octets) = number(rest)?;
            Some(Part::Frame { ifindex, ethertype: ethertype.try_into().ok()?, octets })
        }
        DATAGRAM_IPV4 => {
            let (ifindex, rest) = number(octets)?;
            let (source, rest) = rest.split_first_chunk::<4>()?;
            let (destination, octets) = rest.split_first_chunk::<4>()?;
            let (source, destination) = ((*source).into(), (*destination).into());
            Some(Part::Datagram { ifindex, source, destination, octets })
        }
        DATAGRAM_IPV6 => {
            let (ifindex, rest) = number(octets)?;
            let (source, rest) = rest.split_first_chunk::<16>()?;
            let (destination, octets) = rest.split_first_chunk::<16>()?;
            let (source, destination) = ((*source).into(), (*destination).into());
            Some(Part::Datagram { ifindex, source, destination, octets })
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
