//! What can be asked of a group at any time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api_types::channel::DesiredGroup;
use api_types::transition::State;
use vrrp::{ChecksumForm, Claim, Instance, Instant, Priority, Role};

use super::{Departure, Footing, Group};
use crate::dataplane::fault::Fault;
use crate::dataplane::heard::Heard;
use crate::dataplane::transmit::PrebuiltAdvertisement;

impl Group {
    /// What it was told to be.
    pub(in super::super) const fn desired(&self) -> &DesiredGroup {
        &self.desired
    }

    /// Where it runs, if it can.
    pub(in super::super) const fn footing(&self) -> Option<Footing> {
        self.footing
    }

    /// The state of this member.
    pub(in super::super) const fn state(&self) -> State {
        self.state
    }

    /// Since when it has this state.
    pub(in super::super) const fn since(&self) -> Instant {
        self.since
    }

    /// Why it is in fault, if it is.
    pub(in super::super) const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The protocol's role.
    pub(in super::super) fn role(&self) -> Role {
        self.instance.as_ref().map_or(Role::Initialize, Instance::role)
    }

    /// The priority it advertises or would advertise.
    pub(in super::super) fn effective_priority(&self) -> Priority {
        self.instance.as_ref().map_or(self.checked_priority(), |instance| instance.config().priority())
    }

    /// Whether all addresses are bound, as far as this group has heard.
    pub(in super::super) const fn is_bound(&self) -> bool {
        self.bound_at.is_some()
    }

    /// Changes whenever what it would hold, or say, does.
    pub(in super::super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// When another router last said that it holds the addresses, as far as that is the last it said.
    pub(in super::super) fn heard_rival_at(&self) -> Option<Instant> {
        let heard = self.instance.as_ref()?.last_heard()?;
        (heard.claim != Claim::Resigns).then_some(heard.at)
    }

    /// When its last advertisement left.
    pub(in super::super) const fn last_sent(&self) -> Option<Instant> {
        self.last_sent
    }

    /// The routers it has heard.
    pub(in super::super) const fn heard(&self) -> &Heard {
        &self.heard
    }

    /// The form of the checksum that it sends.
    pub(in super::super) const fn checksum(&self) -> ChecksumForm {
        self.checksum
    }

    /// The router it waits behind.
    pub(in super::super) fn active_source(&self) -> Option<IpAddr> {
        self.instance.as_ref().and_then(Instance::active_source)
    }

    /// When it last heard a valid advertisement of another router.
    pub(in super::super) fn last_heard_at(&self) -> Option<Instant> {
        Some(self.instance.as_ref()?.last_heard()?.at)
    }

    /// Active_Down_Interval as it applies now; `None` without an instance.
    pub(in super::super) fn active_down_interval(&self) -> Option<Duration> {
        self.instance.as_ref().map(Instance::active_down_interval)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(in super::super) fn poll_timeout(&self) -> Option<Instant> {
        let transition = self.transitions.next_deadline();
        let instance = self.instance.as_ref().and_then(Instance::poll_timeout);
        [transition, instance, self.entry_deadline()].into_iter().flatten().min()
    }

    /// The frame that claims this before all of the LAN, for others to number and to send; `None` as for
    /// [`frame`](Group::frame).
    pub(in super::super) fn frame_for_others(&self, claim: Claim) -> Option<Arc<[u8]>> {
        let footing = self.footing.filter(|_| self.peers.is_none())?;
        let config = self.instance.as_ref()?.config();
        let frame = PrebuiltAdvertisement::build(config, claim.into(), self.checksum, footing.mac)?;
        Some(frame.octets)
    }

    /// Whether it hands over, or has.
    pub(in super::super) fn is_leaving(&self) -> bool {
        let hands_over = self.instance.as_ref().is_some_and(Instance::is_leaving);
        self.departure.is_some() || self.is_held_back() || hands_over
    }

    /// Whether it leaves for good.
    pub(in super::super) const fn departure(&self) -> Option<Departure> {
        self.departure
    }

    /// Whether it has left: nothing is held, nothing is to be said any more.
    pub(in super::super) fn is_gone(&self) -> bool {
        self.departure.is_some()
            && self.role() == Role::Initialize
            && !self.is_bound()
            && self.transitions.is_empty()
    }

    /// Whether it wants its addresses now.
    pub(in super::super) fn wants_addresses(&self) -> bool {
        self.instance.as_ref().is_some_and(Instance::wants_addresses)
    }

    /// Whether it holds its addresses and is so late that another may do so too.
    pub(in super::super) fn is_overdue(&self, now: Instant) -> bool {
        self.instance.as_ref().is_some_and(|instance| instance.is_overdue(now))
    }

    /// The addresses that are to be announced, and from which MAC address.
    pub(in super::super) fn announcement(&self) -> Option<(Footing, Vec<IpAddr>)> {
        let instance =
            self.instance.as_ref().filter(|instance| instance.wants_addresses() && self.is_open())?;
        Some((self.footing?, instance.config().addresses().to_vec()))
    }

    /// Whether transitions wait to be taken.
    pub(in super::super) fn has_transitions(&self) -> bool {
        !self.transitions.is_empty()
    }
}
