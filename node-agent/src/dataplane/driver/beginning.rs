//! Fast starts: a new group is asked for on the LAN for a moment, and begins if nobody answers.

use std::collections::BTreeSet;

use uuid::Uuid;
use vrrp::{Family, Instant};

use super::Driver;
use crate::dataplane::binder::GroupHandle;
use crate::dataplane::group::Group;
use crate::dataplane::host;
use crate::dataplane::interfaces::spell_mac;
use crate::dataplane::probe::{Answer, Token};
use crate::sys::clock;

/// How many interfaces are listened to beside those that groups run on.
const SPARE_INTERFACES: usize = 64;
/// Of more groups than that at once the addresses are asked for as they are told to begin, one after the
/// other.
const AT_ONCE: usize = 64;

impl Driver {
    /// A group may begin at once, if nobody is heard and nobody answers for its addresses.
    pub(super) fn consider_fast_start(&mut self, group: Uuid, token: Token) {
        let now = clock::boottime();
        if now < token.until {
            self.ask_for(&[(group, token.generation)], Some(token), now);
        }
    }

    /// These groups run a generation that is new here. Whoever might be told to begin finds out by then
    /// whether anybody has the addresses.
    pub(super) fn ask_ahead(&mut self, groups: &[(Uuid, i64)]) {
        if groups.len() <= AT_ONCE {
            self.ask_for(groups, None, clock::boottime());
        }
    }

    fn ask_for(&mut self, groups: &[(Uuid, i64)], token: Option<Token>, now: Instant) {
        for (id, generation) in groups {
            let is_it = |(_, one): &(GroupHandle, &Group)| one.desired().id == *id;
            let Some((handle, group)) = self.instances.iter().find(is_it) else { continue };
            let (interface, family) = (&group.desired().interface, group.desired().family);
            if let Some(footing) = group.footing() {
                self.stillness.learn((footing.ifindex, family), || host::frames_received(interface));
            }
            if !self.may_begin(group, *generation, now) {
                continue;
            }
            let Some((asker, addresses)) = group.question() else { continue };
            if let Err(error) = self.parts.probes.ask(handle, asker, addresses, token, now) {
                self.parts.outbox.notice(format!("cannot hear who answers for addresses: {error}"));
            }
        }
    }

    /// What was found out about the addresses of new groups.
    pub(super) fn conclude_fast_starts(&mut self, answers: Vec<Answer>, now: Instant) {
        let mut begun = false;
        for Answer { group: handle, token, taken } in answers {
            let Some(group) = self.instances.get(handle) else { continue };
            if let Some((address, mac)) = taken {
                let (desired, mac) = (group.desired(), spell_mac(mac));
                self.parts.outbox.notice(format!(
                    "group {} on interface {}: {mac} has {address}, which nobody was to have yet; \
                     no fast start",
                    desired.name, desired.interface
                ));
            } else if now < token.until && self.may_begin(group, token.generation, now) {
                let effects = &mut self.effects;
                self.instances.update(handle, |group| group.begin_at_once(now, effects));
                begun = true;
            }
        }
        if begun {
            self.carry_out(now);
        }
    }

    /// Whether a group may begin, as far as this node can tell without asking.
    fn may_begin(&self, group: &Group, generation: i64, now: Instant) -> bool {
        // The advertisement that forbids it may be among the packets that are not taken yet.
        let hears_all = self.turns_behind == 0 && !self.parts.probes.is_behind();
        let goes_on = self.stop_by.is_none() && self.hand_over_by.is_none();
        let (desired, Some(footing)) = (group.desired(), group.footing()) else { return false };
        let interfaces = self.parts.monitor.interfaces();
        let has_it = |address| interfaces.iter().any(|(ifindex, _)| interfaces.has_address(ifindex, address));
        hears_all
            && goes_on
            && group.may_begin(generation, now)
            && !desired.virtual_addresses.iter().any(|address| has_it(address.address()))
            && {
                let router = (footing.ifindex, desired.family, desired.vrid);
                self.stillness.is_still(router, group.wanted_stillness(), now)
            }
    }

    /// Listens where groups run, and where they may run one day, so that what is silent there is known by
    /// then.
    pub(super) fn listen(&mut self) {
        let mut wanted: BTreeSet<_> = self
            .instances
            .iter()
            .filter_map(|(_, group)| Some((group.footing()?.ifindex, group.desired().family)))
            .collect();
        let interfaces = self.parts.monitor.interfaces();
        let usable = interfaces.iter().filter(|(_, state)| {
            state.up && state.carrier && !state.loopback && state.mac.is_some() && state.macvlan.is_none()
        });
        for (ifindex, _) in usable.take(SPARE_INTERFACES) {
            let of =
                |family| interfaces.primary(ifindex, family, &BTreeSet::new()).map(|_| (ifindex, family));
            wanted.extend([Family::Ipv4, Family::Ipv6].into_iter().filter_map(of));
        }
        for (ifindex, family) in wanted.difference(&self.joined) {
            if let Err(error) = self.parts.receiver.join(*ifindex, *family) {
                let text = format!(
                    "cannot join the {family} multicast group of VRRP on interface {ifindex}: {error}"
                );
                self.parts.outbox.notice(text);
            }
        }
        for (ifindex, family) in self.joined.difference(&wanted) {
            // The membership of an interface that is gone has gone with it.
            let _left = self.parts.receiver.leave(*ifindex, *family);
        }
        self.joined = wanted;
        let listened_to = self.joined.iter().copied();
        self.stillness.follow(listened_to, interfaces, host::frames_received, clock::boottime());
    }
}
