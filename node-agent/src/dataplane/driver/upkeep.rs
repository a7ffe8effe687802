//! What groups need before they can hold anything, kept while they run: macvlans, and the table that shuts packets out.

use super::Driver;

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
    }

    /// A macvlan was made or removed, or could not be.
    pub(super) fn follow_links(&mut self) {
        self.instances.set_refused_links(self.parts.links.refused());
        (self.interfaces_changed, self.upkeep_due) = (true, true);
    }

    /// Sees to it that the macvlans which addresses are on are up.
    pub(super) fn watch_macvlans(&mut self) {
        let down = self.parts.monitor.interfaces().macvlans().filter(|(_, state, _)| !state.up);
        let down: Vec<_> = down.map(|(ifindex, ..)| ifindex).collect();
        down.into_iter().for_each(|ifindex| self.parts.binder.notice_lowered(ifindex));
    }
}
