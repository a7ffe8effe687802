//! What the driver makes of what the kernel has done: on its behalf, and by itself.

use vrrp::Instant;

use super::Driver;
use crate::dataplane::address_table::HostAddress;
use crate::dataplane::binder::{Event, Remains};
use crate::dataplane::link_monitor::Change;
use crate::sys::clock;

impl Driver {
    pub(super) fn follow_binder(&mut self, event: Event) {
        let now = clock::boottime();
        let effects = &mut self.effects;
        match event {
            Event::Held { group } => self.instances.update(group, |group| group.handle_held(now, effects)),
            Event::HoldFailed { group, error } => {
                self.instances.update(group, |group| group.handle_hold_failed(&error, now, effects));
            }
            Event::Released { group, at } => {
                self.instances.update(group, |group| group.handle_released(at, effects));
            }
            Event::Hushed { group } => {
                let said = self.conceding.remove(&group);
                effects.advertisements.extend(said.map(|saying| (group, saying)));
            }
            Event::Restored { group, addresses } => {
                self.instances.update(group, |group| {
                    group.counters.addresses_restored += u64::try_from(addresses.len()).unwrap_or(u64::MAX);
                });
                effects.announcements.push(group);
                effects.news = true;
            }
            Event::FoundForeign { address } => {
                let text = format!(
                    "{} is there without this agent's mark: it is used while wanted, and stays when it is not",
                    self.name(address)
                );
                self.parts.outbox.notice(text);
            }
            Event::LinkLeft => self.upkeep_due = true,
            Event::Reattached { attachment } => {
                self.parts.outbox.notice(format!("{attachment} was gone and is there again"));
            }
            Event::Stuck { remains, error } => {
                let name = match remains {
                    Remains::Address(address) => self.name(address),
                    Remains::Attachment(attachment) => attachment.to_string(),
                };
                let text = format!("{name} could not be removed and is tried again: {error}");
                self.parts.outbox.notice(text);
            }
        }
    }

    /// An address and its interface, for people.
    pub(super) fn name(&self, HostAddress { ifindex, address }: HostAddress) -> String {
        format!("{address} on {}", self.interface(ifindex))
    }

    /// An interface, for people.
    pub(super) fn interface(&self, ifindex: u32) -> String {
        let state = self.parts.monitor.interfaces().get(ifindex);
        format!("interface {}", state.map_or("that is gone", |state| state.name.as_str()))
    }

    pub(super) fn follow_kernel(&mut self, change: Change) {
        let interfaces = self.parts.monitor.interfaces();
        self.stillness.follow_losses(interfaces);
        match change {
            Change::Interfaces => self.interfaces_changed = true,
            Change::AddressRemoved { at, ours } => {
                if ours && self.parts.binder.notice_run_out(at) {
                    self.parts.fencing.note_lapsed_lease();
                }
                self.parts.binder.notice_removed(at);
                self.interfaces_changed |= !ours;
            }
            Change::Everything => {
                let is_there = |HostAddress { ifindex, address }| interfaces.has_address(ifindex, address);
                self.parts.binder.compare(is_there);
                self.interfaces_changed = true;
            }
        }
    }

    /// Lets every group find its feet on what the interfaces offer now.
    pub(super) fn follow_interfaces(&mut self, now: Instant) {
        self.instances.follow_interfaces(self.parts.monitor.interfaces(), now, &mut self.effects);
        self.listen();
        self.watch_macvlans();
        self.upkeep_due = true;
        self.effects.news = true;
        if let Some(refused) = self.refused.take() {
            self.apply(refused.revision, refused.groups, Some(&refused.reasons));
        }
    }
}
