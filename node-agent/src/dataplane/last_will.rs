//! What the guard is to do for a group should this worker die: a [`fence_plan`], whole frames and messages.
//! It says how to advertise in the group's name until another worker does, and how to resign and take the
//! addresses away.

use std::collections::BTreeSet;

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage};
use rtnetlink::packet_route::RouteNetlinkMessage;
use vrrp::{Claim, Priority};

use super::address_table::{self, AgentNumber, HostAddress};
use super::attachment;
use super::group::{Footing, Group};
use super::link_outlet;
use super::translate;
use super::transmit::{PeerMessage, ethertype};
use crate::shared_memory::fence_plan::{self, Part};

/// The plan for a group that holds addresses or is about to. What is `foreign` of them is not ours to remove; an
/// owner's addresses are not ours at all: the guard only speaks for it.
pub(super) fn plan(group: &Group, foreign: &BTreeSet<HostAddress>, agent: AgentNumber) -> Option<Vec<u8>> {
    let wish = group.wanted()?;
    let footing = group.footing()?;
    let mut plan = Vec::new();
    advertise(&mut plan, group, footing, group.effective_priority());
    if wish.owner {
        return Some(plan);
    }
    resign(&mut plan, group, footing);
    for ifindex in [Some(footing.ifindex), wish.link].into_iter().flatten() {
        fence_plan::push(&mut plan, Part::Listen { ifindex, demands: translate::demands(group.desired()) });
    }
    if let Some(message) = wish.link.and_then(link_outlet::closing) {
        let mut octets = Vec::new();
        serialise(&mut octets, message, NLM_F_CREATE | NLM_F_REPLACE);
        fence_plan::push(&mut plan, Part::Hush(&octets));
    }
    let attachments = wish.attachments.iter().rev().map(|attached| attachment::removal(*attached, agent));
    let addresses = wish.addresses.difference(foreign);
    let addresses =
        addresses.map(|address| RouteNetlinkMessage::DelAddress(address_table::removal(*address)));
    let mut octets = Vec::new();
    attachments.chain(addresses).for_each(|message| serialise(&mut octets, message, 0));
    fence_plan::push(&mut plan, Part::Delete(&octets));
    Some(plan)
}

fn advertise(plan: &mut Vec<u8>, group: &Group, footing: Footing, priority: Priority) {
    let (claim, Footing { ifindex, source, .. }) = (Claim::Holds(priority), footing);
    if let Some((_, messages)) = group.messages(claim.into()) {
        for PeerMessage { destination, octets } in &messages {
            let destination = *destination;
            fence_plan::push(plan, Part::AdvertisementTo { ifindex, source, destination, octets });
        }
    } else if let Some(octets) = group.frame_for_others(claim) {
        let ethertype = ethertype(group.desired().family);
        fence_plan::push(plan, Part::Advertisement { ifindex, ethertype, octets: &octets });
    }
}

fn resign(plan: &mut Vec<u8>, group: &Group, footing: Footing) {
    let Footing { ifindex, source, .. } = footing;
    if let Some((_, messages)) = group.messages(Claim::Resigns.into()) {
        for PeerMessage { destination, octets } in &messages {
            let destination = *destination;
            fence_plan::push(plan, Part::Datagram { ifindex, source, destination, octets });
        }
    } else if let Some(octets) = group.frame_for_others(Claim::Resigns) {
        let ethertype = ethertype(group.desired().family);
        fence_plan::push(plan, Part::Frame { ifindex, ethertype, octets: &octets });
    }
}

fn serialise(octets: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    request.finalize();
    let start = octets.len();
    octets.resize((start + request.buffer_len()).next_multiple_of(4), 0);
    request.serialize(&mut octets[start..]);
}

#[cfg(test)]
mod tests {
    use vrrp::Instant;

    use super::*;
    use crate::dataplane::test_data::desired;

    const AGENT: AgentNumber = AgentNumber(7);

    fn group(priority: u8) -> Group {
        let mut group = Group::new(0, desired(priority), Instant::ORIGIN);
        let footing = Footing {
            ifindex: 3,
            mac: [2, 0, 0, 0, 0, 1],
            own_mac: [2, 0, 0, 0, 0, 1],
            holder: Some(3),
            source: "192.0.2.1".parse().unwrap(),
            mtu: 1_500,
        };
        group.set_footing(Ok(footing), Instant::ORIGIN, &mut Default::default());
        group
    }

    #[test]
    fn a_plan_advertises_resigns_listens_and_removes_the_address() {
        let plan = plan(&group(240), &BTreeSet::new(), AGENT).unwrap();
        let parts: Vec<_> = fence_plan::parts(&plan).collect();
        let [
            Part::Advertisement { ifindex: 3, ethertype: 0x0800, octets: held },
            Part::Frame { ifindex: 3, ethertype: 0x0800, octets },
            Part::Listen { ifindex: 3, .. },
            Part::Delete(delete),
        ] = parts[..]
        else {
            panic!("{parts:?}");
        };
        // Ethernet, IPv4, then version and type, VRID, priority.
        assert_eq!((&held[34..37], &octets[34..37]), (&[0x31, 51, 240][..], &[0x31, 51, 0][..]));
        // RTM_DELADDR; the address twice.
        assert_eq!((delete.len(), delete[4]), (40, 21));
        assert_eq!((&delete[28..32], &delete[36..40]), (&[192, 0, 2, 10][..], &[192, 0, 2, 10][..]));
    }

    #[test]
    fn what_is_not_ours_is_not_removed() {
        let address = HostAddress { ifindex: 3, address: "192.0.2.10".parse().unwrap() };
        let plan = plan(&group(240), &BTreeSet::from([address]), AGENT).unwrap();
        let deletes =
            fence_plan::parts(&plan).filter(|part| matches!(part, Part::Delete(octets) if octets.is_empty()));
        assert_eq!(deletes.count(), 1);
    }

    #[test]
    fn an_owner_is_spoken_for_and_never_fenced() {
        let plan = plan(&group(255), &BTreeSet::new(), AGENT).unwrap();
        let parts: Vec<_> = fence_plan::parts(&plan).collect();
        let [Part::Advertisement { octets, .. }] = parts[..] else { panic!("{parts:?}") };
        assert_eq!(octets[34..37], [0x31, 51, 255]);
    }
}
