//! What groups need before they can hold anything, kept while they run: macvlans, and tables of nftables.

use super::Driver;
use crate::sys::clock;

impl Driver {
    /// Tells whoever keeps these what the groups want now.
    pub(super) fn keep_up(&mut self) {
        // What an earlier life of the agent left may yet be adopted.
        if self.parts.predecessor.adopt_until().is_some() {
            return;
        }
        let interfaces = self.parts.monitor.interfaces();
        self.parts.binder.forget_links(|link| interfaces.get(link).is_some());
        self.parts.links.want(self.instances.links(interfaces));
        self.parts.links.follow(interfaces, &self.parts.binder.links());
        self.parts.gate.want(self.instances.shut_addresses());
        let groups = self.instances.iter().map(|(_, group)| group);
        self.parts.entry.want(groups, self.parts.monitor.interfaces());
        // What an earlier life has bound is silenced as it was until it is gone.
        if self.parts.binder.has_leftovers() {
            self.upkeep_due = true;
        } else {
            let groups = self.instances.iter().map(|(_, group)| group);
            self.parts.leases.want(groups, self.parts.monitor.interfaces());
        }
    }

    /// A macvlan was made or removed, or could not be.
    pub(super) fn follow_links(&mut self) {
        self.instances.set_refused_links(self.parts.links.refused());
        (self.interfaces_changed, self.upkeep_due) = (true, true);
    }

    /// Something has become of the table that shuts packets out. Whoever waits for it has been told.
    pub(super) fn follow_gate(&mut self) {
        let notices = self.parts.gate.take_notices();
        self.pass_on(notices);
    }

    /// Something has become of the table that keeps addresses silent. Whoever binds them has been told.
    pub(super) fn follow_entry_fence(&mut self) {
        let now = clock::boottime();
        let failure = self.parts.entry.failure().map(|failure| failure.to_string());
        let opening: Vec<_> = self
            .instances
            .iter()
            .filter(|(_, group)| group.entrance().is_some_and(|entrance| entrance.open))
            .filter_map(|(handle, group)| Some((handle, group.entry_key()?)))
            .collect();
        for (handle, key) in opening {
            let open = self.parts.entry.is_open(key);
            let effects = &mut self.effects;
            self.instances.update(handle, |group| {
                group.follow_entry_fence(open, failure.as_deref(), now, effects);
            });
        }
        let notices = self.parts.entry.take_notices();
        self.pass_on(notices);
    }

    /// Something has become of the leases.
    pub(super) fn follow_leases(&mut self) {
        self.parts.leases.examine(self.instances.iter().map(|(_, group)| group));
        let notices = self.parts.leases.take_notices();
        self.pass_on(notices);
    }

    /// Has control write to the log what somebody else than a group has to say.
    fn pass_on(&mut self, notices: Vec<String>) {
        self.effects.news |= !notices.is_empty();
        notices.into_iter().for_each(|text| self.parts.outbox.notice(text));
    }

    /// Sees to it that the macvlans which addresses are on are up.
    pub(super) fn watch_macvlans(&mut self) {
        let down = self.parts.monitor.interfaces().macvlans().filter(|(_, state, _)| !state.up);
        let down: Vec<_> = down.map(|(ifindex, ..)| ifindex).collect();
        down.into_iter().for_each(|ifindex| self.parts.binder.notice_lowered(ifindex));
    }
}
