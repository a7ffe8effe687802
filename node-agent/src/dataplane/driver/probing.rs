//! Whether the LAN has followed a takeover: asked by the members that wait, answered for by the one that holds.

use std::collections::BTreeSet;
use std::io;

use api_types::protocol::Transport;
use api_types::transition::State;
use vrrp::Instant;

use super::Driver;
use crate::dataplane::announce::Scope;
use crate::dataplane::binder::GroupHandle;
use crate::dataplane::group::Group;
use crate::dataplane::probe::{ATTENTIVE, Doubt, Finding};
use crate::messages::{ObservedConvergence, Report};
use crate::sys::clock;
use crate::sys::packet_sender::Frame;

impl Driver {
    /// Begins to check on the holders that were heard anew, in an advertisement that came from `mac`.
    pub(super) fn check_new_holders(&mut self, mac: Option<[u8; 6]>) {
        for (handle, at) in std::mem::take(&mut self.effects.new_holders) {
            if let Some((asker, subject)) = self.instances.get(handle).and_then(|group| group.check(mac, at))
            {
                self.parts.probes.begin(handle, asker, subject);
            }
        }
    }

    /// A group begins to announce: while its takeover is young whoever asks for it has it announced again.
    pub(super) fn heed_questions(&mut self, handle: GroupHandle, now: Instant) {
        let Some(group) = self.instances.get(handle).filter(|group| group.state() == State::Active) else {
            return;
        };
        let is_young = now < group.since() + ATTENTIVE;
        if let Some((footing, addresses)) = group.announcement().filter(|_| is_young) {
            let since = group.since();
            self.parts.probes.taken(handle, footing.ifindex, &addresses, group.members(), since);
        }
    }

    /// Takes what the neighbours have said.
    pub(super) fn hear_neighbours(&mut self) -> io::Result<()> {
        let interfaces = self.parts.monitor.interfaces();
        let physical = |ifindex| interfaces.physical(ifindex);
        let asked = self.parts.probes.hear(&mut self.buffer, physical)?;
        let now = clock::boottime();
        for handle in asked {
            if let Some((footing, addresses)) = self.instances.get(handle).and_then(Group::announcement) {
                let scope = Scope { ifindex: footing.ifindex, addresses: addresses.len() };
                self.announcements.repeat(handle, scope, now);
            }
        }
        Ok(())
    }

    /// Asks what is to be asked, and tells what was found out.
    ///
    /// # Errors
    /// When the sockets that hear the answers fail.
    pub(super) fn probe(&mut self, now: Instant) -> io::Result<()> {
        if self.parts.probes.is_about_to_conclude(now) {
            // The answer may be among what has not been heard yet, however late this turn comes.
            self.hear_neighbours()?;
        }
        for handle in self.parts.probes.due(now) {
            // Whoever is checked on may be followed by another, and the group may be gone.
            let waits = self.instances.get(handle).is_some_and(|group| group.active_source().is_some());
            if !waits {
                self.parts.probes.cancel(handle);
            }
        }
        let progress = self.parts.probes.follow(now);
        let frames = progress.questions.iter().map(|(ifindex, frame)| Frame {
            ifindex: *ifindex,
            ethertype: frame.ethertype,
            octets: &frame.octets,
        });
        let frames: Vec<_> = frames.collect();
        let mut mute = BTreeSet::new();
        self.parts.sender.send(&frames, |index, outcome| {
            mute.extend(outcome.is_err().then_some(frames[index].ifindex));
        });
        // What cannot leave brings no answer: whether the LAN has followed is asked again, but silence proves
        // nothing.
        mute.into_iter().for_each(|ifindex| self.parts.probes.give_up_on(ifindex));
        self.conclude_fast_starts(progress.answers, now);
        for Finding { group, heard_at, outcome } in progress.done {
            let Some(group) = self.instances.get(group) else { continue };
            let (desired, Some(source)) = (group.desired(), group.active_source()) else { continue };
            match outcome {
                Ok(took) => self.parts.outbox.send(Report::Converged(ObservedConvergence {
                    group_id: desired.id,
                    group: desired.name.to_string(),
                    holder: source,
                    heard_at_boottime_ns: clock::nanoseconds(heard_at),
                    took,
                })),
                // Members that speak to each other one by one need not share a LAN.
                Err(Doubt::Nobody(_)) if desired.options.transport == Transport::Unicast => {}
                Err(doubt) => self.parts.outbox.notice(format!(
                    "group {} on interface {}: {source} took over, and {doubt}",
                    desired.name, desired.interface
                )),
            }
        }
        if let Err(error) = self.parts.probes.listen() {
            self.parts.outbox.notice(format!("cannot hear who answers for addresses: {error}"));
        }
        Ok(())
    }
}
