//! Who holds the addresses, as this member sees it: the router that it waits behind, or itself.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use api_types::protocol::{MacMode, Transport};
use vrrp::{Family, Instant};

use super::{Effects, Group};
use crate::dataplane::probe::{Asker, MAX_ADDRESSES, Subject};

/// How far apart members begin to ask who answers, so that their questions do not come at once.
const ASK_APART: Duration = Duration::from_millis(1);
/// How many of them take turns.
const MAX_RANK: usize = 10;

impl Group {
    /// An advertisement of `source` was accepted: is that another holder than the one before?
    pub(super) fn note_holder(&mut self, source: IpAddr, now: Instant, effects: &mut Effects) {
        if self.active_source() != Some(source) {
            return;
        }
        let before = self.holder.replace(source);
        if before.is_some_and(|before| before != source) {
            effects.new_holders.push((self.handle, now));
        }
    }

    /// It holds the addresses itself.
    pub(super) fn note_own_hold(&mut self) {
        self.holder = self.footing.map(|footing| footing.source).or(self.holder);
    }

    /// What is to be found out about the router that it waits behind, whose advertisement came from `mac`.
    pub(in super::super) fn check(&self, mac: Option<[u8; 6]>, now: Instant) -> Option<(Asker, Subject)> {
        let (footing, source) = (self.footing?, self.active_source()?);
        let options = &self.desired.options;
        // One that was sent to us alone left from the interface's own MAC address.
        let is_virtual = options.mac_mode == MacMode::Virtual && options.transport == Transport::Unicast;
        let addresses = self.desired.virtual_addresses.iter().map(|address| address.address());
        let is_ours = |address: &IpAddr| Family::of(*address) == self.desired.family;
        let addresses: BTreeSet<_> = addresses.filter(is_ours).take(MAX_ADDRESSES).collect();
        let peers = &self.desired.peers;
        let rank = peers.iter().filter(|peer| peer.priority > self.desired.priority).count().min(MAX_RANK);
        let subject = Subject {
            addresses,
            mac: if is_virtual { footing.mac } else { mac? },
            heard_at: now,
            first: now + ASK_APART * u32::try_from(rank).unwrap_or_default(),
            wants_announcement: peers.iter().any(|peer| peer.address == Some(source) && !peer.external),
        };
        Some((Asker { ifindex: footing.ifindex, mac: footing.own_mac, source: footing.source }, subject))
    }

    /// The other members, as far as their addresses are known.
    pub(in super::super) fn members(&self) -> &[IpAddr] {
        &self.members
    }
}
