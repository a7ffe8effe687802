//! What routers are told by another way than the LAN: that they shall take over, and that another has let go.

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
        self.nodes[node].outranking_since = None;
        self.with(node, |instance, now| {
            let _refused = instance.boost(priority, now);
        });
    }

    /// Ends that.
    pub fn unboost(&mut self, node: usize) {
        self.disturb();
        self.nodes[node].outranking_since = None;
        self.with(node, Instance::unboost);
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
        let others = self.nodes.iter().enumerate().filter(|(number, node)| {
            *number != to && node.config.source() != source && !node.manners.is_foreign()
        });
        let others = others.map(|(_, node)| (node.config.priority(), Some(node.config.source())));
        let rank = self.nodes[to].config.rank(others);
        let mut obeyed = false;
        self.with(to, |instance, now| obeyed = instance.handle_assist(source, sequence, rank, now));
        self.assists_obeyed += u64::from(obeyed);
    }
}
