//! What leaves the driver in one turn, in this order: advertisements, silence and wishes for the binder, announcements.

use std::collections::BTreeSet;

use vrrp::{Family, Instant};

use super::{Driver, SNAPSHOT_AFTER};
use crate::dataplane::announce::{Part, Scope};
use crate::dataplane::announcement::Announcement;
use crate::dataplane::binder::{GroupHandle, Wish};
use crate::dataplane::group::{Effects, Footing, Group, Want};
use crate::dataplane::host;
use crate::dataplane::transmit::{PeerMessage, Saying, ethertype};
use crate::messages::Report;
use crate::sys::clock;
use crate::sys::datagram_sender::Datagram;
use crate::sys::packet_sender::Frame;

impl Driver {
    /// Does what the groups asked for.
    pub(super) fn carry_out(&mut self, now: Instant) {
        self.instances.settle_sync_groups(now, &mut self.effects);
        let mut effects = std::mem::take(&mut self.effects);
        self.fall_silent(&mut effects);
        let mut touched = effects.touched;
        self.advertise(&effects.advertisements, &mut touched);
        self.advertise_to_peers(&effects.advertisements, &mut touched);
        self.parts.leases.renew();
        for (group, want) in effects.wishes {
            if !matches!(want, Want::Hold(_)) {
                self.announcements.cancel(group);
                self.leases.forget(group);
                self.parts.probes.let_go(group);
            }
            match want {
                Want::Hold(wish) => {
                    self.conceding.remove(&group);
                    let lifetime = self.begin_lease(group);
                    self.parts.binder.hold(group, Wish { lifetime, ..wish });
                }
                Want::HandOver => self.parts.binder.hand_over(group),
                Want::Nothing => self.parts.binder.release(group),
            }
        }
        for group in effects.announcements {
            self.begin_to_announce(group, now);
        }
        self.announce(now);
        self.renew_leases(&effects.advertisements);
        for handle in &touched {
            if let Some(group) = self.instances.get(*handle) {
                let foreign = self.parts.binder.foreign(*handle);
                if !self.parts.slots.record(*handle, group, foreign) {
                    let name = &group.desired().name;
                    self.parts
                        .outbox
                        .notice(format!("group {name}: there is no room to tell the guard of it"));
                }
            }
        }
        if !effects.let_go.is_empty() {
            self.parts.outbox.send(Report::LetGo(effects.let_go));
        }
        effects.notices.into_iter().for_each(|text| self.parts.outbox.notice(text));
        self.upkeep_due |= effects.entry;
        if effects.news {
            self.snapshot_at = self.snapshot_at.min(now + SNAPSHOT_AFTER);
        }
    }

    /// Silences those that a successor was heard of. What they still have to say teaches the switch where the
    /// successor is, because that answers: so it waits until nothing can leave from the MAC address that both
    /// share.
    fn fall_silent(&mut self, effects: &mut Effects) {
        let mut falling = BTreeSet::new();
        for group in std::mem::take(&mut effects.hushes) {
            self.announcements.cancel(group);
            self.parts.probes.let_go(group);
            if self.parts.binder.hush(group) {
                falling.insert(group);
            }
        }
        let waits = |(group, saying): &mut (GroupHandle, Saying)| {
            saying.interval.is_some() && falling.contains(group)
        };
        self.conceding.extend(effects.advertisements.extract_if(.., waits));
    }

    fn advertise(&mut self, advertisements: &[(GroupHandle, Saying)], touched: &mut BTreeSet<GroupHandle>) {
        let mut frames = Vec::with_capacity(advertisements.len());
        for &(handle, saying) in advertisements {
            self.instances.update(handle, |group| {
                let ethertype = ethertype(group.desired().family);
                let frame = group.frame(saying);
                frames.extend(frame.map(|(ifindex, octets)| (handle, saying, (ifindex, ethertype), octets)));
            });
        }
        let batch: Vec<_> = frames
            .iter()
            .map(|(_, _, (ifindex, ethertype), octets)| Frame {
                ifindex: *ifindex,
                ethertype: *ethertype,
                octets,
            })
            .collect();
        let mut sent = Vec::with_capacity(batch.len());
        let mut refused = Vec::new();
        self.parts.sender.send(&batch, |index, outcome| match outcome {
            Ok(()) => sent.push(index),
            Err(error) => refused.push((index, error)),
        });
        let at = clock::boottime();
        for (index, error) in refused {
            let (_, _, (ifindex, _), _) = frames[index];
            if self.mute.insert(ifindex) {
                let text = format!("advertisements cannot leave through interface {ifindex}: {error}");
                self.parts.outbox.notice(text);
            }
        }
        for index in sent {
            let (handle, saying, (ifindex, _), _) = frames[index];
            self.mute.remove(&ifindex);
            self.note_sent(handle, saying, at);
            touched.insert(handle);
        }
    }

    /// Says it to the peers of groups that speak to each alone.
    fn advertise_to_peers(
        &mut self,
        advertisements: &[(GroupHandle, Saying)],
        touched: &mut BTreeSet<GroupHandle>,
    ) {
        for &(handle, saying) in advertisements {
            let messages = self.instances.get(handle).and_then(|group| group.messages(saying));
            let Some((footing, messages)) = messages else { continue };
            let Footing { ifindex, source, .. } = footing;
            let mut sent = false;
            for PeerMessage { destination, octets } in &messages {
                let datagram = Datagram { ifindex, source, destination: *destination, message: octets };
                match self.parts.datagrams.send(&datagram) {
                    Ok(()) => sent = true,
                    Err(error) if self.mute.insert(ifindex) => self.parts.outbox.notice(format!(
                        "advertisements to {destination} cannot leave through interface {ifindex}: {error}"
                    )),
                    Err(_) => {}
                }
            }
            if sent {
                let at = clock::boottime();
                self.note_sent(handle, saying, at);
                touched.insert(handle);
            }
        }
    }

    fn note_sent(&mut self, handle: GroupHandle, saying: Saying, at: Instant) {
        if let Some(group) = self.instances.get(handle) {
            self.parts.leases.note_sent(group, saying.claim, at);
        }
        let lateness = &mut self.lateness;
        self.instances.update(handle, |group| {
            group.handle_sent(saying.claim, at).into_iter().for_each(|late| lateness.note(late));
        });
    }

    fn begin_to_announce(&mut self, handle: GroupHandle, now: Instant) {
        if let Some((footing, addresses)) = self.instances.get(handle).and_then(Group::announcement) {
            let scope = Scope { ifindex: footing.ifindex, addresses: addresses.len() };
            self.announcements.begin(handle, scope, now);
            self.heed_questions(handle, now);
        }
    }

    fn announce(&mut self, now: Instant) {
        let mut router = None;
        for Part { group: handle, skip, count, is_last } in self.announcements.take_portion(now) {
            let Some((footing, addresses)) = self.instances.get(handle).and_then(Group::announcement) else {
                self.announcements.cancel(handle);
                continue;
            };
            let addresses = addresses.iter().skip(skip).take(count).copied().collect();
            // Read anew for each portion: an operator may make a router of the host at any time.
            let router = *router.get_or_insert_with(|| self.forwards_ipv6(footing.ifindex));
            let announcement = Announcement { ifindex: footing.ifindex, mac: footing.mac, addresses, router };
            let frames = self.parts.announcer.frames(&announcement);
            let batch: Vec<_> = frames
                .iter()
                .map(|frame| Frame {
                    ifindex: footing.ifindex,
                    ethertype: frame.ethertype,
                    octets: &frame.octets,
                })
                .collect();
            let mut sent = 0;
            self.parts.sender.send(&batch, |_, outcome| sent += u64::from(outcome.is_ok()));
            let at = (sent > 0).then(clock::boottime);
            self.instances.update(handle, |group| {
                group.counters.announcements_sent += sent;
                if is_last {
                    group.handle_announced(at);
                }
            });
        }
    }

    /// Whether the host forwards IPv6 that comes in through the interface, which is what neighbours are told.
    fn forwards_ipv6(&self, ifindex: u32) -> bool {
        let interface = self.parts.monitor.interfaces().get(ifindex);
        interface.is_some_and(|interface| host::forwards(Family::Ipv6, &interface.name))
    }
}
