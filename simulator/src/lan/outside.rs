//! What routers are told by another way than the LAN: that they shall take over, that another has let go, and
//! that a new group may begin at once.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::{BoostedPriority, Instance, Role};

use super::Lan;
use super::events::Event;

impl Lan {
    /// Lets a router take over now. Foreign ones cannot be told, and ours refuse what they could not win.
    pub fn boost(&mut self, node: usize, priority: BoostedPriority) {
        self.disturb();
        if self.nodes[node].manners.is_foreign() || self.nodes[node].paused_until.is_some() {
            return;
        }
        self.with(node, |instance, now| {
            let _refused = instance.boost(priority, now);
        });
        self.forget_wait_of_attempt(node);
    }

    /// Ends that.
    pub fn unboost(&mut self, node: usize) {
        self.disturb();
        self.forget_wait_of_attempt(node);
        self.with(node, Instance::unboost);
    }

    /// A router that takes over waits no longer, and anew if nothing comes of it.
    fn forget_wait_of_attempt(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if node.instance.as_ref().is_some_and(Instance::wants_addresses) {
            node.outranking_since = None;
        }
    }

    /// The LAN side of a router dies in a way that it notices: it lets go without a word. If it was Active, all others
    /// are told so by another way, once after each of these times.
    pub fn let_go(&mut self, node: usize, told_after: &[Duration]) {
        self.disturb();
        let was_active = self.nodes[node].role == Role::Active;
        let (source, sequence) = (self.nodes[node].config.source(), self.nodes[node].sequence);
        if self.nodes[node].manners.is_foreign() {
            return self.crash(node);
        }
        self.with(node, |instance, _| instance.fault());
        if was_active {
            told_after.iter().for_each(|after| self.tell_all(source, sequence, *after));
        }
    }

    /// After a while all routers are told that the one at `source` has let go after the advertisement of this number.
    pub fn tell_all(&mut self, source: IpAddr, sequence: u16, after: Duration) {
        for to in 0..self.nodes.len() {
            self.schedule(after, Event::Assist { to, source, sequence });
        }
    }

    /// A router is told that the one at `source` has let go.
    pub(super) fn assist(&mut self, to: usize, source: IpAddr, sequence: u16) {
        if self.nodes[to].manners.is_foreign() || self.nodes[to].paused_until.is_some() {
            return;
        }
        self.disturb();
        let rank = self.rank_without(to, source, false);
        let mut obeyed = false;
        self.with(to, |instance, now| obeyed = instance.handle_assist(source, sequence, rank, now));
        self.assists_obeyed += u64::from(obeyed);
    }

    /// A router has heard the one at `source` resign, and knows of the others what the plan says. A foreign one knows
    /// nothing, and a better foreign one waits for its skew.
    pub(super) fn succeed(&mut self, node: usize, source: IpAddr) {
        if self.nodes[node].manners.is_foreign() || self.rank_without(node, source, true) > 0 {
            return;
        }
        let rank = self.rank_without(node, source, false);
        let now = self.nodes[node].clock(self.now);
        if let Some(instance) = &mut self.nodes[node].instance {
            instance.succeed_by_rank(rank, now);
        }
    }

    /// How many of our own routers, or of the foreign ones, would win before this one if the one at `gone` is gone.
    fn rank_without(&self, number: usize, gone: IpAddr, foreign: bool) -> u32 {
        let others = self.nodes.iter().enumerate().filter(|(other, node)| {
            *other != number && node.config.source() != gone && node.manners.is_foreign() == foreign
        });
        let others = others.map(|(_, node)| (node.config.priority(), Some(node.config.source())));
        self.nodes[number].config.rank(others)
    }

    /// After a while a router is told that a new group may begin at once.
    pub fn tell_to_begin(&mut self, node: usize, after: Duration) {
        self.schedule(after, Event::Begin(node));
    }

    /// A router is told that a new group may begin at once. Where somebody is heard that is no disturbance.
    pub(super) fn begin(&mut self, node: usize) {
        if self.nodes[node].manners.is_foreign() || self.nodes[node].paused_until.is_some() {
            return;
        }
        let mut begins = false;
        self.with(node, |instance, now| begins = instance.begin_at_once(now));
        if begins {
            self.begun_at_once += 1;
            self.disturb();
        }
    }
}
