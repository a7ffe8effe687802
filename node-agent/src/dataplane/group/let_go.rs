//! A group that had to let go of its addresses and could not say so on the LAN says it by way of the server, once they
//! are gone. What it names is the running number of its last advertisement, so that whoever hears late does nothing.

use api_types::assist::{LetGo, LetGoReason};
use vrrp::{Instant, Role};

use super::{Effects, Group};
use crate::dataplane::fault::Fault;

/// The running numbers of the advertisements, and what is to be said.
#[derive(Debug)]
pub(super) struct Numbering {
    /// The number of the next one.
    pub(super) next: u16,
    /// The number of the last one that left; `None` while none has, or where the kernel numbers packets.
    last: Option<u16>,
    /// What is to be said as soon as nothing is bound any longer.
    pending: Option<LetGo>,
}

impl Numbering {
    pub(super) const fn from(next: u16) -> Self {
        Self { next, last: None, pending: None }
    }

    /// An advertisement with the next number has left.
    pub(super) const fn count(&mut self) {
        self.last = Some(self.next);
        self.next = self.next.wrapping_add(1);
    }
}

impl Group {
    /// The group is about to let go without a word on the LAN.
    pub(in super::super) fn lets_go(&mut self, reason: LetGoReason) {
        let (Some(footing), Some(sequence)) = (self.footing, self.numbering.last) else { return };
        if self.role() == Role::Active && self.peers.is_none() {
            let group_id = self.desired.id;
            self.numbering.pending = Some(LetGo { group_id, source: footing.source, sequence, reason });
        }
    }

    /// Nothing is bound any longer, or was before: now it may be said.
    pub(super) fn say_let_go(&mut self, effects: &mut Effects) {
        if !self.is_bound() && !self.wants_addresses() {
            effects.let_go.extend(self.numbering.pending.take());
        }
    }

    /// The addresses are wanted again: what was to be said is not true any longer.
    pub(super) fn forget_let_go(&mut self) {
        self.numbering.pending = None;
    }

    /// A fault keeps it from taking part. For a while after its end it lets others keep what they took over.
    pub(super) fn note_fault(&mut self, fault: &Fault, now: Instant) {
        match fault {
            Fault::InterfaceMissing | Fault::InterfaceDown => {
                if self.instance.is_some() {
                    self.flaps.lost(now);
                }
                self.lets_go(LetGoReason::LinkDown);
            }
            Fault::CarrierLost => {
                if self.instance.is_some() {
                    self.flaps.lost(now);
                }
                self.lets_go(LetGoReason::CarrierLost);
            }
            // It says so on the LAN.
            Fault::AddressNotOwned => {}
            Fault::NoInterfaceAddress | Fault::BindFailed(_) | Fault::NoVirtualMac(_) => {
                self.lets_go(LetGoReason::Fault);
            }
        }
    }
}
