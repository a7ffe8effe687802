//! A group that had to let go of its addresses and could not say so on the LAN says it by way of the server, once
//! nobody can reach them here. What it names is the running number of its last advertisement, so that whoever hears
//! late does nothing.

use api_types::assist::{LetGo, LetGoReason};
use vrrp::{Instant, Role};

use super::{Effects, Group};
use crate::dataplane::fault::Fault;
use crate::shared_memory::{Slot, SlotKey};

/// The running numbers of the advertisements, and what is to be said.
#[derive(Debug)]
pub(super) struct Numbering {
    /// The number of the next one.
    pub(super) next: u16,
    /// The number of the last one that left; `None` while none has, or where the kernel numbers packets.
    last: Option<u16>,
    /// What is to be said as soon as nobody can reach the addresses here.
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
    /// The running number of its last advertisement, if it numbers them and one has left.
    pub(in super::super) fn last_number(&self) -> Option<u16> {
        self.numbering.last.filter(|_| self.peers.is_none())
    }

    /// Goes on counting after the advertisement of an earlier worker.
    pub(super) fn number_from(&mut self, last: Option<u16>) {
        if let Some(last) = last {
            self.numbering = Numbering { next: last.wrapping_add(1), last: Some(last), pending: None };
        }
    }

    /// Nothing is bound any longer of what an earlier worker held, or can be reached where it is.
    pub(super) fn say_what_was_let_go(&self, slot: &Slot, reason: LetGoReason, effects: &mut Effects) {
        let SlotKey { group_id, .. } = slot.key;
        let let_go = |sequence| LetGo { group_id, source: slot.source, sequence, reason };
        effects.let_go.extend(slot.number.map(let_go));
    }

    /// The group is about to let go without a word on the LAN.
    pub(in super::super) fn lets_go(&mut self, reason: LetGoReason) {
        let (Some(footing), Some(sequence)) = (self.footing, self.numbering.last) else { return };
        if self.role() == Role::Active && self.peers.is_none() {
            let group_id = self.desired.id;
            self.numbering.pending = Some(LetGo { group_id, source: footing.source, sequence, reason });
        }
    }

    /// What is pending is said if nobody can reach the addresses here: nothing is bound any longer, or the link is lost.
    /// The kernel may take longer than a Backup's timer to remove addresses while it looks after links.
    pub(super) fn say_let_go(&mut self, effects: &mut Effects) {
        let is_cut_off = self.numbering.pending.is_some_and(|let_go| is_of_link(let_go.reason));
        if (is_cut_off || !self.is_bound()) && !self.wants_addresses() {
            effects.let_go.extend(self.numbering.pending.take());
        }
    }

    /// The addresses are wanted again: what was to be said is not true any longer.
    pub(super) fn forget_let_go(&mut self) {
        self.numbering.pending = None;
    }

    /// A fault keeps it from taking part. For a while after its end it lets others keep what they took over.
    pub(super) fn note_fault(&mut self, fault: &Fault, now: Instant) {
        let Some(reason) = reason(fault) else { return };
        if self.instance.is_some() && is_of_link(reason) {
            self.flaps.lost(now);
        }
        self.lets_go(reason);
    }
}

const fn is_of_link(reason: LetGoReason) -> bool {
    matches!(reason, LetGoReason::LinkDown | LetGoReason::CarrierLost)
}

/// Why a fault makes a group let go without a word on the LAN.
pub(super) const fn reason(fault: &Fault) -> Option<LetGoReason> {
    match fault {
        Fault::InterfaceMissing | Fault::InterfaceDown => Some(LetGoReason::LinkDown),
        Fault::CarrierLost => Some(LetGoReason::CarrierLost),
        // It says so on the LAN.
        Fault::AddressNotOwned | Fault::SyncGroup(_) => None,
        Fault::NoInterfaceAddress
        | Fault::BindFailed(_)
        | Fault::NoVirtualMac(_)
        | Fault::PreActiveFailed(_) => Some(LetGoReason::Fault),
    }
}
