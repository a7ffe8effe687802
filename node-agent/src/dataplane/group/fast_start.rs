//! A new group that every member runs and nobody holds: whether this member may begin at once.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::{Instance, Instant};

use super::{Effects, Group};
use crate::dataplane::probe::Asker;

/// For how many intervals the virtual router must have been silent.
const INTERVALS: u32 = 3;

impl Group {
    /// Whether this generation of it may begin at once, as far as the group itself can tell: it waits, has
    /// heard nobody, all members have agents, and none of them would win against it. An owner needs no leave.
    pub(in super::super) fn may_begin(&self, generation: i64, now: Instant) -> bool {
        let is_meant =
            self.desired.generation == generation && self.departure.is_none() && !self.is_held_back();
        let has_stranger = self.sync_group().is_some() || self.desired.peers.iter().any(|peer| peer.external);
        let others = || self.desired.peers.iter().map(|peer| (peer.priority, peer.address));
        let may = |instance: &Instance| instance.is_idle(now) && instance.config().rank(others()) == 0;
        is_meant && !has_stranger && self.fault.is_none() && self.instance.as_ref().is_some_and(may)
    }

    /// For how long the virtual router must have been silent before.
    pub(in super::super) fn wanted_stillness(&self) -> Duration {
        self.desired.advertisement_interval_ms.as_duration() * INTERVALS
    }

    /// From where to ask for its addresses, and which these are.
    pub(in super::super) fn question(&self) -> Option<(Asker, Vec<IpAddr>)> {
        let footing = self.footing?;
        let asker = Asker { ifindex: footing.ifindex, mac: footing.own_mac, source: footing.source };
        Some((asker, self.instance.as_ref()?.config().addresses().to_vec()))
    }

    /// Begins at once.
    pub(in super::super) fn begin_at_once(&mut self, now: Instant, effects: &mut Effects) {
        let begins = self.instance.as_mut().is_some_and(|instance| instance.begin_at_once(now));
        effects.touched.extend(begins.then_some(self.handle));
        self.drain(now, effects);
    }
}
