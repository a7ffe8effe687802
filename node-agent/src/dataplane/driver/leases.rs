//! Renews the kernel's leases on addresses with the advertisements of those who hold them.

use std::time::Instant;

use vrrp::Claim;

use super::Driver;
use crate::dataplane::address_lease::{Lifetime, Terms};
use crate::dataplane::binder::GroupHandle;
use crate::dataplane::group::Group;
use crate::dataplane::transmit::Saying;

impl Driver {
    /// The turn of these has come to advertise, and whether or not that left, the loop that would see to it is alive.
    pub(super) fn renew_leases(&mut self, advertisements: &[(GroupHandle, Saying)]) {
        if advertisements.is_empty() {
            return;
        }
        let now = Instant::now();
        for (handle, saying) in advertisements {
            let concedes = saying.interval.is_some();
            // Who resigns for its sync group answers for longer than three intervals.
            let renews = |group: &Group| {
                group.wants_addresses() && (saying.claim != Claim::Resigns || group.sync_group().is_some())
            };
            let Some(group) = self.instances.get(*handle).filter(|group| !concedes && renews(group)) else {
                continue;
            };
            let lifetime = self.parts.fencing.terms().lifetime(group.desired());
            let (addresses, claimed) = self.parts.binder.kept(*handle);
            if !addresses.is_empty() && self.leases.is_due(*handle, lifetime, claimed, now) {
                self.parts.binder.renew(*handle, &addresses, lifetime);
            }
        }
    }

    /// The group is about to wish for its addresses; with this lifetime.
    pub(super) fn begin_lease(&mut self, handle: GroupHandle) -> Lifetime {
        let desired = self.instances.get(handle).map(Group::desired);
        let lifetime =
            desired.map(|desired| self.parts.fencing.terms().lifetime(desired)).unwrap_or_default();
        self.leases.begin(handle, lifetime, Instant::now());
        lifetime
    }

    /// Other groups run than before.
    pub(super) fn set_terms(&mut self) {
        let wanted = self.parts.fencing.wanted().address_lease;
        let terms = Terms::of(wanted, self.instances.iter().map(|(_, group)| group.desired()));
        self.parts.fencing.set_terms(terms);
    }
}
