//! One round of changes to the kernel for one group, and what it brought.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use super::{Attachment, GroupHandle, HostAddress};
use crate::dataplane::accept_gate::{GateError, GateView};
use crate::dataplane::address_lease::Lifetime;
use crate::dataplane::address_table::{Added, AddressError, AddressTable};
use crate::dataplane::address_use::Arrivals;
use crate::dataplane::attachment::{AttachmentError, AttachmentTable};
use crate::dataplane::entry_fence::{EntryFenceError, EntryFenceView};
use crate::dataplane::lease::LeaseKey;
use crate::dataplane::link_table::{LinkError, LinkSwitch};

/// What the binder changes.
#[derive(Clone)]
pub(in super::super) struct Kernel {
    pub(in super::super) addresses: Arc<dyn AddressTable>,
    pub(in super::super) links: Arc<dyn LinkSwitch>,
    pub(in super::super) attachments: Arc<dyn AttachmentTable>,
    pub(in super::super) gate: GateView,
    pub(in super::super) entry: EntryFenceView,
    pub(in super::super) arrivals: Arrivals,
}

/// Why a group cannot hold what it wants.
#[derive(Debug, Error)]
pub(in super::super) enum HoldError {
    /// An address cannot be bound.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The macvlan does not come up.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A route or rule cannot be added.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// Packets to the addresses cannot be shut out.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The addresses cannot be kept silent.
    #[error(transparent)]
    EntryFence(#[from] EntryFenceError),
}

/// What is to be done, in this order.
#[derive(Default)]
pub(super) struct Orders {
    /// An owner's addresses, to be looked for.
    pub(super) look_for: Option<BTreeSet<HostAddress>>,
    /// Whether packets to `add` must have been shut out first.
    pub(super) shut: bool,
    /// Which virtual router must have been silenced about `add` first.
    pub(super) closed: Option<LeaseKey>,
    pub(super) raise: Option<u32>,
    pub(super) add: Vec<HostAddress>,
    pub(super) lifetime: Lifetime,
    pub(super) attach: Vec<Attachment>,
    pub(super) hush: Option<u32>,
    pub(super) detach: Vec<Attachment>,
    pub(super) remove: Vec<HostAddress>,
}

impl Orders {
    pub(super) fn is_empty(&self) -> bool {
        let Self { look_for, shut: _, closed: _, raise, add, lifetime: _, attach, hush, detach, remove } =
            self;
        look_for.is_none()
            && raise.is_none()
            && add.is_empty()
            && attach.is_empty()
            && hush.is_none()
            && detach.is_empty()
            && remove.is_empty()
    }
}

/// What one round of changes for one group brought.
#[derive(Default)]
pub(super) struct Round {
    pub(super) group: GroupHandle,
    pub(super) found: bool,
    pub(super) raised: Option<u32>,
    pub(super) added: Vec<(HostAddress, Added)>,
    pub(super) attached: Vec<(Attachment, Added)>,
    pub(super) detached: Vec<Attachment>,
    pub(super) hushed: bool,
    pub(super) removed: Vec<HostAddress>,
    pub(super) failed_to_hold: Option<HoldError>,
    pub(super) failed_to_remove: Option<(Remains, HoldError)>,
}

/// What the kernel does not remove.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Remains {
    /// An address.
    Address(HostAddress),
    /// A route or a rule.
    Attachment(Attachment),
}

impl Round {
    /// Carries the orders out. A group holds all of what it wants or nothing, so the first refusal ends what would be
    /// added; what is to go goes anyhow.
    pub(super) async fn carry_out(group: GroupHandle, kernel: Kernel, orders: Orders) -> Self {
        let mut round = Self { group, ..Self::default() };
        round.failed_to_hold = round.bring(&kernel, &orders).await.err();
        // One that was raised in vain still says nothing, and must not be taken for one that may speak.
        round.hushed = round.failed_to_hold.is_some() && round.raised.is_some();
        round.take_away(&kernel, &orders).await;
        round
    }

    async fn bring(&mut self, kernel: &Kernel, orders: &Orders) -> Result<(), HoldError> {
        if let Some(addresses) = &orders.look_for {
            self.found = true;
            look_for(&*kernel.addresses, addresses).await?;
        }
        if orders.shut && !orders.add.is_empty() {
            kernel.gate.shut(orders.add.iter().map(|address| address.address)).await?;
        }
        if let Some(router) = orders.closed
            && !orders.add.is_empty()
        {
            kernel.entry.closed(router, orders.add.iter().map(|address| address.address)).await?;
        }
        if let Some(link) = orders.raise {
            kernel.links.raise(link).await?;
            self.raised = Some(link);
        }
        for address in &orders.add {
            self.added.push((*address, kernel.addresses.add_for(*address, orders.lifetime).await?));
        }
        let fresh = self.added.iter().filter(|(_, added)| *added == Added::New).map(|(address, _)| *address);
        kernel.arrivals.wait(&*kernel.addresses, fresh.filter(|address| address.address.is_ipv6())).await?;
        for attachment in &orders.attach {
            self.attached.push((*attachment, kernel.attachments.add(*attachment).await?));
        }
        // The kernel itself speaks as soon as it may, and with its first word the switch sends everything here:
        // not before all of it is answered.
        if let Some(link) = orders.raise {
            kernel.links.unmute(link).await?;
        }
        Ok(())
    }

    async fn take_away(&mut self, kernel: &Kernel, orders: &Orders) {
        if let Some(link) = orders.hush {
            // A macvlan that is gone is silent.
            self.hushed = kernel.links.hush(link).await.is_ok();
        }
        for attachment in &orders.detach {
            match kernel.attachments.remove(*attachment).await {
                Ok(()) => self.detached.push(*attachment),
                Err(error) => self.failed_to_remove = Some((Remains::Attachment(*attachment), error.into())),
            }
        }
        for address in &orders.remove {
            match kernel.addresses.remove(*address).await {
                Ok(()) | Err(AddressError::NoInterface) => self.removed.push(*address),
                Err(error) => self.failed_to_remove = Some((Remains::Address(*address), error.into())),
            }
        }
    }
}

async fn look_for(table: &dyn AddressTable, wanted: &BTreeSet<HostAddress>) -> Result<(), AddressError> {
    let listed = table.list().await?;
    let own: BTreeSet<_> = listed.iter().filter(|listed| !listed.ours).map(|listed| listed.at).collect();
    match wanted.is_subset(&own) {
        true => Ok(()),
        false => Err(AddressError::NotThere),
    }
}
