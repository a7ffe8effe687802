//! How packets are taken: handed to the group they are about, or counted.

use std::io;

use super::Driver;
use crate::dataplane::group::Group;
use crate::dataplane::receive::{self, Dropped};
use crate::sys::clock;

/// How many packets one turn takes before it looks at the clock again.
const PACKETS_PER_TURN: usize = 1024;

impl Driver {
    /// Takes what has come, so many packets at the most.
    pub(super) fn take_packets(&mut self) -> io::Result<()> {
        for _ in 0..PACKETS_PER_TURN {
            let Some(packet) = self.parts.receiver.receive(&mut self.buffer)? else {
                self.turns_behind = 0;
                return Ok(());
            };
            let octets = &self.buffer[..packet.length];
            let family = packet.family;
            let ifindex = self.parts.monitor.interfaces().physical(packet.ifindex);
            let demands_of = |vrid| self.instances.demands(ifindex, family, vrid);
            let now = clock::boottime();
            let dropped = match receive::advertisement(family, octets, demands_of) {
                Ok(advertisement) => {
                    self.stillness.note((ifindex, family, advertisement.vrid), now);
                    let about = (Some(advertisement.source), Some(advertisement.vrid));
                    let heard = self.instances.hear(
                        ifindex,
                        &advertisement,
                        receive::number(family, octets),
                        now,
                        &mut self.effects,
                    );
                    self.check_new_holders(packet.mac);
                    heard.err().map(|cause| (cause, about))
                }
                Err(Dropped { cause, vrid, source }) => {
                    if let Some(vrid) = vrid {
                        self.stillness.note((ifindex, family, vrid), now);
                        self.instances.count_dropped(ifindex, family, vrid, cause);
                    }
                    Some((cause, (source, vrid)))
                }
            };
            if let Some((cause, about)) = dropped
                && let Some(text) = self.drops.count(ifindex, cause, about, now)
                && self.runs_groups_on(ifindex)
            {
                self.parts.outbox.notice(format!("{}: {text}", self.interface(ifindex)));
            }
        }
        self.turns_behind = self.turns_behind.saturating_add(1);
        Ok(())
    }

    /// What goes on elsewhere is counted, and is nobody's news here.
    fn runs_groups_on(&self, ifindex: u32) -> bool {
        let is_there = |group: &Group| group.footing().is_some_and(|footing| footing.ifindex == ifindex);
        self.instances.iter().any(|(_, group)| is_there(group))
    }
}
